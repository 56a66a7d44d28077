"""The loss over all steps in a fixed number of points, which follow from the steps alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

POINTS = 128


class Curve:
    """Mean losses of windows of equal length. Where all points are taken, two become one, and windows twice as long."""

    def __init__(self) -> None:
        self.means = np.full(POINTS, np.nan)
        self.count, self.window = 0, 1
        self._total, self._steps = 0.0, 0

    @property
    def room(self) -> int:
        """Steps until a point is whole: at most so many are added at once."""
        return self.window - self._steps

    @property
    def latest(self) -> float:
        """NaN before the first point."""
        return float(self.means[self.count - 1]) if self.count else float("nan")

    def add(self, mean: float, steps: int) -> None:
        """So many steps of that mean loss."""
        self._total += mean * steps
        self._steps += steps
        if self._steps < self.window:
            return
        self.means[self.count] = self._total / self.window
        self.count += 1
        self._total, self._steps = 0.0, 0
        if self.count == POINTS:
            self._halve()

    def _halve(self) -> None:
        pairs: NDArray[np.float64] = self.means.reshape(-1, 2).mean(axis=1)
        self.means[: len(pairs)] = pairs
        self.means[len(pairs) :] = np.nan
        self.count, self.window = len(pairs), 2 * self.window
