"""Costs of norms, dropout and residual adds against operations counted one by one and the arrays that move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from counting import Array, Tally
from reference_networks import layers_of

from fastnn import Dense, Dropout, LayerNorm, Network, Residual, RMSNorm, cost
from fastnn.cost import Cost
from fastnn.reference import dropout, network, norm

SHAPES = [(1, 1), (1, 5), (4, 1), (3, 7)]  # (B, I)
CENTRED = [True, False]


def random(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).uniform(0.1, 0.9, shape)


@pytest.mark.parametrize("centred", CENTRED)
@pytest.mark.parametrize(("batch", "inputs"), SHAPES)
def test_norm_counts(batch: int, inputs: int, centred: bool) -> None:
    tally = Tally()
    x, w = tally.array(random(batch, inputs)), tally.array(random(inputs))
    _, normal, inverse = norm.forward(x, w, tally.array(random(inputs)) if centred else None, 1e-5, centred)
    forward = cost.norm_forward(batch, inputs, centred=centred)
    assert (tally.flops, tally.transcendentals) == (forward.flops, forward.transcendentals)
    for input_gradient in (True, False):
        tally.clear()
        norm.backward(tally.array(random(batch, inputs)), normal, inverse, w, centred, input_gradient)
        backward = cost.norm_backward(batch, inputs, 4, input_gradient, centred=centred)
        # The reference sums db of RMS norm too, which has no bias.
        assert tally.flops == backward.flops + (0 if centred else (batch - 1) * inputs)
        assert backward.transcendentals == backward.macs == 0


def test_dropout_and_addition_counts() -> None:
    tally = Tally()
    y = dropout.dropout(tally.array(random(3, 7)), tally.array(random(3, 7)), 0.4)
    assert tally.flops == cost.dropout(21).flops
    tally.clear()
    y + tally.array(random(3, 7))
    assert tally.flops == cost.addition(21).flops
    assert cost.copy(21).flops == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("batch", "inputs"), SHAPES)
def test_bytes_are_those_of_the_arrays_that_move(batch: int, inputs: int, dtype: Any) -> None:
    x, w = np.zeros((batch, inputs), dtype), np.zeros(inputs, dtype)
    inverse, b = np.zeros(batch, dtype), w
    y = normal = dy = dx = x
    n, itemsize = x.size, x.itemsize
    expected = [
        (cost.norm_forward(batch, inputs, itemsize, centred=True), [x, w, b, y, normal, inverse]),
        (cost.norm_forward(batch, inputs, itemsize, centred=False), [x, w, y, normal, inverse]),
        (cost.norm_backward(batch, inputs, itemsize, centred=True), [dy, normal, inverse, w, w, b, dx]),
        (cost.norm_backward(batch, inputs, itemsize, centred=False), [dy, normal, inverse, w, w, dx]),
        (cost.norm_backward(batch, inputs, itemsize, False, centred=True), [dy, normal, w, b]),
        (cost.norm_backward(batch, inputs, itemsize, False, centred=False), [dy, normal, w]),
        (cost.dropout(n, itemsize), [x, y]),
        (cost.addition(n, itemsize), [x, x, y]),
        (cost.copy(n, itemsize), [x, y]),
    ]
    for model, arrays in expected:
        assert model.bytes == sum(array.nbytes for array in arrays)


def counted(layers: list[Any], tally: Tally) -> list[Any]:
    """With parameters that count."""
    found: list[Any] = []
    for layer in layers:
        match layer:
            case network.Residual():
                found.append(network.Residual(counted(list(layer.layers), tally)))
            case network.Layer():
                b = None if layer.b is None else tally.array(layer.b)
                found.append(network.Layer(tally.array(layer.w), b, layer.activation, layer.alpha))
            case network.Norm():
                b = None if layer.b is None else tally.array(layer.b)
                found.append(network.Norm(tally.array(layer.w), b, layer.epsilon, layer.centred))
            case network.Dropout():
                found.append(network.Dropout(layer.rate, tally.array(random(4, 6))))
    return found


NETWORKS: dict[str, list[Any]] = {
    "block": [Dense(6, "tanh"), Residual(LayerNorm(), Dense(5, "relu"), Dense(6)), Dropout(0.3), Dense(3)],
    "at once": [Residual(Dense(6, "tanh")), Residual(Residual(LayerNorm(), Dropout(0.2), Dense(6))), LayerNorm()],
    "nothing before it": [Residual(LayerNorm()), Dropout(0.5), Dense(3)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_whole_networks_counts_are_those_of_the_reference(name: str) -> None:
    net, batch = Network(6, NETWORKS[name], seed=0), 4
    model, tally = net.cost(batch), Tally()
    layers = counted(layers_of(net), tally)
    network.loss_and_gradient(layers, "cross_entropy", tally.array(random(batch, 6)), np.arange(batch) % 3)
    # By hand, each output of a product takes one addition less than its multiply-adds.
    dense = [operation for operation in net.operations if isinstance(operation.layer, Dense)]
    products = sum(batch * op.outputs + op.inputs * op.outputs for op in dense)
    products += sum(batch * op.inputs for op in dense if op is not net.operations[0] and wants_dx(net, op))
    until_update = model.forward + model.loss + model.backward
    assert tally.flops == until_update.flops - products
    assert tally.transcendentals == until_update.transcendentals


def wants_dx(net: Network, operation: Any) -> bool:
    """Whether anything before an operation has parameters."""
    before = net.operations[: net.operations.index(operation)]
    return any(other.parameter_count for other in before)


def test_a_norms_weight_is_read_once_for_its_gradient_and_its_update() -> None:
    net = Network(6, [Dense(6), RMSNorm(), Dense(3)], seed=0)
    assert net.cost(4).saved_bytes == 4 * (2 * net.parameter_count + 6 + 6 * 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cost.norm_forward(-1, 2, centred=True), "expected batch to be at least 0; got -1"),
        (lambda: cost.norm_backward(1, -2, centred=True), "expected inputs to be at least 0; got -2"),
        (lambda: cost.dropout(-3), "expected n to be at least 0; got -3"),
        (lambda: cost.addition(-3), "expected n to be at least 0; got -3"),
        (lambda: cost.copy(3, -4), "expected itemsize to be at least 0; got -4"),
    ],
)
def test_bad_sizes_are_refused(call: Callable[[], Cost], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
