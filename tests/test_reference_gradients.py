"""Every derivative and gradient of the reference against central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special

from fastnn.reference import activation, dense, loss, network, softmax
from fastnn.reference.network import Layer

Array = npt.NDArray[Any]

EPS = 1e-5
ELEMENTWISE_LOSSES = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "mse", "hinge"]


def normal(*shape: int) -> Array:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape)


def central_difference(function: Callable[[Array], Any], x: Array) -> Array:
    """Gradient at x of the sum of what the function returns."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += EPS
        down[index] -= EPS
        gradient[index] = (np.sum(function(up)) - np.sum(function(down))) / (up[index] - down[index])
    return gradient


def assert_gradient(gradient: Array | None, function: Callable[[Array], Any], x: Array) -> None:
    assert gradient is not None
    np.testing.assert_allclose(gradient, central_difference(function, x), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("alpha", [None, 0.3])
@pytest.mark.parametrize("name", activation.DERIVATIVES)
def test_activation_derivative_is_the_slope_of_its_value(name: str, alpha: float | None) -> None:
    z = np.linspace(-6, 6, 60)
    assert np.abs(z).min() > 100 * EPS  # no point at a kink
    y = activation.value(name, z, alpha)
    slope = activation.derivative(name, z, y, alpha)
    assert_gradient(slope, lambda z: activation.value(name, z, alpha), z)


@pytest.mark.parametrize(
    ("name", "slope"), [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("gelu", 0.5), ("softplus", 0.5)]
)
def test_derivative_at_zero(name: str, slope: float) -> None:
    zero = np.array([0.0, -0.0])
    assert activation.derivative(name, zero, activation.value(name, zero)).tolist() == [slope, slope]


@pytest.mark.parametrize("name", activation.DERIVATIVES)
def test_dense_backward_is_the_gradient_of_forward(name: str) -> None:
    x, w, b, dy = normal(5, 3), normal(3, 4), normal(4), normal(5, 4)
    z, y = dense.forward(x, w, b, name)
    assert np.abs(z).min() > 100 * EPS  # no point at a kink
    dx, dw, db = dense.backward(dy, x, w, z, y, name)
    assert_gradient(dx, lambda x: dy * dense.forward(x, w, b, name)[1], x)
    assert_gradient(dw, lambda w: dy * dense.forward(x, w, b, name)[1], w)
    assert_gradient(db, lambda b: dy * dense.forward(x, w, b, name)[1], b)
    without = dense.backward(dy, x, w, z, y, name, input_gradient=False)
    assert without[0] is None
    np.testing.assert_array_equal(without[1], dw)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_softmax_backward_is_the_gradient_of_softmax(temperature: float) -> None:
    logits, dp = normal(4, 6), normal(6, 4).T
    gradient = softmax.softmax_backward(dp, softmax.softmax(logits, temperature), temperature)
    assert_gradient(gradient, lambda logits: dp * softmax.softmax(logits, temperature), logits)


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_log_softmax_backward_is_the_gradient_of_log_softmax(temperature: float) -> None:
    logits, dlog_p = normal(4, 6), normal(6, 4).T
    log_p = softmax.log_softmax(logits, temperature)
    gradient = softmax.log_softmax_backward(dlog_p, log_p, temperature)
    assert_gradient(gradient, lambda logits: dlog_p * softmax.log_softmax(logits, temperature), logits)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ELEMENTWISE_LOSSES)
def test_elementwise_loss_gradient(name: str, reduction: str) -> None:
    prediction = np.random.default_rng(1).uniform(0.05, 0.95, (4, 3))
    target = np.random.default_rng(2).uniform(0, 1, (4, 3)).round(1)
    function = network.LOSSES[name]
    _, gradient = function(prediction, target, reduction=reduction)
    assert_gradient(gradient, lambda p: function(p, target, reduction=reduction)[0], prediction)


def test_hinge_at_its_kink_has_gradient_zero() -> None:
    score, target = np.array([1.0, -1.0, 0.5]), np.array([1.0, -1.0, 1.0])
    value, gradient = loss.hinge(score, target, "sum")
    assert value == 0.5
    assert gradient.tolist() == [0.0, 0.0, -1.0]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("by_index", [False, True])
def test_cross_entropy_gradient(by_index: bool, weighted: bool, smoothing: float, reduction: str) -> None:
    logits = normal(4, 3)
    target = np.array([0, 2, -100, 1]) if by_index else scipy.special.softmax(normal(4, 3), axis=1)
    options: dict[str, Any] = {
        "class_weight": np.array([0.5, 2.0, 1.25]) if weighted else None,
        "label_smoothing": smoothing,
        "reduction": reduction,
    }
    _, gradient = loss.cross_entropy(logits, target, **options)
    assert_gradient(gradient, lambda z: loss.cross_entropy(z, target, **options)[0], logits)


@pytest.mark.parametrize("name", ["tanh", "relu", "gelu", "silu", "leaky_relu"])
def test_network_gradient(name: str) -> None:
    layers = [
        Layer(normal(3, 4), normal(4), name),
        Layer(normal(4, 4), None, name),
        Layer(normal(4, 2), normal(2)),
    ]
    x, target = normal(5, 3), np.array([0, 1, 1, 0, 1])
    _, gradients = network.loss_and_gradient(layers, "cross_entropy", x, target)
    flat = network.flatten([array for dw, db in gradients for array in (dw, db)])
    keep = np.r_[:32, 36 : flat.size]  # the second layer's db has no parameter

    def value(p: Array) -> Any:
        changed = network.with_parameters(layers, p)
        return network.loss_and_gradient(changed, "cross_entropy", x, target)[0]

    assert_gradient(flat[keep], value, network.parameters(layers))
