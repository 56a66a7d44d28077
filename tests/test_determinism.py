"""The promise: the same bits run to run, for any number of threads, from any thread, with any threading layer."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from processes import run_python

from fastnn import Adam, Momentum, Trainer, cost, mlp
from fastnn.kernels.optimizer import PARALLEL_PARAMETERS
from fastnn.products.matmul import PARALLEL_MACS

Array = npt.NDArray[Any]

# What the processes below train: large enough for threads in its products and its update. Whether they ran, the pool
# tells: whoever takes it notes when. It must not rest from an earlier run, as it does where another process has a core.
SIZES, BATCH, STEPS = (300, 700, 10), 32, 100
COMMON = f"""
import hashlib, json, threading, warnings
import numba
import numpy as np
from fastnn import mlp, set_num_threads
from fastnn.simd import pool

def data():
    x = np.random.default_rng(0).normal(size=({STEPS * BATCH}, {SIZES[0]})).astype("f4")
    return x, (x[:, 0] > 0) + 2 * (x[:, 1] > 0).astype(np.int64)

def digest(array):
    return hashlib.sha256(array.tobytes()).hexdigest()

def parameters_after(steps, optimizer="adam"):
    net = mlp(*{SIZES}, seed=0)
    net.trainer(optimizer, {BATCH}).epoch(x, y, np.arange(len(x)), steps)
    return digest(net.parameters)

x, y = data()
"""


def test_the_network_of_these_tests_is_large_enough_for_threads() -> None:
    net = mlp(*SIZES, seed=0)
    first_layer = cost.dense_forward(BATCH, SIZES[0], SIZES[1], "relu", 4)
    assert first_layer.macs >= PARALLEL_MACS
    assert net.parameters.size >= PARALLEL_PARAMETERS


@pytest.fixture(scope="module")
def serial() -> Any:
    """In a process with one thread, where no pool is ever taken."""
    source = """
net = mlp(*SIZES, seed=0)
print(json.dumps({"output": digest(net(x[:512])), "short": parameters_after(20), "long": parameters_after(STEPS)}))
"""
    return run_python(COMMON + source.replace("SIZES", repr(SIZES)).replace("STEPS", str(STEPS)), NUMBA_NUM_THREADS="1")


def test_parameters_have_the_same_bytes_for_1_2_and_4_threads(serial: Any) -> None:
    source = f"""
digests, taken = {{}}, {{}}
for threads in (4, 1, 2, 4):
    set_num_threads(threads)
    pool._state[pool.BEGUN] = pool._state[pool.RESTS_UNTIL] = 0
    digests.setdefault(str(threads), []).append(parameters_after({STEPS}))
    taken[str(threads)] = pool._state[pool.BEGUN] > 0
print(json.dumps([digests, taken]))
"""
    digests, taken = run_python(COMMON + source, NUMBA_NUM_THREADS="4")
    assert digests == {threads: [serial["long"]] * len(found) for threads, found in digests.items()}
    assert len(digests["4"]) == 2
    assert taken == {"1": False, "2": True, "4": True}


def test_a_taken_pool_changes_no_bit(serial: Any) -> None:
    """Whoever finds the threads busy runs the serial twin."""
    source = "pool._owner.value = 1\nprint(json.dumps(parameters_after(20)))"
    assert run_python(COMMON + source, NUMBA_NUM_THREADS="2") == serial["short"]


LAYERS = {"omp": "numba.np.ufunc.omppool", "tbb": "numba.np.ufunc.tbbpool", "workqueue": "numba.np.ufunc.workqueue"}


def is_present(layer: str) -> bool:
    try:
        importlib.import_module(LAYERS[layer])
    except ImportError:
        return False
    return True


@pytest.mark.parametrize("layer", LAYERS)
def test_four_python_threads_at_once_get_the_bits_of_one(layer: str, serial: Any) -> None:
    if not is_present(layer):
        pytest.skip(f"needs the threading layer {layer}")
    source = f"""
from concurrent.futures import ThreadPoolExecutor
set_num_threads(2)
shared = mlp(*{SIZES}, seed=0)
together = threading.Barrier(4)

def train(i):
    together.wait()
    return parameters_after(20)

def ask(i):
    together.wait()
    return [digest(shared(x[:512])) for _ in range(5)]

with ThreadPoolExecutor(4) as executor:
    trained, asked = list(executor.map(train, range(4))), list(executor.map(ask, range(4)))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        shared.fit(x[:64], y[:64], epochs=1, seed=0)
warned = [str(warning.message) for warning in caught]
print(json.dumps([trained, sum(asked, []), numba.threading_layer(), pool._owner.value, warned]))
"""
    trained, asked, used, owner, warned = run_python(
        COMMON + source, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2"
    )
    assert used == layer
    assert trained == [serial["short"]] * 4
    assert asked == [serial["output"]] * 20
    assert owner == 0  # given back
    # The layer that is slow to start threads is named, once.
    assert [message[:44] for message in warned] == ["numba found neither OpenMP nor TBB and runs "] * (
        layer == "workqueue"
    )


# Small networks, in this process --------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(40, 6)).astype("f4")
Y = np.arange(40) % 3


def small_trainer(optimizer: Any) -> Trainer:
    return mlp(6, 9, 3, activation="gelu", seed=0).trainer(optimizer, 16)


@pytest.mark.parametrize("optimizer", [Momentum(0.1), Adam(0.01, clip_norm=0.5)], ids=["momentum", "adam"])
def test_two_runs_have_the_same_bytes(optimizer: Any) -> None:
    runs = []
    for _ in range(2):
        trainer = small_trainer(optimizer)
        reports = [trainer.epoch(X, Y, np.arange(40)) for _ in range(5)]
        runs.append((reports, trainer.params.tobytes(), trainer.state.tobytes()))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("optimizer", ["sgd", Momentum(0.1), Adam(0.01, clip_norm=0.5), "adamw"], ids=repr)
def test_a_saved_run_continues_as_if_it_had_not_stopped(optimizer: Any) -> None:
    whole, first, second = (small_trainer(optimizer) for _ in range(3))
    order = np.random.default_rng(1).permutation(40)
    for _ in range(6):
        whole.epoch(X, Y, order)
    for _ in range(2):
        first.epoch(X, Y, order)
    kept = first.params.copy(), first.state.copy(), first.control.copy()
    second.network.initialize(99)
    second.params[:], second.state[:], second.control[:] = kept
    for _ in range(4):
        second.epoch(X, Y, order)
    assert second.steps == whole.steps == 18
    assert second.params.tobytes() == whole.params.tobytes()
    assert second.state.tobytes() == whole.state.tobytes()


def test_a_run_that_forgets_the_optimizers_state_is_another_one() -> None:
    whole, second = (small_trainer("adam") for _ in range(2))
    whole.epoch(X, Y, np.arange(40))
    second.params[:] = whole.params
    for trainer in (whole, second):
        trainer.epoch(X, Y, np.arange(40))
    assert second.params.tobytes() != whole.params.tobytes()
