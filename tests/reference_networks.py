"""Networks of fastnn beside their float64 twins in fastnn.reference, and how far apart rounding may take them.

The bound is a first-order running error analysis, layer by layer; see running_errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from running_errors import backward, forward

from fastnn import Activation, CrossEntropy, Dense, Dropout, LayerNorm, Network, Residual, RMSNorm
from fastnn.learning.losses import Loss
from fastnn.reference import loss, network, optimizer
from fastnn.reference.network import AnyLayer, Layer, Norm

Array = npt.NDArray[Any]
Gradients = Mapping[str, Array]

KINDS = ("weight", "bias")


def layers_of(net: Network) -> list[AnyLayer]:
    return _chain(net, net.layers, net.inputs, "")


def _chain(net: Network, layers: Sequence[Any], width: int, prefix: str) -> list[AnyLayer]:
    """An Activation is a dense layer whose weight is the identity: sums with zeros are exact."""
    views, found = net.named_parameters, []
    for index, layer in enumerate(layers):
        name = f"{prefix}{index}"
        w = views.get(f"{name}.weight", np.eye(width)).astype(float)
        b = views[f"{name}.bias"].astype(float) if f"{name}.bias" in views else None
        match layer:
            case LayerNorm() | RMSNorm():
                found.append(Norm(w, b, layer.epsilon, isinstance(layer, LayerNorm)))
            case Dropout():
                found.append(network.Dropout(layer.rate))
            case Residual():
                found.append(network.Residual(_chain(net, layer.layers, width, f"{name}.")))
            case _:
                found.append(Layer(w, b, layer.activation, layer.alpha))
                (width,) = layer.output_shape((width,))
    return found


def loss_options(settings: Loss) -> dict[str, Any]:
    options: dict[str, Any] = {"reduction": settings.reduction}
    if isinstance(settings, CrossEntropy):
        weight = settings.class_weight
        options["class_weight"] = None if weight is None else np.array(weight)
        options["label_smoothing"], options["ignore_index"] = settings.label_smoothing, settings.ignore_index
    return options


def by_name(net: Network, gradients: Sequence[tuple[Array, Array]]) -> dict[str, Array]:
    """Gradients of the layers by the names of named_parameters."""
    found = (Dense, Activation, LayerNorm, RMSNorm)
    names = [operation.name for operation in net.operations if isinstance(operation.layer, found)]
    pairs = zip(names, gradients, strict=True)
    named = {f"{name}.{kind}": part for name, pair in pairs for kind, part in zip(KINDS, pair, strict=True)}
    return {name: part for name, part in named.items() if name in net.named_parameters}


def loss_and_gradient(net: Network, x: Array, y: Array) -> tuple[float, dict[str, Array]]:
    value, gradients = network.loss_and_gradient(
        layers_of(net), net.loss_function.name, x.astype(float), _target(net, y), **loss_options(net.loss_function)
    )
    return float(value), by_name(net, gradients)


def _target(net: Network, y: Array) -> Array:
    return y if y.ndim == 1 and isinstance(net.loss_function, CrossEntropy) else y.reshape(len(y), -1).astype(float)


@dataclass(frozen=True)
class Expected:
    """What a network should give, each with the largest error that rounding explains."""

    output: Array
    output_error: Array
    loss: float
    loss_error: float
    gradients: Gradients
    gradient_errors: Gradients


def expected(net: Network, x: Array, y: Array) -> Expected:
    x, target = x.astype(float), _target(net, y)
    u = float(np.finfo(net.dtype).eps) / 2
    value, error, trace = forward(layers_of(net), x, np.zeros_like(x), u)
    options = loss_options(net.loss_function)
    loss_value, dy = network.LOSSES[net.loss_function.name](value, target, **options)
    dy_error = _loss_slope_error(net.loss_function, value, target, dy, error, u)
    relative = 1e-7 if net.dtype == np.float32 else 1e-13
    loss_error = 1.5 * np.sum(np.abs(dy) * error) + relative * abs(loss_value) + 4 * u * (1 + np.abs(value).max())
    _, _, gradients, errors = backward(trace, dy, dy_error, u)
    return Expected(value, error, float(loss_value), float(loss_error), by_name(net, gradients), by_name(net, errors))


def _loss_slope_error(settings: Loss, y: Array, target: Array, dy: Array, error: Array, u: float) -> Array:
    """Error of the loss's gradient dy in the output y, from the error of y and its own rounding."""
    scale = 1.0 if settings.reduction == "sum" else 1.0 / y.size
    if isinstance(settings, CrossEntropy):
        weight = np.ones(y.shape[1]) if settings.class_weight is None else np.array(settings.class_weight)
        if settings.reduction == "mean":
            counted = len(y) if target.ndim == 2 else np.sum(weight[target[target != settings.ignore_index]])
            scale = 1.0 / counted
        return np.broadcast_to((2 * error.max(axis=1, keepdims=True) + 16 * u) * scale * weight.max(), y.shape)
    if settings.name == "binary_cross_entropy":
        bend_of_each: Array = 1 / np.minimum(y, 1 - y) ** 2
        return bend_of_each * scale * error + 16 * u * np.abs(dy)
    bend = {"mse": 2.0, "binary_cross_entropy_with_logits": 0.25}.get(settings.name, 0.0)
    if settings.name == "hinge":
        assert np.all(np.abs(1 - target * y) > error), "a score at the kink of the hinge within the rounding error"
    return bend * scale * error + 16 * u * (np.abs(dy) + scale * bend)


def assert_within(actual: Any, right: Any, limit: Any) -> None:
    """|actual - right| <= limit in every component, none of them NaN."""
    difference = np.abs(np.asarray(actual, float) - right)
    worst = np.max(difference / np.maximum(limit, 1e-300), initial=0.0)
    print(f"measured/limit {worst:.3g}")
    assert np.all(difference <= limit), f"{worst:.3g} times the limit"


def train(
    net: Network,
    x: Array,
    y: Array,
    batches: Iterable[Array],
    update: str,
    rate: Callable[[int], float],
    clip: float | None = None,
    **options: Any,
) -> tuple[Gradients, list[float]]:
    """Parameters after one reference step on the rows of each batch, and the losses before each step."""
    layers, target = layers_of(net), _target(net, y)
    state = optimizer.initial_state(update, network.parameters(layers))
    losses = []
    for step, rows in enumerate(batches):
        value, gradients = network.loss_and_gradient(
            layers, net.loss_function.name, x[rows], target[rows], **loss_options(net.loss_function)
        )
        pairs = zip(layers, gradients, strict=True)
        g = network.flatten([array for layer, (dw, db) in pairs for array in (dw, None if layer.b is None else db)])
        g = g if clip is None else optimizer.clip(g, clip)
        p, state = optimizer.UPDATES[update](network.parameters(layers), g, state, step + 1, rate(step), **options)
        layers = network.with_parameters(layers, p)
        losses.append(float(value))
    return by_name(net, [(layer.w, layer.b) for layer in layers]), losses  # type: ignore[misc]


__all__ = ["Expected", "assert_within", "expected", "layers_of", "loss", "loss_and_gradient", "train"]
