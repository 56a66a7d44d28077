"""Network: output, loss and gradient against the reference and central differences, whatever the memory held."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from example_networks import DTYPES, deep, normal, poison, with_biases
from reference_networks import assert_within, expected

from fastnn import (
    MSE,
    Activation,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Dense,
    Hinge,
    Network,
    Perceptron,
    mlp,
    tape,
)
from fastnn.kernels.activation import NAMES
from fastnn.layers import Layer
from fastnn.networks.network import INFERENCE_ROWS
from fastnn.tape import columns

Array = npt.NDArray[Any]

DIFFERENTIABLE = [name for name in NAMES if name != "step"]
EPS = 1e-5

# Values ---------------------------------------------------------------------------------------------------------------


def check_against_reference(net: Network, x: Array, y: Array) -> None:
    x = x.astype(net.dtype)  # the reference sees the same rounded inputs
    right = expected(net, x, y)
    assert_within(net(x), right.output, right.output_error)
    assert_within(net.loss(x, y), right.loss, right.loss_error)
    gradient = net.gradient(x, y)
    named = net.named(gradient)
    assert set(named) == set(right.gradients)
    for name, values in named.items():
        assert_within(values, right.gradients[name], right.gradient_errors[name])
        assert right.gradients[name].any()


def check_trainer(net: Network, x: Array, y: Array) -> None:
    x = x.astype(net.dtype)
    trainer = net.trainer("sgd", len(x))
    assert trainer.gradient(x, y) == net.loss(x, y)
    assert trainer.grads.tobytes() == net.gradient(x, y).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", DIFFERENTIABLE)
def test_output_loss_and_gradient_are_those_of_the_reference(activation: str, dtype: str) -> None:
    check_against_reference(deep(activation, dtype), normal(37, 9), np.arange(37) % 3)
    check_trainer(deep(activation, dtype), normal(37, 9), np.arange(37) % 3)


BITS = np.random.default_rng(3).integers(0, 2, (37, 3))
TARGETS = {
    "labels": np.arange(37) % 3,
    "some ignored": np.where(np.arange(37) % 5 == 0, -100, np.arange(37) % 3),
    "probabilities": np.random.default_rng(3).dirichlet(np.ones(3), 37),
    "bits": BITS,
    "signs": 2 * BITS - 1,
    "numbers": normal(37, 3, seed=8),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "target", "last"),
    [
        (CrossEntropy(), "some ignored", "identity"),
        (CrossEntropy("sum"), "labels", "identity"),
        (CrossEntropy(label_smoothing=0.2), "some ignored", "identity"),
        (CrossEntropy(class_weight=[0.5, 1, 3]), "some ignored", "identity"),
        (CrossEntropy(label_smoothing=0.2, class_weight=[0, 1, 3], ignore_index=1), "labels", "identity"),
        (CrossEntropy(), "probabilities", "identity"),
        (CrossEntropy("sum", label_smoothing=0.1, class_weight=[0.5, 1, 3]), "probabilities", "identity"),
        (BinaryCrossEntropy(), "bits", "sigmoid"),
        (BinaryCrossEntropy("sum"), "probabilities", "sigmoid"),
        (BinaryCrossEntropyWithLogits(), "bits", "identity"),
        (BinaryCrossEntropyWithLogits("sum"), "probabilities", "identity"),
        (MSE(), "numbers", "identity"),
        (MSE("sum"), "numbers", "tanh"),
        (Hinge(), "signs", "identity"),
        (Hinge("sum"), "signs", "identity"),
    ],
    ids=repr,
)
def test_every_loss_and_its_options_follow_the_reference(loss: Any, target: str, last: str, dtype: str) -> None:
    check_against_reference(deep("tanh", dtype, loss, last), normal(37, 9), TARGETS[target])
    check_trainer(deep("tanh", dtype, loss, last), normal(37, 9), TARGETS[target])


@pytest.mark.parametrize("dtype", DTYPES)
def test_alpha_reaches_the_kernels(dtype: str) -> None:
    layers: list[Layer] = [Dense(6, "leaky_relu", alpha=0.3), Activation("elu", alpha=0.7), Dense(3, "leaky_relu")]
    check_against_reference(with_biases(Network(9, layers, dtype=dtype, seed=2)), normal(37, 9), TARGETS["labels"])


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_perceptron_gradient_is_rosenblatts_correction(reduction: str) -> None:
    net = with_biases(mlp(9, 1, output_activation="step", loss=Perceptron(reduction), seed=1))
    check_against_reference(net, normal(37, 9), BITS[:, :1])


def test_targets_of_one_output_may_be_flat() -> None:
    net = mlp(3, 4, 1, loss="mse", seed=0)
    x, y = normal(7, 3), normal(7)
    assert net.loss(x, y) == net.loss(x, y[:, None])
    assert net.gradient(x, y).tobytes() == net.gradient(x, y[:, None]).tobytes()


@pytest.mark.parametrize("activation", DIFFERENTIABLE)
@pytest.mark.parametrize(
    ("loss", "y"), [("cross_entropy", np.arange(6) % 3), ("mse", normal(6, 3, seed=9))], ids=["labels", "rows"]
)
def test_gradient_is_the_slope_of_the_loss(activation: str, loss: str, y: Array) -> None:
    layers: list[Layer] = [Dense(5, activation), Activation(activation), Dense(4, activation, bias=False), Dense(3)]
    net = with_biases(Network(4, layers, loss=loss, dtype="float64", seed=3))
    x = normal(6, 4, seed=4)
    skipped = 0
    gradient = net.named(net.gradient(x, y))
    for name, view in net.named_parameters.items():
        for index in np.ndindex(view.shape):
            if near_kink(net, x, view, index):
                skipped += 1
                continue
            slope = central_difference(net, x, y, view, index)
            assert gradient[name][index] == pytest.approx(slope, rel=1e-6, abs=1e-8), (name, index)
    assert skipped <= net.parameter_count // 10


def central_difference(net: Network, x: Array, y: Array, view: Array, index: tuple[int, ...]) -> float:
    kept, losses, points = view[index], [], []
    for shift in (EPS, -EPS):
        view[index] = kept + shift
        points.append(float(view[index]))
        losses.append(net.loss(x, y))
    view[index] = kept
    return (losses[0] - losses[1]) / (points[0] - points[1])


def near_kink(net: Network, x: Array, view: Array, index: tuple[int, ...]) -> bool:
    """Whether a unit changes sides of 0 between the two points of a central difference."""
    kept, sides = view[index], []
    for shift in (EPS, -EPS):
        view[index] = kept + shift
        sides.append([np.sign(values) for values in hidden_values(net, x)])
    view[index] = kept
    return any(np.any(up != down) for up, down in zip(*sides, strict=True))


def hidden_values(net: Network, x: Array) -> list[Array]:
    """Pre-activations of the hidden layers, by NumPy; the sign of an activation's value is that of its input."""
    values: list[Array] = []
    y = x
    for layer, output in zip(net.layers[:-1], _layer_outputs(net, x), strict=False):
        weight = net.named_parameters.get(f"{len(values)}.weight")
        bias = net.named_parameters.get(f"{len(values)}.bias", np.zeros(1))
        values.append(y @ weight + bias if isinstance(layer, Dense) and weight is not None else y)
        y = output
    return values


