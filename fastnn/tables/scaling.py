"""Standardisation: each input less its mean, over its standard deviation, of the rows that are trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.chunks import chunks


@dataclass(frozen=True, eq=False)
class Scaling:
    """means, scales (width,) float64. An input that is constant has scale 1, and becomes 0."""

    means: NDArray[np.float64]
    scales: NDArray[np.float64]

    @staticmethod
    def none(width: int) -> Scaling:
        """That which changes nothing."""
        return Scaling(np.zeros(width), np.ones(width))

    @staticmethod
    def of(x: NDArray[Any]) -> Scaling:
        """Of x (N, width): two passes in float64, without a copy of it."""
        means = sum(part.sum(axis=0) for part in _parts(x)) / len(x)
        squares = sum(np.square(part - means).sum(axis=0) for part in _parts(x))
        low, high = x.min(axis=0).astype(np.float64), x.max(axis=0)
        # Not where the deviation is 0: the rounded mean of a constant may differ from it.
        return Scaling(np.where(low == high, low, means), np.where(low == high, 1.0, np.sqrt(squares / len(x))))

    def apply(self, x: NDArray[Any]) -> None:
        """Standardise x (N, width) in place."""
        for rows in chunks(*x.shape):
            x[rows] = (x[rows] - self.means) / self.scales

    def undo(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """What x (N, width) was before, as float64."""
        return np.asarray(x * self.scales + self.means)


def _parts(x: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """x as float64, some rows at a time."""
    return (x[rows].astype(np.float64) for rows in chunks(*x.shape))
