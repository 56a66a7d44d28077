"""A chain of dense layers: forward, loss, gradient, and one training step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import dense, loss, optimizer

Array = npt.NDArray[Any]
DenseGradient = tuple[Array, Array]

LOSSES: Mapping[str, Callable[..., loss.LossAndGradient]] = {
    "cross_entropy": loss.cross_entropy,
    "binary_cross_entropy": loss.binary_cross_entropy,
    "binary_cross_entropy_with_logits": loss.binary_cross_entropy_with_logits,
    "mse": loss.mse,
    "hinge": loss.hinge,
    "perceptron": loss.perceptron,
}


@dataclass(frozen=True)
class Layer:
    """act(x @ w + b): w (I, O), b (O,) or None; names and alpha as in `activation`."""

    w: Array
    b: Array | None
    activation: str = "identity"
    alpha: float | None = None


def forward(layers: Sequence[Layer], x: Array) -> Array:
    """Output (B, O) of the last layer for inputs x (B, I)."""
    for layer in layers:
        _, x = dense.forward(x, layer.w, layer.b, layer.activation, layer.alpha)
    return x


def loss_and_gradient(
    layers: Sequence[Layer], loss: str, x: Array, target: Array, **loss_options: Any
) -> tuple[Any, list[DenseGradient]]:
    """Loss by name and each layer's gradients (dw, db), in the order of `layers`; db also where b is None.

    `loss_options` go to the loss function. ValueError: an unknown loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"unknown loss: expected one of {', '.join(LOSSES)}; got {loss!r}")
    trace = []
    y = x
    for layer in layers:
        layer_input = y
        z, y = dense.forward(layer_input, layer.w, layer.b, layer.activation, layer.alpha)
        trace.append((layer, layer_input, z, y))
    loss_value, dy = LOSSES[loss](y, target, **loss_options)
    gradients: list[DenseGradient] = []
    for index, (layer, layer_input, z, y) in reversed(list(enumerate(trace))):
        dx, dw, db = dense.backward(
            dy, layer_input, layer.w, z, y, layer.activation, layer.alpha, input_gradient=index > 0
        )
        gradients.insert(0, (dw, db))
        if dx is not None:
            dy = dx
    return loss_value, gradients


def flatten(arrays: Sequence[Array | None]) -> Array:
    """One vector of all elements, array after array, row by row; None holds nothing."""
    return np.concatenate([array.ravel() for array in arrays if array is not None])


def parameters(layers: Sequence[Layer]) -> Array:
    """The parameter vector: w, then b, of each layer."""
    return flatten([array for layer in layers for array in (layer.w, layer.b)])


def with_parameters(layers: Sequence[Layer], p: Array) -> list[Layer]:
    """The same layers with the parameters of the vector p."""
    result = []
    for layer in layers:
        w, p = p[: layer.w.size].reshape(layer.w.shape), p[layer.w.size :]
        b = None
        if layer.b is not None:
            b, p = p[: layer.b.size], p[layer.b.size :]
        result.append(replace(layer, w=w, b=b))
    return result


def step(
    layers: Sequence[Layer],
    loss: str,
    x: Array,
    target: Array,
    optimizer_name: str = "sgd",
    state: optimizer.State | None = None,
    step: int = 1,
    lr: float = 0.1,
    loss_options: Mapping[str, Any] | None = None,
    **optimizer_options: Any,
) -> tuple[Any, list[Layer], optimizer.State]:
    """One training step: the loss before it, the layers after it, and the optimizer state for the next."""
    loss_value, gradients = loss_and_gradient(layers, loss, x, target, **(loss_options or {}))
    g = flatten(
        [
            array
            for layer, (dw, db) in zip(layers, gradients, strict=True)
            for array in (dw, None if layer.b is None else db)
        ]
    )
    p = parameters(layers)
    if state is None:
        state = optimizer.initial_state(optimizer_name, p)
    p, state = optimizer.UPDATES[optimizer_name](p, g, state, step, lr, **optimizer_options)
    return loss_value, with_parameters(layers, p), state