def _layer_outputs(net: Network, x: Array) -> list[Array]:
    plan = net.plan(len(x), keep=True)
    workspace = plan.workspace()
    tape.forward(plan.tape, net.parameters, x, workspace)
    return [
        workspace[row[columns.OUTPUT] :][: len(x) * row[columns.WIDTH_OUT]].reshape(len(x), -1)
        for row in plan.tape[1 : 1 + len(net.layers)]
    ]


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_many_rows_give_the_bits_of_one_batch_and_of_single_rows(activation: str, dtype: str) -> None:
    net = deep(activation, dtype)
    x = normal(2 * INFERENCE_ROWS + 37, 9).astype(dtype)
    chunked = net(x)
    plan = net.plan(len(x), gradients=False)
    whole = np.full((len(x), net.outputs), np.nan, dtype)
    tape.infer(whole, plan.tape, net.parameters, x, plan.workspace())
    assert chunked.tobytes() == whole.tobytes()
    assert chunked.tobytes() == b"".join(net(row[None]).tobytes() for row in x)


@pytest.mark.parametrize("byte", [0x00, 0xFF, None], ids=["zeros", "ones", "NaN"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "gelu", "elu"])
def test_no_result_depends_on_what_the_workspace_held(activation: str, dtype: str, byte: int | None) -> None:
    net = deep(activation, dtype)
    x, y = normal(21, 9).astype(dtype), np.arange(21) % 3
    clean, used = net.trainer("sgd", 32), net.trainer("sgd", 32)
    poison(used.workspace, byte)
    for view in net.named(used.grads).values():
        view.fill(np.nan)
    assert used.gradient(x, y) == clean.gradient(x, y)
    assert used.grads.tobytes() == clean.grads.tobytes()
    poison(used.workspace, byte)
    assert used.forward(x).tobytes() == clean.forward(x).tobytes() == net(x).tobytes()


@pytest.mark.parametrize("byte", [0x00, 0xFF, None], ids=["zeros", "ones", "NaN"])
def test_no_epoch_depends_on_what_the_workspace_held(byte: int | None) -> None:
    x, y = normal(21, 9).astype("f4"), np.arange(21) % 3
    runs = []
    for dirty in (False, True):
        trainer = deep("silu", "float32").trainer("adam", 8)
        if dirty:
            poison(trainer.workspace, byte)
        runs.append((trainer.epoch(x, y, np.arange(21)), trainer.params.tobytes()))
    assert runs[0] == runs[1]


def test_inputs_are_left_as_they_are() -> None:
    net = deep("relu", "float32")
    x, y = normal(21, 9).astype("f4"), np.arange(21) % 3
    x_before, y_before = x.copy(), y.copy()
    net(x), net.predict_proba(x), net.loss(x, y), net.accuracy(x, y), net.gradient(x, y)
    net.fit(x, y, epochs=2, batch=8, seed=0)
    assert x.tobytes() == x_before.tobytes()
    assert y.tobytes() == y_before.tobytes()


def test_results_are_not_overwritten_by_later_calls() -> None:
    net = mlp(3, 4, 2, seed=0)
    first = net(normal(5, 3))
    kept = first.copy()
    net(normal(5, 3, seed=1)), net.gradient(normal(5, 3, seed=1), np.zeros(5, int))
    assert first.tobytes() == kept.tobytes()
