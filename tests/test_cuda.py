"""Networks on a GPU give what they give on the CPU. Without one, in numba's simulator: the same code, small sizes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import needs
import numpy as np
import pytest
from device_cases import ROWS, TOLERANCE, assert_close, data, pair

import fastnn
from fastnn import SGD, Adam, CrossEntropy, Dense, Network, mlp
from fastnn.bench import rows as bench_rows
from fastnn.bench.case import Case
from fastnn.bench.ladder import parse
from fastnn.bench.measuring import Budget
from fastnn.cuda import ceilings, fused_run, memory, operations, room, run, support
from fastnn.cuda.geometry import GEOMETRY, GPU
from fastnn.cuda.target import SIMULATED
from fastnn.kernels.activation import NAMES
from fastnn.kernels.loss import NAMES as LOSSES
from fastnn.kernels.optimizer import NAMES as OPTIMIZER_NAMES
from fastnn.layers import Activation
from fastnn.learning.optimizers import OPTIMIZERS, Cosine
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.samples import Rows
from fastnn.tables import Scaling
from fastnn.tape import columns

# Simulated numbers are NumPy's, which warns where a device has inf and NaN.
pytestmark = [
    pytest.mark.usefixtures("quick_turns"),
    pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning"),
]


def test_the_paths_are_what_they_are_called(path: str) -> None:
    assert mlp(3, 4, 2, device="cuda").trainer(batch=ROWS).path == path


def test_what_is_not_refused_has_kernels() -> None:
    assert set(support.KINDS) == set(operations.OPERATIONS)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_output_and_gradient_are_those_of_the_cpu(path: str, dtype: str) -> None:
    host, device = pair(5, 6, 3, dtype=dtype)
    x, y = data(5, 3, "cross_entropy", rows=11, dtype=dtype)
    assert_close(device(x), host(x), dtype)
    assert_close(device.gradient(x, y), host.gradient(x, y), dtype)
    assert device.loss(x, y) == pytest.approx(host.loss(x, y), rel=1e-6)
    assert device(x).dtype == np.dtype(dtype)


@pytest.mark.parametrize("activation", NAMES)
def test_every_activation_is_that_of_the_cpu(path: str, activation: str) -> None:
    layers = [Dense(4, activation), Activation(activation), Dense(1, activation)]
    host = Network(3, layers, loss="mse", dtype="float64", seed=2)
    device = host.to("cuda")
    x, y = data(3, 1, "mse", rows=5)
    assert_close(device(x), host(x))
    if activation != "step":  # it has no gradient, but in the perceptron rule
        assert_close(device.gradient(x, y), host.gradient(x, y))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_as_on_the_cpu(path: str, loss: str) -> None:
    outputs, last = (
        (1, "step") if loss == "perceptron" else (2, "sigmoid" if loss == "binary_cross_entropy" else "identity")
    )
    x, y = data(3, outputs, loss)
    sizes = (3, outputs) if loss == "perceptron" else (3, 3, outputs)
    host, device = pair(*sizes, activation="tanh", output_activation=last, loss=loss, dtype="float64")
    ours, theirs = device.trainer(SGD(0.1), ROWS), host.trainer(SGD(0.1), ROWS)
    for _ in range(2):
        assert ours.step(x, y) == pytest.approx(theirs.step(x, y), rel=1e-12)
    assert_close(device.parameters, host.parameters)
    order = np.array([3, 1, 6, 2, 5])
    assert ours.epoch(x, y, order)[1:] == theirs.epoch(x, y, order)[1:]


def test_logits_of_any_size_have_a_loss(path: str) -> None:
    """exp of them would not be finite."""
    host = Network(2, [Dense(3)], dtype="float32", seed=0)
    x, y = 1e4 * np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]], np.array([0, 1, 2, 2, 1])
    device = host.to("cuda")
    assert device.loss(x, y) == pytest.approx(host.loss(x, y), rel=1e-6)
    assert_close(device.gradient(x, y) / 1e4, host.gradient(x, y) / 1e4, "float32")


def test_settings_of_cross_entropy_are_those_of_the_cpu(path: str) -> None:
    loss = CrossEntropy(class_weight=(0.5, 2.0, 1.0), label_smoothing=0.1, ignore_index=-7)
    host, device = pair(3, 4, 3, loss=loss, dtype="float64")
    x, y = data(3, 3, "cross_entropy")
    y[2] = -7
    assert_close(device.gradient(x, y), host.gradient(x, y))
    probabilities = np.eye(3)[np.maximum(y, 0)] * 0.7 + 0.1
    assert_close(device.gradient(x, probabilities), host.gradient(x, probabilities))
    y[:] = -7
    before = device.parameters
    trainer = device.trainer(SGD(0.1), ROWS)
    assert np.isnan(trainer.step(x, y))
    assert trainer.steps == 0
    np.testing.assert_array_equal(device.parameters, before)


def test_batches_that_weigh_nothing_are_passed_over_as_on_the_cpu(path: str) -> None:
    loss = CrossEntropy(class_weight=(1.0, 2.0, 0.0), label_smoothing=0.1, ignore_index=-1)
    host, device = pair(3, 4, 3, loss=loss, dtype="float64")
    x, y = data(3, 3, "cross_entropy", rows=8)
    y[:] = [-1, -1, 2, 2, 0, 1, 1, 2]
    rule = SGD(1.0, clip_norm=0.01)
    ours, theirs = device.trainer(rule, 2), host.trainer(rule, 2)
    for _ in range(2):
        found, expected = ours.epoch(x, y, np.arange(8)), theirs.epoch(x, y, np.arange(8))
        assert found.loss == pytest.approx(expected.loss, rel=1e-12)
        assert found[1:] == expected[1:]
    assert ours.steps == theirs.steps == 4
    assert_close(device.parameters, host.parameters)


@pytest.mark.parametrize("rule", [SGD(l2=0.1), Adam(epsilon_hat=True)], ids=repr)
def test_what_the_device_cannot_do_is_refused(rule: Any) -> None:
    with pytest.raises(ValueError, match="l2, epsilon_hat, decay and rates are of training on the CPU"):
        pair(3, 4, 2)[1].trainer(rule, ROWS)


def test_a_gradient_may_be_applied_again_and_counts_each_time(path: str) -> None:
    host, device = pair(3, 4, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy")
    ours, theirs = device.trainer(Adam(0.1), ROWS), host.trainer(Adam(0.1), ROWS)
    for trainer in (ours, theirs):
        trainer.step(x, y)
        trainer.gradient(x, y)
        trainer.apply()
        trainer.apply()
    assert ours.steps == theirs.steps == 3
    assert_close(device.parameters, host.parameters)
    ours.step(x, y)
    with pytest.raises(ValueError, match="call gradient first"):
        ours.apply()


# The update is the same kernel on both paths.
@pytest.mark.parametrize(
    ("path", "optimizer"),
    [*(("fused", name) for name in OPTIMIZER_NAMES), ("tiled", "sgd"), ("tiled", "adam")],
    indirect=["path"],
)
def test_every_optimizer_moves_as_on_the_cpu(path: str, optimizer: str) -> None:
    rule = OPTIMIZERS[optimizer](0.05, weight_decay=0.01, clip_norm=0.3, schedule=Cosine(5, warmup=2))
    host, device = pair(3, 4, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy")
    ours, theirs = device.trainer(rule, ROWS), host.trainer(rule, ROWS)
    for _ in range(3):
        ours.step(x, y)
        theirs.step(x, y)
    assert ours.steps == 3
    assert_close(device.parameters, host.parameters)
    assert_close(ours.gradient(x, y), theirs.gradient(x, y))
    assert_close(ours.grads, theirs.grads)
    ours.apply()
    theirs.apply()
    assert_close(device.parameters, host.parameters)


def test_an_epoch_sees_what_the_cpu_sees_in_the_order_that_it_is_told(path: str) -> None:
    host, device = pair(3, 5, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy", rows=13)
    order = np.random.default_rng(0).permutation(13)
    ours, theirs = device.trainer(Adam(0.05), 5), host.trainer(Adam(0.05), 5)
    held = ours.hold(x, y)
    for _ in range(2):
        found, expected = ours.epoch(*held, order), theirs.epoch(x, y, order)
        assert found.loss == pytest.approx(expected.loss, rel=1e-12)
        assert found[1:] == expected[1:] == (13, found.hits, 3)
    assert_close(device.parameters, host.parameters)
    assert ours.epoch(*held, order, 1).steps == 1


def test_rows_on_the_device_are_for_its_trainers_alone() -> None:
    host, device = pair(3, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy")
    held = device.trainer(batch=4).hold(x, y)
    assert device.trainer(batch=2).epoch(held, np.arange(4), steps=1).steps == 1
    with pytest.raises(ValueError, match="held for another network"):
        host.trainer().epoch(held, np.arange(4))
    with pytest.raises(ValueError, match="held on the GPU; pass x and y as arrays of the CPU"):
        device.evaluate(held)
    assert device.evaluate(x, y).loss == pytest.approx(device.loss(x, y), rel=1e-15)


def test_more_rows_than_the_blocks_take_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_run, "BLOCKS_EACH", 1)
    host, device = pair(2, 3, 2, dtype="float64")
    rows = 3 * GEOMETRY.fused_rows[0] * run.description()["multiprocessors"] + 1
    x, y = data(2, 2, "cross_entropy", rows=rows)
    assert device.trainer(batch=rows).path == "fused"
    assert_close(device.gradient(x, y), host.gradient(x, y))


def test_a_network_may_begin_with_an_activation(path: str) -> None:
    """No product waits for the rows of the batch then."""
    host = Network(5, [Activation("tanh"), Dense(4, "gelu"), Dense(2)], dtype="float64", seed=0)
    x, y = data(5, 2, "cross_entropy")
    device = host.to("cuda")
    assert_close(device(x), host(x))
    assert_close(device.gradient(x, y), host.gradient(x, y))


@pytest.mark.parametrize("tile", [0, 1])
def test_tiles_of_both_sizes_give_the_same_numbers(tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Large ones where there are enough of them for every multiprocessor, else small ones."""
    monkeypatch.setattr(memory, "room_for", lambda *_: None)
    monkeypatch.setattr(run, "description", lambda: {"multiprocessors": 1 if tile == 0 else 1000})
    host, device = pair(9, 11, 3, dtype="float64")
    x, y = data(9, 3, "cross_entropy", rows=10)
    trainer = device.trainer(SGD(0.1), 10)
    assert trainer._run.products(10, 11) is trainer._run.kernels.products[tile]
    assert_close(trainer.forward(x), host(x))
    trainer.gradient(x, y)
    assert_close(trainer.grads, host.gradient(x, y))


