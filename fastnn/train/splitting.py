"""Rows for training, validation and test: drawn from a seed, class by class, and moved together in place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import require_memory
from fastnn.tables.chunks import chunks

PARTS = ("train", "validation", "test")
Rows = NDArray[np.int64]


def split(y: NDArray[Any], classes: int, shares: tuple[float, float, float], seed: int) -> tuple[Rows, Rows, Rows]:
    """Rows of each part, ascending. y (N,) labels, where classes > 1: each part gets its share of each class.

    Of every class the first part gets a row at least. ValueError: too few rows for a part.
    """
    rng = np.random.default_rng([seed, 0, 1])  # not [seed, 0], which numpy takes for seed
    groups = [np.flatnonzero(y == label) for label in range(classes)] if classes > 1 else [np.arange(len(y))]
    parts: list[list[Rows]] = [[], [], []]
    for rows in groups:
        for part, drawn in zip(parts, np.split(rng.permutation(rows), _cuts(len(rows), shares)), strict=True):
            part.append(drawn)
    found = [np.sort(np.concatenate(part)) for part in parts]
    for name, share, rows in zip(PARTS, shares, found, strict=True):
        if share and not len(rows):
            raise ValueError(
                f"{len(y)} rows are too few for a {name} part of {share:g}; give it a larger share, or none (split)"
            )
    return found[0], found[1], found[2]


def _cuts(count: int, shares: tuple[float, float, float]) -> list[int]:
    first = max(round(count * shares[0]), 1)
    # A share of 0 gets no row, whatever is rounded.
    return [first, count if not shares[2] else max(round(count * (shares[0] + shares[1])), first)]


def gather(array: NDArray[Any], parts: tuple[Rows, Rows, Rows]) -> list[NDArray[Any]]:
    """Moves the rows of each part together, in place, and gives a view of each."""
    train, held = parts[0], np.concatenate(parts[1:])
    width = array.size // len(array)
    require_memory(held.size * width, array.dtype, "what is held out, while it is moved,")
    kept = array[held]
    # A row moves to where an earlier one was: what is still to be moved lies behind.
    for rows in chunks(len(train), width):
        array[rows] = array[train[rows]]
    array[len(train) : len(train) + len(held)] = kept
    return np.split(array, np.cumsum([len(rows) for rows in parts])[:2])
