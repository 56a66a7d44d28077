"""Positions as waves, of which one feature is the real and the next the imaginary part. x (B, T, C)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]


def sinusoids(x: Array, base: float, first: int = 0) -> Array:
    """(T, C), sines at the even features and cosines at the odd ones."""
    _, positions, width = x.shape
    feature = np.arange(width)
    angles = np.arange(first, first + positions)[:, None] / base ** ((feature - feature % 2) / width)
    found: Array = np.where(feature % 2, np.cos(angles), np.sin(angles))
    return found


EXAMPLES = (
    Example(
        lambda of: of.SinusoidalPositions(100.0),
        lambda p, x: x + sinusoids(x, 100.0),
        # Sines before cosines, the other way round, of another base, and counted from 1.
        [
            lambda p, x: x + np.sort(sinusoids(x, 100.0), axis=1),
            lambda p, x: x + np.roll(sinusoids(x, 100.0), 1, axis=1),
            lambda p, x: x + sinusoids(x, 10000.0),
            lambda p, x: x + sinusoids(x, 100.0, first=1),
        ],
        ((5, 6), (3, 5)),
    ),
)
