"""How far kernels are from the reference, in units of what rounding explains: residual = error / limit, 1 is the most.

The reference is the float64 twin on the same rounded inputs. Limits follow a first-order running error analysis:

    u           unit roundoff
    local       a chain of K fused multiply-adds with terms |x| |w|: c u (|x| |w| + |b|). c = K always holds, 4 sqrt(K)
                with near certainty, since roundings are independent (Higham & Mary 2019, SIAM J. Sci. Comput. 41)
    precision   tensor cores multiply rounded numbers, which the reference rounds too: an error of a number is gone
                then, or a whole unit where it may lead to the other neighbour. Sums are cut off, not rounded
    inherited   errors of the operands, independent too: the root of the sum of their squares through the product
    kinks       where |z| is below its own limit the slope of relu may be 0 or 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers import Dense
from fastnn.learning.losses import CrossEntropy
from fastnn.learning.precision import rounded
from fastnn.reference import activation, dense, loss
from fastnn.reference.network import Layer
from fastnn.reference.softmax import softmax

if TYPE_CHECKING:
    from fastnn.cuda.trainer import CudaTrainer
    from fastnn.learning.trainer import Trainable, Trainer

Array = NDArray[np.float64]

# In float64 the reference rounds as well, so there the unit counts twice.
UNIT_ROUNDOFF = {"float32": 2.0**-24, "float64": 2 * 2.0**-53}
# Mean loss, summed in float64, relative; softmax, absolute in u.
LOSS_LIMIT = {"float32": 1e-7, "float64": 1e-13}
SOFTMAX_UNITS = 4.0


@dataclass(frozen=True, slots=True)
class Residual:
    """Largest error / limit of the output, the loss and the gradient; infinite where a number is not finite."""

    forward: float
    loss: float
    gradient: float

    @property
    def worst(self) -> float:
        return max(self.forward, self.loss, self.gradient)


class NotChecked(ValueError):
    """The network cannot be held against the reference; says why."""


@dataclass(frozen=True, slots=True)
class _Units:
    """Unit roundoff of sums, and what rounds the numbers of a product, if anything does."""

    sums: float
    precision: str | None


@dataclass(frozen=True, slots=True)
class _Value:
    """A float64 array and the limit of its error in the kernels."""

    exact: Array
    limit: Array


def residual(trainer: Trainer | CudaTrainer, x: NDArray[Any], y: NDArray[np.int64]) -> Residual:
    """Of the output, the loss and the gradient of one batch of a multilayer perceptron with a cross-entropy loss.

    NotChecked: another network; see fastnn.bench.perturbed.
    """
    layers = _layers(trainer)
    output = trainer.forward(x).copy()
    value = trainer.gradient(x, y)
    gradients = trainer.network.named(trainer.grads)
    units = _Units(UNIT_ROUNDOFF[trainer.network.dtype.name], trainer.network.precision)

    sources, logits = _forward(layers, _exact(x.astype(np.float64)), units)
    expected, dlogits = _loss(logits, y, units.sums, LOSS_LIMIT[trainer.network.dtype.name])
    # Gradients are divided by the rows of the batch in the end, when their numbers have been rounded.
    scale = float(len(y)) if units.precision else 1.0
    dlogits = _Value(dlogits.exact * scale, dlogits.limit * scale)
    worst = 0.0
    for index, parts in _backward(layers, sources, dlogits, units):
        for name, part in parts.items():
            worst = max(worst, _ratio(gradients[f"{index}.{name}"] * scale, part))
    return Residual(_ratio(output, logits), _ratio(np.array(value), expected), worst)


def _layers(trainer: Trainer | CudaTrainer) -> list[Layer]:
    network = trainer.network
    if reason := _unbounded(network):
        raise NotChecked(reason)
    parameters = {name: block.astype(np.float64) for name, block in network.named_parameters.items()}
    return [
        Layer(parameters[f"{each.name}.weight"], parameters[f"{each.name}.bias"], each.layer.activation)
        for each in network.operations
    ]


def is_bounded(network: Trainable) -> bool:
    """Whether the analysis above is of this network."""
    return _unbounded(network) is None


def _unbounded(network: Trainable) -> str | None:
    """What the analysis is not of."""
    for operation in network.operations:
        layer = operation.layer
        if not (isinstance(layer, Dense) and layer.bias and layer.activation in ("identity", "relu")):
            return f"layer {operation.name} is {layer!r}; expected Dense with a bias and relu or no activation"
        if operation.shares:
            return f"layer {operation.name} shares its parameters; expected some of its own"
    if len(network.input_shape) > 1:
        return f"a row of x has shape {network.input_shape}; expected features alone"
    if network.loss_function != CrossEntropy():
        return f"the loss is {network.loss_function!r}; expected CrossEntropy()"
    return None


def _exact(array: Array) -> _Value:
    return _Value(array, np.zeros_like(array))


def _ratio(actual: NDArray[Any], expected: _Value) -> float:
    """Largest error / limit; a limit of 0 allows no error."""
    error = np.abs(actual.astype(np.float64) - expected.exact)
    allowed = np.maximum(expected.limit, np.finfo(np.float64).tiny)
    worst = float(np.max(error / allowed, initial=0.0))
    return worst if np.isfinite(worst) else float("inf")


def _chain(terms: int) -> float:
    return min(float(terms), 4.0 * math.sqrt(terms))


def _operand(value: _Value, units: _Units) -> _Value:
    """What is multiplied."""
    if not units.precision:
        return value
    exact, low, high = (
        rounded(value.exact + error, units.precision).astype(np.float64) for error in (0.0, -value.limit, value.limit)
    )
    return _Value(exact, np.maximum(high - exact, exact - low))


def _product(a: _Value, b: _Value, exact: Array, units: _Units, start: Array | float = 0.0) -> _Value:
    """a @ b + start and its limit. exact: the value, where nothing is rounded before."""
    a, b = _operand(a, units), _operand(b, units)
    terms, sizes = a.exact.shape[1], np.abs(a.exact) @ np.abs(b.exact)
    chain = 2.0 * (terms + 1) if units.precision else _chain(terms)
    local = chain * units.sums * (sizes + np.abs(start))
    inherited = np.sqrt(_summed(a, b, 2))
    if units.precision:
        # Of a few numbers that are rounded the other way all may err to one side.
        exact, inherited = a.exact @ b.exact + start, np.minimum(2.0 * inherited, _summed(a, b, 1))
    return _Value(exact, local + inherited)


def _summed(a: _Value, b: _Value, power: int) -> Array:
    """Of the limits' products with what they are multiplied by, to a power."""
    found = np.zeros((len(a.exact), b.exact.shape[1]))
    if a.limit.any():
        found += a.limit**power @ np.abs(b.exact) ** power
    if b.limit.any():
        found += np.abs(a.exact) ** power @ b.limit**power
    return found