def test_blocks_have_fewer_rows_where_a_batch_would_leave_multiprocessors_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "G", GPU)
    for units, rows in ((16, 32), (64, 32), (128, 16)):  # all that fit 48 kB
        network = mlp(units, units, units, units, 10)
        found = [room.room_for(network, capacity, 132) for capacity in (1, 132 * 8, 132 * 16, 132 * 32)]
        assert [each.rows for each in found if each] == [8, 8, 16, rows]
        assert all(each.shared_bytes <= GPU.shared_bytes for each in found if each)
    assert room.room_for(mlp(128, 129, 2), 32, 132) is None


def test_the_gradient_of_a_layers_input_takes_the_place_of_that_input() -> None:
    network = Network(3, [Dense(4, "relu"), Dense(5, "gelu"), Dense(2)])
    tape, end = room._laid_out(network.plan(1).tape, 3, 8)
    first, second, last = tape[1:4]
    assert second[columns.DINPUT] == second[columns.INPUT] == first[columns.OUTPUT] == first[columns.PRE]
    assert last[columns.DINPUT] == second[columns.OUTPUT] != second[columns.PRE]  # which gelu's slope is of
    assert last[columns.DOUTPUT] != last[columns.OUTPUT]
    assert (first[columns.DINPUT], end) == (-1, 8 * (3 + 4 + 5 + 5 + 2 + 2))


