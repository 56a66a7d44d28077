"""How well outputs fit what they should be: the loss and the right answers of one forward pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import tape
from fastnn.kernels.activation import SIGMOID, activation_forward
from fastnn.kernels.softmax import softmax
from fastnn.learning.losses import BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CrossEntropy, Loss
from fastnn.learning.targets import AnyTarget


class Evaluation(NamedTuple):
    """loss: of all rows as one batch. hits: rows that are right in every output, None for mse, which has no classes.

    rows: those that count, which are all but those of an ignored label. sample_weight is of the loss alone.
    """

    loss: float
    hits: int | None
    rows: int

    @property
    def accuracy(self) -> float:
        """Share of the rows that count; NaN where none does, and for mse."""
        return math.nan if self.hits is None or self.rows == 0 else self.hits / self.rows


# Outputs (N, O) and targets that are checked, of some rows after the others.
Parts = Iterable[tuple[NDArray[Any], AnyTarget]]


def evaluation_of(loss: Loss, settings: NDArray[np.int64], parts: Parts) -> Evaluation:
    """Of all parts together. settings: a tape of the network."""
    losses, hits, rows = [], 0, 0
    for prediction, y in parts:
        losses.append((loss_of(settings, prediction, y), tape.loss_divisor(settings, y)))
        right, counted = hits_of(settings, prediction, y) if loss.has_classes else (0, len(prediction))
        hits, rows = hits + right, rows + counted
    return Evaluation(_joined(losses, loss), hits if loss.has_classes else None, rows)


def _joined(losses: Sequence[tuple[float, float]], loss: Loss) -> float:
    """Of the losses of parts, and what each was divided by, that of all."""
    if len(losses) == 1:
        return losses[0][0]
    total, weight = math.fsum(each * by for each, by in losses if by), math.fsum(by for _, by in losses)
    if loss.reduction != "mean":
        return total
    return total / weight if weight else math.nan


def loss_of(settings: NDArray[np.int64], prediction: NDArray[Any], y: AnyTarget) -> float:
    """The loss of outputs as one batch."""
    # The kernel leaves the gradient beside it, and sums the losses of all rows in float64 one after the other: block
    # by block the gradient would take less room, and the sum have other bits.
    losses, gradient = np.empty(len(prediction), prediction.dtype), np.empty_like(prediction)
    return float(tape.loss(settings, losses, gradient, prediction, y))


def hits_of(settings: NDArray[np.int64], prediction: NDArray[Any], y: AnyTarget) -> tuple[int, int]:
    """Rows that are right in every output, and rows that count; see evaluation_of."""
    hits, rows = tape.count_hits(settings, prediction, y)
    return int(hits), int(rows)


def probabilities_of(loss: Loss, output: NDArray[Any], temperature: float) -> NDArray[Any]:
    """Of outputs of any shape, in their place; see Network.predict_proba. ValueError for losses without any."""
    if isinstance(loss, CrossEntropy):
        rows = output.reshape(-1, output.shape[-1])
        softmax(rows, rows, temperature)
        return output
    if temperature != 1.0:
        raise ValueError("temperature is for networks with a cross-entropy loss")
    if isinstance(loss, BinaryCrossEntropyWithLogits):
        activation_forward(output.reshape(-1), output.reshape(-1), SIGMOID, 0.0)
        return output
    if isinstance(loss, BinaryCrossEntropy):
        return output
    raise ValueError(f"a network trained on {loss.name} gives no probabilities; call predict")


def predictions_of(loss: Loss, output: NDArray[Any]) -> NDArray[Any]:
    """Of outputs of any shape; see Network.predict."""
    if isinstance(loss, CrossEntropy):
        labels: NDArray[Any] = np.argmax(output, axis=-1)
        return labels
    return output if loss.border is None else np.where(output > loss.border, 1, loss.negative)
