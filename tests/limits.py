"""How far a kernel may be from the reference: bounds from error analysis, element by element.

u is the unit roundoff of the kernel's dtype. A bound adds up the magnitudes of a formula's terms (every minus made a
plus) times u and the number of roundings that a term meets. What `slack` multiplies is said there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.compiler import jit as _jit
from fastnn.reference import activation

Array = npt.NDArray[Any]
Arrays = dict[str, Array]

# A unit in the last place of a value; gelu has in its place, where it cancels, 4 u |z| absolute.
ULPS = {
    "identity": 0, "step": 0, "relu": 0, "leaky_relu": 1, "elu": 4, "sigmoid": 4, "tanh": 4, "gelu": 8, "gelu_tanh": 8,
    "silu": 6, "softplus": 4,
}  # fmt: skip

# The mean loss of a batch, relative; float32 sums in float64.
MEAN_LOSS = {"float32": 1e-7, "float64": 1e-13}


def unit(dtype: str) -> float:
    """u: half the distance from 1 to the next number."""
    return float(np.finfo(dtype).eps) / 2


def least(dtype: str) -> float:
    """The smallest subnormal number, which is an ulp of every subnormal one."""
    return float(np.nextafter(np.zeros((), dtype), np.ones((), dtype)))


def slack(dtype: str) -> float:
    """2 in float64, whose reference rounds as often; twice that where a Python twin stands in for the fma."""
    return (2.0 if dtype == "float64" else 1.0) * (2.0 if _jit.DEBUG or _jit.DISABLED else 1.0)


def chain(terms: int, data: str) -> int:
    """c of a sum of that many terms: 16 where errors of random sign cancel, else what always holds."""
    return min(terms, 16) if data in ("normal", "signed", "whole") else terms


def spacing(values: Array, dtype: str) -> Array:
    """An ulp of each value, in float64."""
    finite = np.where(np.isfinite(values), values, 0.0)
    spaces: Array = np.spacing(np.abs(finite).astype(dtype)).astype(np.float64)
    return spaces


def activation_value(name: str, z: Array, y: Array, dtype: str) -> Array:
    """Error of y = f(z) as a kernel computes it."""
    limit = ULPS[name] * spacing(y, dtype)
    if name in ("gelu", "gelu_tanh"):
        limit = np.maximum(limit, 4 * unit(dtype) * np.abs(z))
    if name == "silu":  # below z = -87 (float32) the factor sigmoid(z) is subnormal: 4 of its ulp, |z| times
        limit = limit + 4 * least(dtype) * np.abs(z)
    return limit


def _gelu_tanh_terms(z: Array, dtype: str) -> Array:
    inner = activation.SQRT_TWO_OVER_PI * (z + activation.GELU_CUBIC * z**3)
    t = np.tanh(inner)
    growing = np.abs(z) * activation.SQRT_TWO_OVER_PI / 2 * (1 + 3 * activation.GELU_CUBIC * z * z)
    # Where t rounds to 1 the derivative is exactly 0 or 1.
    growing = np.where(np.abs(inner) < (10 if dtype == "float32" else 20), growing, 0.0)
    return 0.5 * (1 + np.abs(t)) + (1 + t * t) * growing


def activation_derivative(name: str, z: Array, y: Array, dtype: str) -> Array:
    """Error of dy f'(z) for dy = 1, where z and y are given."""
    s = activation.sigmoid(z)
    density = np.exp(-0.5 * z * z) * activation.INVERSE_SQRT_TWO_PI
    terms: dict[str, Callable[[], Array]] = {
        "leaky_relu": lambda: 2.0 * np.ones_like(z),
        "elu": lambda: 3.0 * (np.abs(y) + 1),
        "sigmoid": lambda: 4.0 * np.abs(y * (1 - y)),
        "tanh": lambda: 2.0 * (1 + y * y),
        "gelu": lambda: 8.0 * (0.5 + 0.5 * np.abs(activation.erf(z * activation.SQRT_HALF)) + np.abs(z) * density),
        "gelu_tanh": lambda: 8.0 * _gelu_tanh_terms(z, dtype),
        "silu": lambda: 8.0 * s * (1 + np.abs(z) * (1 + s)),
        "softplus": lambda: 10.0 * s,
    }
    exact = name in ("identity", "step", "relu")
    limit = np.zeros_like(z) if exact else unit(dtype) * terms[name]()
    underflow: Array = limit + (0.0 if exact else 8 * least(dtype) * (1 + np.abs(z)))
    return underflow


def error_ratio(actual: Array, expected: Array, limit: Array | float) -> float:
    """The largest error over its limit; infinite where NaN, infinities or shapes differ."""
    expected = np.asarray(expected, np.float64)
    limit = np.broadcast_to(np.asarray(limit, np.float64), expected.shape)
    actual = np.asarray(actual, np.float64)
    if actual.shape != expected.shape:
        return np.inf
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    if same.all():
        return 0.0
    finite = np.isfinite(actual[~same]) & np.isfinite(expected[~same])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratios = np.abs(actual[~same] - expected[~same]) / limit[~same]
    return float(np.max(np.where(finite & ~np.isnan(ratios), ratios, np.inf)))
