"""The reference against published values and SciPy, at the edges of floats, and on bad names."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.special

from fastnn.reference import activation, dense, loss, network, optimizer, softmax
from fastnn.reference.network import Layer

Array = npt.NDArray[Any]

U = 2.0**-53
XOR_INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR = np.array([[0.0], [1.0], [1.0], [0.0]])


# Published values


def test_one_neuron_with_relu_gives_0_98() -> None:
    x, w = np.array([[0.7, 0.3, 0.9]]), np.array([[0.5], [-0.3], [0.8]])
    assert dense.forward(x, w, None, "relu")[1].item() == pytest.approx(0.98, abs=1e-15)


def test_binary_cross_entropy_at_0_70_is_0_3567() -> None:
    p, truth = np.array([0.70]), np.array([1.0])
    assert round(loss.binary_cross_entropy(p, truth)[0], 4) == 0.3567
    assert round(loss.binary_cross_entropy_with_logits(np.log(p / (1 - p)), truth)[0], 4) == 0.3567


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_zero_logits_cost_the_log_of_the_number_of_classes(classes: int) -> None:
    value, _ = loss.cross_entropy(np.zeros((3, classes)), np.array([0, 1, classes - 1]))
    assert value == pytest.approx(math.log(classes), rel=1e-13)


@pytest.mark.parametrize(
    ("name", "bias", "best"), [("binary_cross_entropy_with_logits", 0.0, math.log(2)), ("mse", 0.5, 0.25)]
)
def test_one_neuron_cannot_learn_xor(name: str, bias: float, best: float) -> None:
    # Both losses are convex in w and b, so a zero gradient is the best one neuron can do.
    layers = [Layer(np.zeros((2, 1)), np.array([bias]))]
    value, [(dw, db)] = network.loss_and_gradient(layers, name, XOR_INPUTS, XOR)
    assert value == pytest.approx(best, rel=1e-15)
    assert not dw.any()
    assert not db.any()


def test_perceptron_rule_learns_logical_and_in_the_steps_worked_by_hand() -> None:
    # One example at a time, rate 1, from zero: w and b after each epoch on 00, 01, 10, 11, worked by hand.
    layers = [Layer(np.zeros((2, 1)), np.zeros(1), "step")]
    target = np.array([[0.0], [0.0], [0.0], [1.0]])
    trail = []
    for _ in range(6):
        for row in range(4):
            rows = slice(row, row + 1)
            _, layers, _ = network.step(layers, "perceptron", XOR_INPUTS[rows], target[rows], lr=1.0)
        trail.append(network.parameters(layers).tolist())
    assert trail == [
        [1.0, 1.0, 0.0],
        [2.0, 1.0, -1.0],
        [2.0, 1.0, -2.0],
        [2.0, 2.0, -2.0],
        [2.0, 1.0, -3.0],
        [2.0, 1.0, -3.0],
    ]
    np.testing.assert_array_equal(network.forward(layers, XOR_INPUTS), target)


def test_two_hidden_neurons_represent_xor() -> None:
    # Goodfellow, Bengio and Courville, Deep Learning, section 6.1.
    layers = [
        Layer(np.ones((2, 2)), np.array([0.0, -1.0]), "relu"),
        Layer(np.array([[1.0], [-2.0]]), None),
    ]
    np.testing.assert_array_equal(network.forward(layers, XOR_INPUTS), XOR)


def test_gelu_forms_at_one_have_the_values_of_torch() -> None:
    one = np.array([1.0])
    assert activation.value("gelu", one).item() == pytest.approx(0.8413447460685429, rel=4 * U)
    assert activation.value("gelu_tanh", one).item() == pytest.approx(0.8411919906082768, rel=4 * U)


# SciPy

Z = np.concatenate([np.linspace(-30, 30, 241), [-700.0, 700.0, 1e-300, -1e-9]])


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("sigmoid", scipy.special.expit),
        ("silu", lambda z: z * scipy.special.expit(z)),
        ("softplus", lambda z: np.logaddexp(0, z)),
        ("elu", lambda z: scipy.special.expm1(np.minimum(z, 0)) + np.maximum(z, 0)),
    ],
)
def test_activation_agrees_with_scipy(name: str, oracle: Callable[[Array], Array]) -> None:
    np.testing.assert_allclose(activation.value(name, Z), oracle(Z), rtol=16 * U, atol=2 * U)


def test_gelu_agrees_with_the_normal_distribution_of_scipy() -> None:
    error = np.abs(activation.value("gelu", Z) - Z * scipy.special.ndtr(Z))
    assert np.all(error <= 4 * U * np.abs(Z))


def test_erf_agrees_with_scipy_and_keeps_dtype_and_shape() -> None:
    z = Z[:240].reshape(8, 30)
    np.testing.assert_allclose(activation.erf(z), scipy.special.erf(z), rtol=4 * U)
    assert activation.erf(z.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("temperature", [1.0, 0.25, 7.0])
def test_softmax_and_log_softmax_agree_with_scipy(temperature: float) -> None:
    logits = 10 * np.random.default_rng(3).normal(size=(6, 50))
    p = softmax.softmax(logits, temperature)
    np.testing.assert_allclose(p, scipy.special.softmax(logits / temperature, axis=1), rtol=1e-12, atol=0)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=0, atol=4 * U)
    expected = scipy.special.log_softmax(logits / temperature, axis=1)
    np.testing.assert_allclose(softmax.log_softmax(logits, temperature), expected, rtol=1e-13)


# Floats at the edge


def test_step_is_one_from_zero_on() -> None:
    assert activation.value("step", np.array([-1e-300, -0.0, 0.0, 2.0])).tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", activation.DERIVATIVES)
def test_activations_are_finite_for_any_finite_input(name: str) -> None:
    z = np.array([-1e300, -1e4, -745.0, -1e-300, -0.0, 5e-324, 709.0, 1e4, 1e300])
    y = activation.value(name, z)
    assert np.isfinite(y).all()
    assert np.isfinite(activation.derivative(name, z, y)).all()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "sigmoid", "softplus", "tanh", "gelu"])
def test_nan_propagates(name: str) -> None:
    assert np.isnan(activation.value(name, np.array([np.nan, 1.0]))).tolist() == [True, False]


@pytest.mark.parametrize("temperature", [1.0, 1e-3, 1e3])
def test_softmax_of_extreme_logits(temperature: float) -> None:
    logits = np.array([[1e4, -1e4, 0.0], [1e300, -1e300, 0.0], [-1e300, -1e300, -1e300]])
    p = softmax.softmax(logits, temperature)
    np.testing.assert_allclose(p[1:], [[1.0, 0.0, 0.0], [1 / 3] * 3], rtol=4 * U)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=0, atol=4 * U)
    log_p = softmax.log_softmax(logits, temperature)
    np.testing.assert_allclose(log_p[0, 1], -2e4 / temperature - (temperature == 1e3) * 4.54e-5, rtol=1e-7)
    assert np.isfinite(log_p).all()


def test_temperature_zero_is_one_hot_at_the_first_maximum() -> None:
    logits = np.array([[1.0, 3.0, 3.0], [2.0, -1.0, 0.0]])
    p = softmax.softmax(logits, 0)
    assert p.tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(softmax.log_softmax(logits, 0), np.log(p))
    assert not softmax.softmax_backward(np.ones_like(p), p, 0).any()
    assert not softmax.log_softmax_backward(np.ones_like(p), p, 0).any()
    np.testing.assert_array_equal(softmax.softmax(logits[1:], 1e-300), p[1:])


@pytest.mark.parametrize("weight", [None, np.ones(2)])
@pytest.mark.parametrize("extreme", [1e4, 1e300])
def test_cross_entropy_of_extreme_logits_is_their_difference(extreme: float, weight: Array | None) -> None:
    logits = np.array([[extreme, -extreme], [extreme, -extreme]])
    value, gradient = loss.cross_entropy(logits, np.array([0, 1]), weight, reduction="none")
    assert value.tolist() == [0.0, 2 * extreme]
    assert gradient.tolist() == [[0.0, 0.0], [1.0, -1.0]]


@pytest.mark.parametrize("extreme", [1e4, 1e300])
def test_binary_cross_entropy_with_extreme_logits(extreme: float) -> None:
    logits, target = np.array([extreme, extreme, -extreme, -extreme]), np.array([1.0, 0.0, 1.0, 0.0])
    value, gradient = loss.binary_cross_entropy_with_logits(logits, target, "none")
    assert value.tolist() == [0.0, extreme, extreme, 0.0]
    assert gradient.tolist() == [0.0, 1.0, -1.0, 0.0]


def test_binary_cross_entropy_clamps_the_logarithm_at_minus_100() -> None:
    p, target = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])
    value, gradient = loss.binary_cross_entropy(p, target, "none")
    assert value.tolist() == [0.0, 0.0, 100.0, 100.0]
    np.testing.assert_allclose(gradient, [0.0, 0.0, -1e12, 1e12])


def test_a_logit_of_minus_infinity_is_a_class_of_no_probability() -> None:
    logits = np.array([[-np.inf, 1.0, 1.0]])
    assert softmax.softmax(logits).tolist() == [[0.0, 0.5, 0.5]]
    for weight in (None, np.ones(3)):
        value, gradient = loss.cross_entropy(logits, np.array([1]), weight)
        assert value == pytest.approx(math.log(2), rel=1e-15)
        np.testing.assert_allclose(gradient, [[0.0, -0.5, 0.5]], rtol=4 * U)


@pytest.mark.parametrize("name", network.LOSSES)
def test_losses_leave_their_arguments_alone(name: str) -> None:
    prediction = np.full((2, 3), 0.25)
    target = np.array([0, 2]) if name == "cross_entropy" else np.ones((2, 3))
    before = prediction.copy(), target.copy()
    network.LOSSES[name](prediction, target)
    np.testing.assert_array_equal(prediction, before[0])
    np.testing.assert_array_equal(target, before[1])


# Bad names


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: activation.value("swish", XOR),
            "unknown activation: expected one of identity, step, sigmoid",
        ),
        (lambda: activation.derivative("step", XOR, XOR), "expected one of identity, sigmoid.*got 'step'"),
        (lambda: loss.mse(XOR, XOR, "average"), "expected reduction mean, sum or none; got 'average'"),
        (lambda: optimizer.initial_state("rmsprop", XOR), "expected one of sgd, momentum.*got 'rmsprop'"),
        (lambda: network.loss_and_gradient([], "l1", XOR, XOR), "expected one of cross_entropy.*got 'l1'"),
    ],
)
def test_an_unknown_name_is_refused_with_what_was_expected(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
