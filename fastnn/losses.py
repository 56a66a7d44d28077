"""Losses as settings: what the last rows of a tape hold. Formulas and semantics: fastnn.kernels.loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from fastnn.checks import as_choice, as_int64, as_number

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Loss:
    """reduction: "mean" over rows (cross-entropy) or elements (all others), or "sum"."""

    reduction: str = "mean"
    name: ClassVar[str]

    def __post_init__(self) -> None:
        as_choice(self.reduction, REDUCTIONS, "reduction")


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax cross-entropy on logits, with the semantics of torch.nn.functional.cross_entropy.

    class_weight: a number >= 0 a class. Rows whose label is ignore_index cost nothing.
    """

    label_smoothing: float = 0.0
    class_weight: Sequence[float] | None = None
    ignore_index: int = -100
    name: ClassVar[str] = "cross_entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "label_smoothing", as_number(self.label_smoothing, "label_smoothing", 0.0, 1.0))
        object.__setattr__(self, "ignore_index", as_int64(self.ignore_index, "ignore_index"))
        if self.class_weight is not None:
            weights = tuple(as_number(weight, "class_weight", 0.0) for weight in self.class_weight)
            object.__setattr__(self, "class_weight", weights)


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """On probabilities; targets in [0, 1]. The logarithm is clamped at -100, as in torch."""

    name: ClassVar[str] = "binary_cross_entropy"


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(Loss):
    """On logits; targets in [0, 1]."""

    name: ClassVar[str] = "binary_cross_entropy_with_logits"


@dataclass(frozen=True)
class MSE(Loss):
    """Mean squared error."""

    name: ClassVar[str] = "mse"


@dataclass(frozen=True)
class Hinge(Loss):
    """max(0, 1 - t s); targets -1 and 1."""

    name: ClassVar[str] = "hinge"


@dataclass(frozen=True)
class Perceptron(Loss):
    """Mistakes of one layer of step units; its "gradient" is Rosenblatt's correction, so that sgd is his rule."""

    reduction: str = "sum"
    name: ClassVar[str] = "perceptron"


LOSSES: dict[str, type[Loss]] = {
    kind.name: kind for kind in (CrossEntropy, BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MSE, Hinge, Perceptron)
}


def as_loss(loss: str | Loss) -> Loss:
    """A Loss, or the one of that name with its defaults."""
    return loss if isinstance(loss, Loss) else LOSSES[as_choice(loss, tuple(LOSSES), "loss")]()
