"""A product of two halves, one of which went through an activation: z (..., 2 U), y (..., U)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from . import activation as act
from .example import Example, bare

Array = npt.NDArray[Any]


def gated(activation: str, z: Array) -> Array:
    """f(a) * b"""
    a, b = np.split(z, 2, axis=-1)
    y: Array = act.value(activation, a) * b
    return y


EXAMPLES = (
    Example(
        lambda of: of.GatedDense(5, "sigmoid"),
        lambda p, x: gated("sigmoid", x @ p["both.weight"] + p["both.bias"]),
        [
            lambda p, x: gated("sigmoid", x @ p["both.weight"] + bare({"bias": p["both.bias"]})["bias"]),
            lambda p, x: gated("sigmoid", np.roll(x @ p["both.weight"] + p["both.bias"], 5, axis=-1)),
        ],
    ),
)
