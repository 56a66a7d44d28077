"""A chain of dense layers, norms, dropout and residual blocks: forward, loss, gradient, and one training step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import dense, loss, norm, optimizer
from .dropout import dropout

Array = npt.NDArray[Any]
Gradient = tuple[Array, Array]

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


@dataclass(frozen=True)
class Norm:
    """Layer norm, or RMS norm where it is not centred: w (I,), b (I,) or None."""

    w: Array
    b: Array | None
    epsilon: float
    centred: bool


@dataclass(frozen=True)
class Dropout:
    """With the draws (B, I) of one step; without them nothing is dropped."""

    rate: float
    draws: Array | None = None


@dataclass(frozen=True)
class Residual:
    """x + f(x), f the chain of layers."""

    layers: Sequence["AnyLayer"]


AnyLayer = Layer | Norm | Dropout | Residual
# A layer, its input, and what its backward pass wants besides.
Trace = list[tuple[AnyLayer, Array, Any]]


def run(layers: Sequence[AnyLayer], x: Array) -> tuple[Array, Trace]:
    """Output (B, O) for inputs x (B, I), and what `differentiate` wants."""
    trace: Trace = []
    for layer in layers:
        kept: Any = None
        source = x
        match layer:
            case Layer():
                z, x = dense.forward(source, layer.w, layer.b, layer.activation, layer.alpha)
                kept = z, x
            case Norm():
                x, normal, inverse = norm.forward(source, layer.w, layer.b, layer.epsilon, layer.centred)
                kept = normal, inverse
            case Dropout():
                x = source if layer.draws is None else dropout(source, layer.draws, layer.rate)
            case Residual():
                inner, kept = run(layer.layers, source)
                x = source + inner
        trace.append((layer, source, kept))
    return x, trace


def differentiate(trace: Trace, dy: Array | None, input_gradient: bool) -> tuple[Array | None, list[Gradient]]:
    """Gradients of the input, None where it is not wanted, and of the layers with parameters, in their order."""
    gradients: list[Gradient] = []
    for index, (layer, source, kept) in reversed(list(enumerate(trace))):
        wanted = input_gradient or index > 0
        assert dy is not None
        match layer:
            case Layer():
                z, y = kept
                dy, dw, db = dense.backward(dy, source, layer.w, z, y, layer.activation, layer.alpha, wanted)
                gradients.insert(0, (dw, db))
            case Norm():
                normal, inverse = kept
                dy, dw, db = norm.backward(dy, normal, inverse, layer.w, layer.centred, wanted)
                gradients.insert(0, (dw, db))
            case Dropout():
                dy = dy if layer.draws is None else dropout(dy, layer.draws, layer.rate)
            case Residual():
                inner, of_block = differentiate(kept, dy, wanted)
                dy = None if inner is None else dy + inner
                gradients = of_block + gradients
    return dy, gradients


def forward(layers: Sequence[AnyLayer], x: Array) -> Array:
    """Output (B, O) of the last layer for inputs x (B, I)."""
    y, _ = run(layers, x)
    return y


def loss_and_gradient(
    layers: Sequence[AnyLayer], loss: str, x: Array, target: Array, **loss_options: Any
) -> tuple[Any, list[Gradient]]:
    """Loss by name and the gradients (dw, db) of each Layer and Norm, in their order; db also where b is None.

    `loss_options` go to the loss function. ValueError: an unknown loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"unknown loss: expected one of {', '.join(LOSSES)}; got {loss!r}")
    y, trace = run(layers, x)
    loss_value, dy = LOSSES[loss](y, target, **loss_options)
    _, gradients = differentiate(trace, dy, input_gradient=False)
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