def test_parts_of_a_gradient_stay_within_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside as many as it takes to use each multiprocessor."""
    parts = []
    for limit in (0, 2**30):
        monkeypatch.setattr(fused_run, "PARTS_BYTES", limit)
        trainer = mlp(3, 4, 2, device="cuda").trainer(batch=1000)
        parts.append(trainer._run._blocks)
    least = fused_run.BLOCKS_EACH * run.description()["multiprocessors"]
    rows = trainer._run._room.rows
    assert parts == [least, least * GEOMETRY.fused_rows[0] // rows]


def test_layers_wider_than_a_thread_keeps_and_without_bias(path: str) -> None:
    wide = GEOMETRY.across * GEOMETRY.fused_columns[-1] + 1
    layers = [Dense(wide, "relu", bias=False), Dense(wide - 2, "tanh"), Dense(2)]
    host = Network(wide + 1, layers, dtype="float64", seed=0)
    x, y = data(wide + 1, 2, "cross_entropy", rows=5)
    assert_close(host.to("cuda").gradient(x, y), host.gradient(x, y))


def test_runs_are_the_same_to_the_bit(path: str) -> None:
    x, y = data(4, 3, "cross_entropy", dtype="float32")
    results = []
    for _ in range(2):
        network = mlp(4, 5, 3, seed=0, device="cuda")
        network.fit(x, y, epochs=2, batch=4, seed=1)
        results.append(network.parameters.tobytes())
    assert results[0] == results[1]


def test_fit_is_that_of_the_cpu(path: str) -> None:
    host, device = pair(3, 4, 2, dtype="float64")
    x, y = data(3, 2, "cross_entropy")
    options: dict[str, Any] = {"epochs": 2, "batch": 4, "optimizer": Adam(0.1), "seed": 0, "validation": (x, y)}
    ours, theirs = device.fit(x, y, **options), host.fit(x, y, **options)
    assert_close(ours.loss, theirs.loss)
    assert_close(ours.val_loss, theirs.val_loss)
    assert (ours.accuracy, ours.steps) == (theirs.accuracy, theirs.steps)
    assert_close(device.predict_proba(x), host.predict_proba(x))
    np.testing.assert_array_equal(device.predict(x), host.predict(x))


def test_a_loss_that_is_not_finite_changes_nothing_and_is_named(path: str) -> None:
    x, y = data(3, 2, "cross_entropy")
    network = mlp(3, 4, 2, dtype="float64", seed=0, device="cuda")
    trainer = network.trainer(Adam(0.1), 3)
    before = network.parameters
    bad = x.copy()
    bad[4, 1] = np.inf
    assert not np.isfinite(trainer.step(bad[3:6], y[3:6]))
    np.testing.assert_array_equal(network.parameters, before)
    assert np.isfinite(trainer.step(x[:3], y[:3]))
    assert trainer.steps == 1
    before = network.parameters
    report = trainer.epoch(bad[[3, 4, 5, 0, 1, 2]], y[:6], np.arange(6))
    assert not np.isfinite(report.loss)
    assert (report.steps, trainer.steps) == (0, 1)
    np.testing.assert_array_equal(network.parameters, before)
    with pytest.raises(NonFiniteLoss, match="after 0 steps"):
        mlp(3, 4, 2, dtype="float64", device="cuda").fit(bad, y, epochs=1, batch=ROWS)


def test_an_infinite_step_is_taken_back(path: str) -> None:
    x, y = data(3, 2, "mse", dtype="float32")
    network = mlp(3, 4, 2, loss="mse", seed=0, device="cuda")
    with pytest.raises(NonFiniteLoss):
        network.fit(x, y, epochs=3, batch=ROWS, optimizer=SGD(1e30), shuffle=False)
    assert np.isfinite(network.parameters).all()


def test_parameters_are_copies_that_refuse_to_be_written() -> None:
    network = mlp(3, 4, 2, seed=0, device="cuda")
    with pytest.raises(ValueError, match="read-only"):
        network.parameters[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        network.named_parameters["0.weight"][0, 0] = 1
    network.parameters = np.full_like(network.parameters, 0.25)
    assert network.named_parameters["0.bias"].tolist() == [0.25] * 4
    with pytest.raises(ValueError, match="shape"):
        network.parameters = np.zeros(3)


def test_copies_files_and_devices_keep_the_parameters(tmp_path: Path) -> None:
    host, device = pair(3, 4, 2)
    for other in (device.copy(), pickle.loads(pickle.dumps(device)), device.to("cuda")):
        assert other.device == "cuda"
        np.testing.assert_array_equal(other.parameters, host.parameters)
    device.save(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(fastnn.load(tmp_path / "network.safetensors").parameters, host.parameters)
    back = device.to("cpu")
    back.parameters[0] = 5
    assert device.parameters[0] == host.parameters[0] != 5


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of cpu, cuda"):
        mlp(3, 4, 2, device="gpu")
    trainer = mlp(3, 4, 2, device="cuda").trainer(batch=2)
    x, y = data(3, 2, "cross_entropy")
    with pytest.raises(ValueError, match="takes 1 to 2"):
        trainer.step(x, y)
    with pytest.raises(ValueError, match="expected rows of x"):
        trainer.epoch(x, y, np.array([len(x)]))
    with pytest.raises(ValueError, match="sample_weight has no kernels on device='cuda'"):
        trainer.hold(x, y, np.ones(len(x)))
    made = Rows(np.zeros((4, 3), np.uint8), Scaling.none(3), np.dtype(np.float32))
    with pytest.raises(ValueError, match="made when a step needs them are trained on by the CPU alone"):
        trainer.hold(made, np.zeros(4, int))
    with pytest.raises(ValueError, match="call gradient first"):
        trainer.apply()
    with pytest.raises(ValueError, match="step"):
        mlp(3, 4, 2, activation="step", device="cuda").trainer()


def test_a_row_of_the_benchmark_is_checked_trained_and_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastnn.bench.case.LEAST_STEPS", 2)
    monkeypatch.setattr("fastnn.bench.case.MOST_STEPS", 2)
    monkeypatch.setattr("fastnn.bench.case.MOST_EPOCH_ROWS", 1)
    case = Case(parse("3-4-2"), 4, 1, "float32", "sgd", "cuda")
    case.y = case.y[:8]
    case.x = case.x[:8]
    found = list(bench_rows.rows_of(case, ("forward", "step"), ceilings.measure(seconds=0.01), Budget(0.01)))
    assert [row["phase"] for row in found] == ["forward", "step"]
    for row in found:
        assert 0 <= row["residual"] <= 1
        assert row["median_s"] > 0
        assert row["floor_s"] > 0


@needs.jit
@pytest.mark.skipif(not SIMULATED, reason="needs a machine without a GPU")
def test_without_a_gpu_the_command_says_what_is_missing_and_ends_with_2() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "0", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "fastnn", "bench", "--device", "cuda", "--sizes", "3-4-2", "--fast"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert "device 'cuda' cannot be used" in lines[-1]
    assert "pip install 'fastnn[cuda]'" in lines[-1]


@pytest.mark.gpu
@pytest.mark.parametrize("sizes", [(784, 128, 10), (64, 128, 128, 10), (784, 512, 512, 10), (100, 1000, 333, 7)])
@pytest.mark.parametrize("rows", [1, 33, 1024, 5000])
def test_large_networks_are_those_of_the_cpu(sizes: tuple[int, ...], rows: int) -> None:
    host, device = pair(*sizes)
    x, y = data(sizes[0], sizes[-1], "cross_entropy", rows=rows, dtype="float32")
    assert_close(device(x), host(x), "float32")
    ours, theirs = device.trainer(Adam(1e-3), rows), host.trainer(Adam(1e-3), rows)
    for _ in range(3):
        assert ours.step(x, y) == pytest.approx(theirs.step(x, y), rel=1e-4)
