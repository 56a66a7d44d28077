"""Activation functions and their derivatives, by name.

`value(name, z)` maps pre-activations z to outputs y of the same shape; `derivative(name, z, y)` is dy/dz
at z, where y = value(name, z) saves the work that the value already did. `alpha` is the slope of
leaky_relu and the scale of elu. Each form is the one whose operations `fastnn.cost` counts. At the kinks
the derivative is the left one: relu'(0) = 0.

References: gelu: Hendrycks and Gimpel 2016 (arXiv 1606.08415), both forms; silu: Elfwing et al. 2017
(arXiv 1702.03118); elu: Clevert et al. 2015 (arXiv 1511.07289).
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = TypeVar("Function")

DEFAULT_ALPHA: Mapping[str, float] = {"leaky_relu": 0.01, "elu": 1.0}

SQRT_HALF = math.sqrt(0.5)
INVERSE_SQRT_TWO_PI = 1.0 / math.sqrt(2.0 * math.pi)
SQRT_TWO_OVER_PI = math.sqrt(2.0 / math.pi)
GELU_CUBIC = 0.044715


def erf(z: Array) -> Array:
    """Error function, element by element, which NumPy has not; an element with an `erf` method answers
    for itself."""
    return np.asarray(np.frompyfunc(_erf, 1, 1)(z)).astype(np.asarray(z).dtype)


def _erf(z: Any) -> Any:
    return z.erf() if hasattr(z, "erf") else math.erf(z)


def sigmoid(z: Array) -> Array:
    # exp(-z) overflows to inf below z = -709 in float64, and 1 / inf = 0 is the right answer.
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-z))


def _elu(z: Array, alpha: float) -> Array:
    # The branch not taken may overflow (or be 0 * inf when alpha = 0).
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(z > 0, z, alpha * np.expm1(z))


def _elu_derivative(z: Array, y: Array, alpha: float) -> Array:
    # Not y + alpha, which cancels where y comes close to -alpha.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(z > 0, 1.0, alpha * np.exp(z))


def _gelu_tanh_inner(z: Array) -> Array:
    with np.errstate(over="ignore"):
        return np.tanh(SQRT_TWO_OVER_PI * (z + GELU_CUBIC * z * z * z))


def _gelu_derivative(z: Array, y: Array, alpha: float) -> Array:
    with np.errstate(over="ignore"):
        density = np.exp(z * z * -0.5) * INVERSE_SQRT_TWO_PI
    return 0.5 * (1.0 + erf(z * SQRT_HALF)) + z * density


def _gelu_tanh_derivative(z: Array, y: Array, alpha: float) -> Array:
    t = _gelu_tanh_inner(z)
    # (1 - t^2) z is 0 long before z * z overflows, so multiplying by z twice more never meets 0 * inf.
    slope = (1.0 - t * t) * z
    linear, cubic = 0.5 * SQRT_TWO_OVER_PI, 1.5 * SQRT_TWO_OVER_PI * GELU_CUBIC
    return 0.5 * (1.0 + t) + (linear * slope + cubic * slope * z * z)


def _silu_derivative(z: Array, y: Array, alpha: float) -> Array:
    s = sigmoid(z)
    return s * (1.0 + z * (1.0 - s))


VALUES: Mapping[str, Callable[[Array, float], Array]] = {
    "identity": lambda z, alpha: z,
    "step": lambda z, alpha: np.where(z >= 0, 1.0, 0.0),
    "sigmoid": lambda z, alpha: sigmoid(z),
    "tanh": lambda z, alpha: np.tanh(z),
    "relu": lambda z, alpha: np.maximum(z, 0.0),
    "leaky_relu": lambda z, alpha: np.where(z > 0, z, alpha * z),
    "elu": _elu,
    "gelu": lambda z, alpha: z * 0.5 * (1.0 + erf(z * SQRT_HALF)),
    "gelu_tanh": lambda z, alpha: z * 0.5 * (1.0 + _gelu_tanh_inner(z)),
    "silu": lambda z, alpha: z * sigmoid(z),
    "softplus": lambda z, alpha: np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))),
}

# No entry for step: it has no gradient, and is trained by the perceptron rule.
DERIVATIVES: Mapping[str, Callable[[Array, Array, float], Array]] = {
    "identity": lambda z, y, alpha: np.ones_like(z),
    "sigmoid": lambda z, y, alpha: y * (1.0 - y),
    "tanh": lambda z, y, alpha: 1.0 - y * y,
    "relu": lambda z, y, alpha: np.where(z > 0, 1.0, 0.0),
    "leaky_relu": lambda z, y, alpha: np.where(z > 0, 1.0, alpha),
    "elu": _elu_derivative,
    "gelu": _gelu_derivative,
    "gelu_tanh": _gelu_tanh_derivative,
    "silu": _silu_derivative,
    "softplus": lambda z, y, alpha: sigmoid(z),
}


def value(name: str, z: Array, alpha: float | None = None) -> Array:
    """Output y of activation `name` at z, any shape. `alpha` None is 0.01 for leaky_relu, 1.0 for elu.

    ValueError: a name that is not in VALUES.
    """
    return _look_up(VALUES, name)(z, _alpha(name, alpha))


def derivative(name: str, z: Array, y: Array, alpha: float | None = None) -> Array:
    """dy/dz of activation `name` at z, where y = value(name, z, alpha).

    ValueError: a name that is not in DERIVATIVES (step is not).
    """
    return _look_up(DERIVATIVES, name)(z, y, _alpha(name, alpha))


def _alpha(name: str, alpha: float | None) -> float:
    return DEFAULT_ALPHA.get(name, 0.0) if alpha is None else alpha


def _look_up(table: Mapping[str, Function], name: str) -> Function:
    if name not in table:
        raise ValueError(f"unknown activation: expected one of {', '.join(table)}; got {name!r}")
    return table[name]
