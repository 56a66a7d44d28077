"""Dropout: an element whose draw, a number in [0, 1), is below `rate` becomes 0; the others grow by 1 / (1 - rate).

x, draws (B, I). The backward pass is the same on dy.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]

WORD = 2**64


def splitmix(state: int, index: int) -> int:
    """Output `index`, from 0, of splitmix64 (Steele, Lea & Flood 2014), in Python's integers."""
    z = (state + (index + 1) * 0x9E3779B97F4A7C15) % WORD
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
    return z ^ (z >> 31)


def draws(seed: int, step: int, operation: int, shape: tuple[int, ...]) -> Array:
    """Those of an operation in step 0, 1, 2, ... of a seed: the outputs from what output `operation` of the step is."""
    stream = splitmix(seed * 2**32 + step + 1, operation)
    numbers = [(splitmix(stream, e) >> 11) / 2**53 for e in range(int(np.prod(shape)))]
    return np.array(numbers).reshape(shape)


def dropout(x: Array, draws: Array, rate: float) -> Array:
    """y (B, I)."""
    factor: Array = np.where(draws >= rate, 1 / (1 - rate), 0.0)
    return x * factor


EXAMPLES = (Example(lambda of: of.Dropout(0.3), lambda p, x: x),)
