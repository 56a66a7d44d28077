"""The characters of a text that every Python has: what language models of the bench train on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from fastnn import data
from fastnn.data import Dataset


@lru_cache(maxsize=4)
def characters(length: int) -> tuple[int, Dataset]:
    """How many there are, and sequences of them with those that follow."""
    points = np.frombuffer(data.topics().encode("utf-32-le"), "<u4")
    found, ids = np.unique(points, return_inverse=True)
    count = (len(ids) - 1) // length
    x, y = (ids[at : at + count * length].reshape(count, length) for at in (0, 1))
    told = f"Python's own help, {count} sequences of {length} characters"
    return len(found), Dataset(x.astype(np.float32), y.astype(np.int64), "topics", told)
