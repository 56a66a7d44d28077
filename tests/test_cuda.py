"""Networks on a GPU give what they give on the CPU. Without one, in numba's simulator: the same code, small sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from device_cases import ROWS, TOLERANCE, assert_close, data, pair

from fastnn import SGD, Adam, CrossEntropy, Dense, Network, mlp
from fastnn.cuda import operations, support
from fastnn.kernels.activation import NAMES
from fastnn.kernels.loss import NAMES as LOSSES
from fastnn.kernels.optimizer import NAMES as OPTIMIZER_NAMES
from fastnn.layers import Activation
from fastnn.learning.optimizers import OPTIMIZERS, Cosine
from fastnn.learning.trainer import NonFiniteLoss

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


def test_a_network_may_begin_with_an_activation(path: str) -> None:
    """No product waits for the rows of the batch then."""
    host = Network(5, [Activation("tanh"), Dense(4, "gelu"), Dense(2)], dtype="float64", seed=0)
    x, y = data(5, 2, "cross_entropy")
    device = host.to("cuda")
    assert_close(device(x), host(x))
    assert_close(device.gradient(x, y), host.gradient(x, y))


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