def _forward(layers: Sequence[Layer], x: _Value, units: _Units) -> tuple[list[tuple[_Value, _Value]], _Value]:
    """Input and pre-activation of each layer, and the logits."""
    sources = []
    for layer in layers:
        exact, _ = dense.forward(x.exact, layer.w, layer.b, layer.activation)
        z = _product(x, _exact(layer.w), exact, units, 0.0 if layer.b is None else layer.b)
        sources.append((x, z))
        if layer.activation == "identity":
            x = z
        else:  # relu cuts off an error whose whole range is negative
            x = _Value(activation.value("relu", z.exact), np.where(z.exact > -z.limit, z.limit, 0.0))
    return sources, x


def _loss(logits: _Value, y: NDArray[np.int64], units: float, relative: float) -> tuple[_Value, _Value]:
    """Mean cross-entropy and its gradient in the logits."""
    value, gradient = loss.cross_entropy(logits.exact, y)
    p = softmax(logits.exact)
    mean_limit = np.sum(p * logits.limit, axis=1, keepdims=True)
    of_label = logits.limit[np.arange(len(y)), y]
    limit = relative * abs(value) + np.mean(of_label + mean_limit[:, 0])
    gradient_limit = (p * (logits.limit + mean_limit) + SOFTMAX_UNITS * units) / len(y)
    return _Value(np.asarray(value), np.asarray(limit)), _Value(gradient, gradient_limit)


def _backward(
    layers: Sequence[Layer], sources: Sequence[tuple[_Value, _Value]], dy: _Value, units: _Units
) -> list[tuple[int, dict[str, _Value]]]:
    """Gradients of each layer's weight and bias, last layer first."""
    gradients = []
    for index in range(len(layers) - 1, -1, -1):
        (x, z), layer = sources[index], layers[index]
        dz = dy if layer.activation == "identity" else _through_relu(dy, z)
        dx, dw, db = dense.backward(
            dy.exact, x.exact, layer.w, z.exact, np.maximum(z.exact, 0.0), layer.activation, input_gradient=index > 0
        )
        ones = _exact(np.ones((1, len(dz.exact))))
        weight = _product(_Value(x.exact.T, x.limit.T), dz, dw, units)
        bias = _product(ones, dz, db[None, :], _Units(units.sums, None))
        gradients.append((index, {"weight": weight, "bias": _Value(db, bias.limit[0])}))
        if dx is not None:
            dy = _product(dz, _exact(layer.w.T), dx, units)
    return gradients


def _through_relu(dy: _Value, z: _Value) -> _Value:
    on = z.exact > 0
    near_kink = np.abs(z.exact) <= z.limit
    limit = np.where(on, dy.limit, 0.0) + np.where(near_kink, np.abs(dy.exact), 0.0)
    return _Value(np.where(on, dy.exact, 0.0), limit)
