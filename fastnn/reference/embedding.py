"""Rows of a table by number, and positions. ids (B, T) whole numbers, weight (V, C), y (B, T, C)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]


def embedding(ids: Array, weight: Array) -> Array:
    """weight[ids]"""
    found: Array = weight[ids.astype(int)]
    return found


def embedding_backward(dy: Array, ids: Array, vocabulary: int) -> Array:
    """The gradient of the table."""
    dweight = np.zeros((vocabulary, dy.shape[-1]), dy.dtype)
    for place in np.ndindex(ids.shape):
        dweight[int(ids[place])] += dy[place]
    return dweight


EXAMPLES = (
    Example(
        lambda of: of.Embedding(9, 5),
        lambda p, x: embedding(x, p["weight"]),
        [lambda p, x: embedding(8 - x, p["weight"])],
        ((1,), (7,)),
        ids=9,
    ),
    Example(
        lambda of: of.PositionEmbedding(6),
        lambda p, x: x + p["weight"][: x.shape[1]],
        # From the last position on.
        [lambda p, x: x + p["weight"][6 - x.shape[1] :][::-1]],
        ((4, 6), (6, 3)),
    ),
)
