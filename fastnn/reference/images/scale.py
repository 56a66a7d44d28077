"""Rows scaled by trained numbers, biases of units, and a tanh that is scaled: x, y (B, ...)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..example import Example

Array = npt.NDArray[Any]
IMAGES = ((2, 3, 4), (7,), (4, 6))


def _scale(p: Mapping[str, Array], x: Array) -> Array:
    y: Array = x * p["weight"] + p["bias"]
    return y


def _scale_of_the_bias(p: Mapping[str, Array], x: Array) -> Array:
    """With the bias under the weight."""
    y: Array = (x + p["bias"]) * p["weight"]
    return y


def scaled_tanh(x: Array, scale: float = 1.7159, slope: float = 2 / 3) -> Array:
    y: Array = scale * np.tanh(slope * x)
    return y


EXAMPLES = (
    Example(lambda of: of.Scale(), _scale, [_scale_of_the_bias], IMAGES),
    Example(
        lambda of: of.UnitBias(),
        lambda p, x: x + p["bias"],
        # One for each channel.
        [lambda p, x: x + p["bias"].mean(axis=tuple(range(p["bias"].ndim - 1)) or 0)],
        IMAGES,
    ),
    Example(
        lambda of: of.ScaledTanh(),
        lambda p, x: scaled_tanh(x),
        [lambda p, x: scaled_tanh(x, 1.0), lambda p, x: scaled_tanh(x, slope=1.0)],
        IMAGES,
    ),
    Example(lambda of: of.ScaledTanh(0.5, 2.0), lambda p, x: scaled_tanh(x, 0.5, 2.0), [lambda p, x: scaled_tanh(x)]),
)
