"""Which epoch was best, and when to wait no longer for a better one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_choice, as_count

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


class BestEpoch:
    """Keeps the parameters of the epoch that was best by `metric`, the first of equals.

    patience: so many epochs in a row without a better one are enough; None: never. epoch: of the best, from 0, and -1
    before there is one; score and parameters: of that epoch. A score of NaN is never better.
    """

    def __init__(self, metric: str = "val_loss", patience: int | None = None) -> None:
        self.metric = as_choice(metric, METRICS, "metric")
        self.patience = None if patience is None else as_count(patience, "patience")
        self.epoch = -1
        self.score = math.nan
        self.parameters: NDArray[Any] | None = None

    def see(self, epoch: int, score: float, parameters: NDArray[Any]) -> None:
        """Call after each epoch."""
        if self._is_better(score):
            self.epoch, self.score = epoch, score
            if self.parameters is None:
                self.parameters = np.array(parameters)
            self.parameters[:] = parameters

    def _is_better(self, score: float) -> bool:
        if math.isnan(self.score):
            return not math.isnan(score)
        return score > self.score if self.metric.endswith("accuracy") else score < self.score

    def is_over(self, epoch: int) -> bool:
        """Whether patience is at its end after this epoch."""
        return self.patience is not None and epoch - self.epoch >= self.patience
