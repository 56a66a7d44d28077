"""What becomes of values that are missing, and of names that a column had not in training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.chunks import chunks

MEAN, MEDIAN, DROP = RULES = ("mean", "median", "drop")


@dataclass(frozen=True, eq=False)
class Filling:
    """What stands for a missing value of each input: values (width,) float64."""

    values: NDArray[np.float64]

    @staticmethod
    def of(x: NDArray[Any], rule: str) -> Filling:
        """Of x (N, width), in which NaN is a missing value: the mean or median of those that are there; NaN where none
        is."""
        found = np.full(x.shape[1], np.nan)
        for at in range(x.shape[1]):
            there = x[:, at][~np.isnan(x[:, at])].astype(np.float64)
            if there.size:
                found[at] = np.median(there) if rule == MEDIAN else there.mean()
        return Filling(found)

    def apply(self, x: NDArray[Any]) -> None:
        """Fill x (N, width) in place."""
        for rows in chunks(*x.shape):
            part = x[rows]
            np.copyto(part, self.values.astype(x.dtype), where=np.isnan(part))
