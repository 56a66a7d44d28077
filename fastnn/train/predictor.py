"""What trained models have in common, whatever their rows are: a network, and what its outputs mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.learning.losses import CrossEntropy
from fastnn.networks.network import Network
from fastnn.tables import Scaling, Target


class Predictor(ABC):
    """A network, what it predicts, and how numbers to predict were scaled. x of its methods is as it was read."""

    network: Network
    target: Target
    target_scaling: Scaling

    @abstractmethod
    def standardised(self, x: NDArray[Any]) -> NDArray[Any]:
        """A copy of x as the network takes it."""

    @abstractmethod
    def save(self, path: str | PathLike[str]) -> None:
        """A file that fastnn.load reads too, as the bare network; atomically."""

    def encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        """A target (N,) as the network's loss takes it: labels, -1 and 1, 0 and 1, or standardised numbers (N, 1)."""
        loss = self.network.loss_function
        if isinstance(loss, CrossEntropy):
            return y
        if self.target.classes is not None:
            signs = np.array([loss.negative, 1], self.network.dtype)
            return np.take(signs, y)[:, None]
        scaled = y[:, None].astype(np.float64)
        self.target_scaling.apply(scaled)
        return scaled.astype(self.network.dtype)

    def predict(self, x: NDArray[Any]) -> NDArray[Any]:
        """For x (N, ...), classes from 0 (N,) int64, or numbers (N,) float64."""
        return self.decoded(self.network.predict(self.standardised(x)))

    def decoded(self, prediction: NDArray[Any]) -> NDArray[Any]:
        """What the network's prediction means."""
        if isinstance(self.network.loss_function, CrossEntropy):
            return prediction
        if self.target.classes is not None:
            return np.where(prediction[:, 0] == 1, 1, 0)
        numbers: NDArray[np.float64] = self.target_scaling.undo(prediction)[:, 0]
        return numbers

    def predict_proba(self, x: NDArray[Any]) -> NDArray[Any]:
        """For x (N, ...), the probability of each class (N, classes). ValueError: the loss gives none."""
        found = self.network.predict_proba(self.standardised(x))
        return found if found.shape[1] > 1 else np.concatenate([1 - found, found], axis=1)

    def require_outputs(self) -> None:
        """ValueError: a network of other outputs than the target needs."""
        outputs = self.target.count if isinstance(self.network.loss_function, CrossEntropy) else 1
        if outputs != self.network.outputs or len(self.target_scaling.means) != 1:
            raise ValueError(f"the target needs {outputs} outputs; the network has {self.network.outputs}")


def as_lists(scaling: Scaling) -> list[list[float]]:
    """As JSON can keep it."""
    return [scaling.means.tolist(), scaling.scales.tolist()]


def scaling_from(lists: list[list[float]]) -> Scaling:
    return Scaling(*(np.array(values, np.float64) for values in lists))
