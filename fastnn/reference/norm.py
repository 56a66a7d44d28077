"""Layer norm ("centred") and RMS norm over the features of each row.

B batch, I features: x, y, normal (B, I), inverse (B, 1), w (I,), b (I,) or None. epsilon stands inside the root; the
variance is the mean of squares, over I and not I - 1.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _mean(x: Array) -> Array:
    mean: Array = np.sum(x, axis=1, keepdims=True) / x.shape[1]
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
