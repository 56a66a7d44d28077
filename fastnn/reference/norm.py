"""Layer norm ("centred") and RMS norm over the features of each row.

B batch, I features: x, y, normal (B, I), inverse (B, 1), w (I,), b (I,) or None; forward takes (B, T, I) as well.
epsilon stands inside the root; the variance is the mean of squares, over I and not I - 1.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]


def _mean(x: Array) -> Array:
    mean: Array = np.sum(x, axis=-1, keepdims=True) / x.shape[-1]
    return mean


def forward(x: Array, w: Array, b: Array | None, epsilon: float, centred: bool) -> tuple[Array, Array, Array]:
    """y, normal and inverse = 1 / sqrt(mean square + epsilon), which normal was multiplied by."""
    x = x - _mean(x) if centred else x
    inverse = 1 / np.sqrt(_mean(x * x) + epsilon)
    normal = x * inverse
    y = normal * w
    return y if b is None else y + b, normal, inverse


def backward(
    dy: Array, normal: Array, inverse: Array, w: Array, centred: bool, input_gradient: bool = True
) -> tuple[Array | None, Array, Array]:
    """Gradients dx (B, I), dw (I,), db (I,); dx is None where `input_gradient` is false."""
    dx = None
    if input_gradient:
        g = dy * w
        slope = normal * _mean(g * normal)
        dx = (g - _mean(g) - slope if centred else g - slope) * inverse
    return dx, np.sum(dy * normal, axis=0), np.sum(dy, axis=0)


def _layer_norm(p: Mapping[str, Array], x: Array) -> Array:
    return forward(x, p["weight"], p["bias"], 1e-5, centred=True)[0]


def _layer_norm_of_less(p: Mapping[str, Array], x: Array) -> Array:
    """With a variance that is divided by I - 1."""
    y: Array = (x - _mean(x)) / np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + 1e-5) * p["weight"] + p["bias"]
    return y


def _rms_norm(p: Mapping[str, Array], x: Array) -> Array:
    return forward(x, p["weight"], None, 1e-6, centred=False)[0]


def _rms_norm_beside(p: Mapping[str, Array], x: Array) -> Array:
    """With epsilon outside the root."""
    y: Array = x / (np.sqrt(_mean(x * x)) + 1e-6) * p["weight"]
    return y


EXAMPLES = (
    Example(lambda of: of.LayerNorm(), _layer_norm, [_layer_norm_of_less]),
    Example(lambda of: of.RMSNorm(), _rms_norm, [_rms_norm_beside]),
)
