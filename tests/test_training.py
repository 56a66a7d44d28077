"""One training step inside a user's own nopython loop: the same bits, no allocation, no Python object, no GIL."""

from __future__ import annotations

import json
import math
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import needs
import numba
import numpy as np
import numpy.typing as npt
import pytest
from numba.core.runtime import _nrt_python, rtsys
from processes import run_python

from fastnn import SGD, Adam, AdamW, Dense, LayerNorm, Momentum, Nesterov, Network, Trainer, mlp
from fastnn.compiler import jit as _jit
from fastnn.kernels.optimizer import PARALLEL_PARAMETERS
from fastnn.learning.training import REPORT_SIZE, STEP, run_epoch, train_step
from fastnn.tape import forward, output

Array = npt.NDArray[Any]

ROWS = 20
X = np.random.default_rng(1).normal(size=(ROWS, 3)).astype("f4")
LABELS = (X[:, 0] > X[:, 1]).astype(np.int64)


@numba.njit(nogil=True)
def simulate(steps, tape, params, grads, state, control, x, y, workspace):  # type: ignore[no-untyped-def]
    """A swinging pendulum, and a network that learns on the way to say which side it will be on."""
    angle, speed, total = 1.0, 0.0, 0.0
    batch = x.shape[0]
    for _ in range(steps):
        for i in range(batch):
            acceleration = -math.sin(angle)
            speed += 0.1 * acceleration
            angle += 0.1 * speed
            x[i, 0], x[i, 1], x[i, 2] = angle, speed, acceleration
            y[i] = 1 if angle + speed > 0 else 0
        total += train_step(tape, params, grads, state, control, x, y, workspace)
        forward(tape, params, x, workspace)
        answer = output(tape, workspace, batch)
        # What the network says acts back on the world.
        speed += 0.001 if answer[batch - 1, 1] > answer[batch - 1, 0] else -0.001
    return total


@numba.njit(nogil=True)
def steps_on(steps, tape, params, grads, state, control, x, y, workspace):  # type: ignore[no-untyped-def]
    """Steps on one batch; the losses."""
    losses = np.empty(steps)
    for step in range(steps):
        losses[step] = train_step(tape, params, grads, state, control, x, y, workspace)
    return losses


def pendulum_trainer(optimizer: Any = "adam", hidden: int = 4) -> tuple[Trainer, Array, Array]:
    trainer = mlp(3, hidden, 2, seed=0).trainer(optimizer, 8)
    return trainer, np.empty((8, 3), "f4"), np.empty(8, np.int64)


@pytest.mark.parametrize(
    "optimizer", [SGD(0.1), Momentum(0.1, clip_norm=0.5), Nesterov(0.1), Adam(weight_decay=0.1), AdamW()], ids=repr
)
def test_train_step_in_nopython_code_gives_the_bits_of_the_trainer(optimizer: Any) -> None:
    inside, outside = (mlp(3, 4, 2, seed=0).trainer(optimizer, ROWS) for _ in range(2))
    tape, params, grads, state, control, workspace = inside.arrays
    losses = steps_on(30, tape, params, grads, state, control, X, LABELS, workspace)
    assert losses.tolist() == [outside.step(X, LABELS) for _ in range(30)]
    assert losses[-1] < losses[0]
    for left, right in zip(inside.arrays[1:5], outside.arrays[1:5], strict=True):
        assert left.tobytes() == right.tobytes()
    assert control[STEP] == inside.steps == 30


def test_a_network_learns_inside_a_simulation() -> None:
    trainer, x, y = pendulum_trainer(Adam(0.01))
    tape, params, grads, state, control, workspace = trainer.arrays
    simulate(2000, tape, params, grads, state, control, x, y, workspace)
    assert trainer.steps == 2000
    assert trainer.network.accuracy(x, y) == 1
    assert simulate(100, tape, params, grads, state, control, x, y, workspace) / 100 < 0.1


@needs.jit
def test_data_that_cannot_be_written_is_trained_on() -> None:
    """As numba takes what stands outside of the function; norms read it by way of their table."""
    x, y = np.random.default_rng(0).random((ROWS, 3), np.float32), np.arange(ROWS) % 2
    layers = [LayerNorm(), Dense(4, "relu"), Dense(2)]
    alone, inside = (Network(3, layers, seed=0).trainer("adam", ROWS) for _ in range(2))

    @numba.njit
    def learn(tape, params, grads, state, control, workspace):  # type: ignore[no-untyped-def]
        forward(tape, params, x, workspace)
        return train_step(tape, params, grads, state, control, x, y, workspace)

    assert learn(*inside.arrays) == alone.step(x, y)
    assert inside.params.tobytes() == alone.params.tobytes()


