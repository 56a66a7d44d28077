"""Numbers at their edges: batches that weigh nothing, infinite inputs, slopes that saturate, soft targets. What PyTorch
says of each stands here as a formula; with PyTorch it is asked."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastnn
from fastnn import SGD, AdamW, CrossEntropy, Dense, Momentum, Network, functional, mlp
from fastnn.learning.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, Hinge

RNG = np.random.default_rng(5)
X = RNG.standard_normal((24, 5))
Y = RNG.integers(0, 3, 24)


def network(loss: CrossEntropy) -> Network:
    return Network(5, [Dense(6, "tanh"), Dense(3)], loss=loss, dtype="float64", seed=3)


def trained(loss: CrossEntropy, optimizer: fastnn.Optimizer, y: np.ndarray, by_epochs: bool) -> Network:
    """Two epochs, in one call each or step by step."""
    found = network(loss)
    trainer = found.trainer(optimizer, batch=4)
    for _ in range(2):
        if by_epochs:
            trainer.epoch(X, y, np.arange(24))
            continue
        for at in range(0, 24, 4):
            trainer.step(X[at : at + 4], y[at : at + 4])
    return found


IGNORED = np.where(np.arange(24) // 4 == 2, -100, Y)
WEIGHTLESS = np.where(np.arange(24) // 4 == 3, 0, Y)  # of class 0


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), AdamW(0.01, weight_decay=0.1)], ids=lambda o: o.name)
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (CrossEntropy(reduction="sum", class_weight=[0, 1, 1], label_smoothing=0.1), WEIGHTLESS),
        (CrossEntropy(reduction="sum"), IGNORED),
    ],
    ids=["weights of 0", "all ignored"],
)
def test_an_epoch_of_sums_trains_on_what_a_step_trains_on(
    optimizer: fastnn.Optimizer, loss: CrossEntropy, y: np.ndarray
) -> None:
    """A sum over nothing is 0, and its step moves momentum and decays weights as any other."""
    epochs, steps = (trained(loss, optimizer, y, by_epochs) for by_epochs in (True, False))
    np.testing.assert_array_equal(epochs.parameters, steps.parameters)


@pytest.mark.parametrize("batch", [1, 3, 4, 24])
def test_accuracy_does_not_depend_on_the_batch_where_a_class_weighs_nothing(batch: int) -> None:
    found = network(CrossEntropy(class_weight=[0, 1, 1]))
    right = int((found.predict(X) == Y).sum())
    trainer = found.trainer(SGD(1e-300), batch)
    epoch = trainer.epoch(X, Y, np.arange(24))
    assert (epoch.rows, epoch.hits) == (24, right)


def test_right_answers_alone_count_of_a_large_batch_too() -> None:
    found = network(CrossEntropy(class_weight=[0, 1, 1]))
    y = np.zeros(24, int)
    trainer = found.trainer(SGD(0.1), 24, span=7)
    before = found.parameters.copy()
    epoch = trainer.epoch(X, y, np.arange(24))
    assert (epoch.rows, epoch.hits, epoch.steps) == (24, int((found.predict(X) == 0).sum()), 1)
    np.testing.assert_array_equal(found.parameters, before)


def test_a_fit_that_can_learn_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="every target is ignored or weighs nothing"):
        network(CrossEntropy(class_weight=[0, 1, 1])).fit(X, np.zeros(24, int), epochs=1)
    with pytest.raises(ValueError, match="y holds nothing but ignore_index, -100"):
        network(CrossEntropy()).fit(X, np.full(24, -100), epochs=1)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_a_mean_of_nothing_is_no_number(smoothing: float) -> None:
    found = network(CrossEntropy(class_weight=[0, 1, 1], label_smoothing=smoothing))
    assert math.isnan(found.loss(X, np.zeros(24, int)))
    before = found.parameters.copy()
    assert math.isnan(found.trainer(SGD(0.1), 24).step(X, np.zeros(24, int)))
    np.testing.assert_array_equal(found.parameters, before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gelu_at_infinity_is_its_limit(dtype: str) -> None:
    z = np.array([np.inf, -np.inf, 1e30, -1e30, 39.9, -39.9, np.nan], dtype)
    np.testing.assert_array_equal(functional.gelu(z), np.array([np.inf, 0, 1e30, 0, 39.9, 0, np.nan], dtype))
    host = Network(1, [Dense(1, "gelu")], loss="mse", dtype=dtype, seed=0)
    host.named_parameters["0.weight"][:] = 1
    gradient = host.gradient(np.array([[1e30]], dtype), np.zeros((1, 1), dtype))
    assert not np.isnan(gradient).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_slope_of_elu_keeps_its_digits_where_it_saturates(dtype: str) -> None:
    alpha = 1.5
    z = -np.linspace(0.1, 60, 200)
    found = Network(200, [fastnn.Activation("elu", alpha=alpha), Dense(1)], loss="mse", dtype=dtype, seed=0)
    first = Network(1, [Dense(200), *found.layers], loss="mse", dtype=dtype, seed=0)
    first.named_parameters["0.weight"][:] = 0
    first.named_parameters["0.bias"][:] = z
    first.named_parameters["2.weight"][:] = 1
    bias = first.named(first.gradient(np.ones((1, 1)), np.zeros((1, 1))))["0.bias"]
    error = 2 * first(np.ones((1, 1)))[0, 0]
    expected = error * alpha * np.exp(z.astype(dtype).astype(np.float64))
    np.testing.assert_allclose(bias, expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("loss", "scores", "targets"),
    [
        (BinaryCrossEntropyWithLogits(), [-3, -0.5, 0.5, 3], [0.1, 0.1, 0.9, 0.9]),
        (BinaryCrossEntropy(), [0.05, 0.3, 0.6, 0.9], [0.1, 0.4, 0.6, 0.9]),
        (Hinge(), [-3, -0.5, 0.5, 3], [-1, -1, 1, 1]),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_soft_targets_are_of_the_class_that_they_are_nearer_to(
    loss: fastnn.Loss, scores: list[float], targets: list[float], device: str
) -> None:
    last = "sigmoid" if loss.name == "binary_cross_entropy" else "identity"
    host = Network(1, [Dense(1, last)], loss=loss, dtype="float64", initialize=False)
    host.named_parameters["0.weight"][:] = 1
    x = np.array(scores)[:, None]
    if last == "sigmoid":
        x = np.log(x / (1 - x))
    y = np.array(targets)[:, None]
    assert host.accuracy(x, y) == 1
    assert host.accuracy(x, y[::-1]) == 0
    epoch = host.to(device).trainer(SGD(1e-300), 4).epoch(x, y, np.arange(4))
    assert (epoch.rows, epoch.hits) == (4, 4)


def test_sums_and_means_of_a_device_are_those_of_the_cpu() -> None:
    for loss in (
        CrossEntropy(class_weight=[0, 1, 1]),
        CrossEntropy(reduction="sum", class_weight=[0, 1, 1], label_smoothing=0.1),
    ):
        host = mlp(5, 6, 3, loss=loss, dtype="float64", seed=3)
        device = host.to("cuda")
        epochs = [each.trainer(Momentum(0.1), 4).epoch(X, WEIGHTLESS, np.arange(24)) for each in (host, device)]
        assert epochs[0][1:] == epochs[1][1:]
        assert epochs[0].loss == pytest.approx(epochs[1].loss, rel=1e-10)
        np.testing.assert_allclose(device.parameters, host.parameters, rtol=1e-10, atol=1e-12)