# Memory and Python objects --------------------------------------------------------------------------------------------


@pytest.fixture
def _allocations_counted() -> Iterator[None]:
    was_counted = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    yield
    if not was_counted:
        _nrt_python.memsys_disable_stats()


def allocations_of(steps: int, hidden: int) -> tuple[int, ...]:
    trainer, x, y = pendulum_trainer(hidden=hidden)
    tape, params, grads, state, control, workspace = trainer.arrays
    simulate(1, tape, params, grads, state, control, x, y, workspace)
    before = rtsys.get_allocation_stats()
    simulate(steps, tape, params, grads, state, control, x, y, workspace)
    after = rtsys.get_allocation_stats()
    return tuple(after[i] - before[i] for i in range(4))


@needs.jit
@pytest.mark.usefixtures("_allocations_counted")
@pytest.mark.parametrize(("steps", "hidden"), [(10_000, 4), (10, PARALLEL_PARAMETERS // 4)], ids=["tiny", "parallel"])
def test_steps_allocate_nothing(steps: int, hidden: int) -> None:
    """The wrapper counts a reference to each array argument, once a call; the steps themselves add nothing."""
    one_call = allocations_of(0, hidden)
    assert allocations_of(steps, hidden) == one_call


@needs.jit
@pytest.mark.usefixtures("_allocations_counted")
def test_the_count_of_allocations_sees_one() -> None:
    @numba.njit
    def allocate(n):  # type: ignore[no-untyped-def]
        return np.zeros(n).sum()

    allocate(3)
    before = rtsys.get_allocation_stats()
    allocate(3)
    assert rtsys.get_allocation_stats().alloc - before.alloc == 1


def functions_of(dispatcher: Any) -> dict[str, str]:
    """LLVM code of each function that a compiled function's module defines, by name."""
    code = "\n".join(dispatcher.inspect_llvm().values())
    return {match[1]: match[0] for match in re.finditer(r'^define [^@]*@"?([^"(]+)"?\(.*?^}', code, re.M | re.S)}


ALLOCATION = re.compile(r"@(NRT_\w*alloc\w*|NRT_MemInfo_new\w*|malloc|calloc|realloc)\b")
PYTHON = re.compile(r"@_?Py\w+|@numba_(gil|unpickle|unbox|box)\w*")


# Numba's code that hands a parallel region to its threads, which small work never enters.
LAUNCH = re.compile("_parallel|__numba_parfor")


def kernels_that_touch_more() -> None:
    """Prints which compiled functions were looked at, and which of them know Python or an allocator; everything is
    compiled here, since numba shows no code of what comes from the disk."""
    trainer, x, y = pendulum_trainer()
    tape, params, grads, state, control, workspace = trainer.arrays
    simulate(1, tape, params, grads, state, control, x, y, workspace)
    functions = {}
    for dispatcher in (simulate, *(each for each in _jit.DISPATCHERS if each.overloads)):
        functions |= functions_of(dispatcher)
    wrappers = {name for name in functions if name.startswith(("_ZN7cpython", "cfunc"))}
    kernels = {name: code for name, code in functions.items() if name not in wrappers and not LAUNCH.search(name)}
    found = {name for name, code in kernels.items() if PYTHON.search(code) or ALLOCATION.search(code)}
    known = any(PYTHON.search(functions[name]) for name in wrappers)  # the pattern knows what it looks for
    print(json.dumps([sorted(kernels), sorted(found), known]))


@needs.jit
@pytest.mark.full
def test_the_compiled_loop_touches_no_python_object_and_no_allocator() -> None:
    source = "import test_training; test_training.kernels_that_touch_more()"
    kernels, found, known = run_python(source, covered=False, FASTNN_CACHE_DIR="", NUMBA_NUM_THREADS="1")
    for name in ("simulate", "train_step", "forward_rows", "gradient_by_layers", "cross_entropy_sum"):
        assert any(name in kernel for kernel in kernels), name
    assert (found, known) == ([], True)


@needs.jit
def test_the_search_for_allocations_finds_one() -> None:
    @numba.njit
    def allocate(n):  # type: ignore[no-untyped-def]
        return np.zeros(n)

    allocate(3)
    assert any(ALLOCATION.search(code) for code in functions_of(allocate).values())


# Threads --------------------------------------------------------------------------------------------------------------


@needs.jit
def test_another_thread_runs_while_an_epoch_does() -> None:
    """It ends the epoch: after a step it spoils the rows. Of an epoch that held the GIL it would see the end only."""
    net = mlp(64, 256, 10, seed=0)
    x = np.random.default_rng(0).normal(size=(256, 64)).astype("f4")
    y = np.arange(256) % 10
    # Two seconds on one core, were they all made.
    trainer, order = net.trainer("sgd", 32), np.tile(np.arange(256), 5000)
    before = trainer.params.copy()

    def spoil() -> None:
        while np.array_equal(trainer.params, before):
            time.sleep(0)
        x[:] = np.nan

    thread = threading.Thread(target=spoil)
    thread.start()
    done = trainer.epoch(x, y, order)
    thread.join()
    assert 0 < done.steps < len(order) // 32
    assert np.isnan(done.loss)


# Epochs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_an_epoch_is_its_steps_one_by_one(loss: str, dtype: str) -> None:
    layers = [Dense(17, "gelu"), Dense(5, "relu", bias=False), Dense(2)]
    nets = [Network(3, layers, loss=loss, dtype=dtype, seed=0) for _ in range(2)]
    x = X.astype(dtype)
    y = LABELS if loss == "cross_entropy" else x[:, :2].copy()
    whole, single = (net.trainer(Adam(0.01, clip_norm=1.0), 6) for net in nets)
    order = np.random.default_rng(0).permutation(ROWS)
    total, rows, _, steps = whole.epoch(x, y, order)
    losses = []
    for at in range(0, ROWS, 6):
        part = order[at : at + 6]
        losses.append(len(part) * single.step(x[part], y[part]))
    assert (rows, steps) == (ROWS, 4)
    assert total == pytest.approx(sum(losses) / ROWS, rel=1e-15)
    for left, right in zip(whole.arrays[1:5], single.arrays[1:5], strict=True):
        assert left.tobytes() == right.tobytes()


def test_run_epoch_is_callable_from_nopython_code() -> None:
    @numba.njit
    def epochs(n, report, tape, params, grads, state, control, x, y, order, target, workspace):  # type: ignore[no-untyped-def]
        for _ in range(n):
            run_epoch(report, tape, params, grads, state, control, x, y, order, target, workspace, 6, -1)

    inside, outside = (mlp(3, 4, 2, seed=0).trainer("adam", 6) for _ in range(2))
    order, target, report = np.arange(ROWS), np.empty(6, np.int64), np.empty(REPORT_SIZE)
    tape, params, grads, state, control, workspace = inside.arrays
    epochs(3, report, tape, params, grads, state, control, X, LABELS, order, target, workspace)
    for _ in range(3):
        last = outside.epoch(X, LABELS, order)
    loss_sum, weight, *rest, penalty = report.tolist()
    assert [loss_sum / weight, *rest] == list(last)
    assert penalty == 0
    assert inside.params.tobytes() == outside.params.tobytes()


# Losses that are not finite -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_a_step_of_non_finite_loss_changes_nothing(optimizer: str, value: float) -> None:
    net = mlp(3, 4, 2, loss="mse", seed=0)
    trainer = net.trainer(optimizer, ROWS)
    y = X[:, :2].copy()
    trainer.step(X, y)
    before = [array.tobytes() for array in (trainer.params, trainer.state, trainer.control)]
    y[5, 1] = value
    assert not np.isfinite(trainer.step(X, y))
    assert [array.tobytes() for array in (trainer.params, trainer.state, trainer.control)] == before
    assert trainer.steps == 1


def test_an_epoch_stops_before_the_step_of_a_non_finite_loss() -> None:
    whole, single = (mlp(3, 4, 2, seed=0).trainer("adam", 6) for _ in range(2))
    x = X.copy()
    x[13, 0] = np.nan  # in the third batch
    loss, rows, _, steps = whole.epoch(x, LABELS, np.arange(ROWS))
    for at in (0, 6):
        single.step(X[at : at + 6], LABELS[at : at + 6])
    assert math.isnan(loss)
    assert (rows, steps) == (12, 2)
    for left, right in zip(whole.arrays[1:5:2], single.arrays[1:5:2], strict=True):
        assert left.tobytes() == right.tobytes()
    assert whole.control.tobytes() == single.control.tobytes()


@pytest.mark.parametrize("layout", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], lambda x: x[::-1]])
def test_nopython_callers_are_refused_arrays_that_are_not_contiguous(layout: Any) -> None:
    """The compiler knows an array's layout, so a wrong one fails to compile and is never read wrongly."""
    tape, params, grads, state, control, workspace = mlp(3, 4, 2, seed=0).trainer("sgd", ROWS).arrays
    with pytest.raises(numba.TypingError, match="expected a C-contiguous array"):
        train_step(tape, params, grads, state, control, layout(X), LABELS, workspace)
