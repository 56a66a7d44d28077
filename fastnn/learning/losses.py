"""Losses as settings: what the last rows of a tape hold. Formulas and semantics: fastnn.kernels.loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.cost import LOSSES as LOSS_COSTS
from fastnn.cost import Cost
from fastnn.edge.checks import as_choice, as_int64, as_number
from fastnn.kernels import loss as kernels
from fastnn.tape import columns

REDUCTIONS = ("mean", "sum")
# Of a loss of one's own: a row of a tape.
MOST_SETTINGS = columns.COLUMNS


@dataclass(frozen=True)
class Loss:
    """reduction: "mean" over rows (cross-entropy) or elements (all others), or "sum"."""

    reduction: str = "mean"
    name: ClassVar[str]
    kind: ClassVar[int]
    # A prediction is 1 above the border and `negative` below; None where it is no class.
    border: ClassVar[float | None] = 0.5
    negative: ClassVar[int] = 0

    def __post_init__(self) -> None:
        as_choice(self.reduction, REDUCTIONS, "reduction")

    @property
    def has_classes(self) -> bool:
        """Whether a prediction is right or wrong."""
        return self.border is not None

    @property
    def leaves_out_missing(self) -> bool:
        """Whether targets that are NaN cost nothing."""
        return False

    @property
    def header(self) -> dict[int, int]:
        """Its columns in the header of a tape."""
        mean = self.reduction == "mean"
        return {columns.LOSS: self.kind, columns.LOSS_MEAN: mean, columns.IGNORE_INDEX: self.leaves_out_missing}

    @property
    def constants(self) -> Sequence[float] | None:
        """Numbers that its kernel reads from a tape; None where it reads none."""
        return None

    def cost(self, rows: int, outputs: int, itemsize: int) -> Cost:
        """Of so many rows of the loss, with their gradient."""
        return LOSS_COSTS[self.name](rows, outputs, itemsize)

    def require(self, activations: Sequence[str], outputs: int) -> None:
        """ValueError where the loss cannot follow layers with these activations, the last of so many outputs."""

    def require_target(self, target: NDArray[Any], name: str = "y") -> None:
        """ValueError where targets lie outside what the loss is defined on."""
        if target.size and not (target.min() >= 0 and target.max() <= 1):
            raise ValueError(f"{name} spans {target.min():g}..{target.max():g}; {self.name} expects 0..1")


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Softmax cross-entropy on logits, with the semantics of torch.nn.functional.cross_entropy.

    class_weight: a number >= 0 a class. Rows whose label is ignore_index cost nothing.
    """

    label_smoothing: float = 0.0
    class_weight: Sequence[float] | None = None
    ignore_index: int = -100
    name: ClassVar[str] = "cross_entropy"
    kind: ClassVar[int] = kernels.CROSS_ENTROPY

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "label_smoothing", as_number(self.label_smoothing, "label_smoothing", 0.0, 1.0))
        object.__setattr__(self, "ignore_index", as_int64(self.ignore_index, "ignore_index"))
        if self.class_weight is not None:
            weights = tuple(as_number(weight, "class_weight", 0.0) for weight in self.class_weight)
            object.__setattr__(self, "class_weight", weights)

    @property
    def header(self) -> dict[int, int]:
        smoothing = columns.bits(self.label_smoothing)
        return super().header | {columns.IGNORE_INDEX: self.ignore_index, columns.LABEL_SMOOTHING: smoothing}

    @property
    def constants(self) -> Sequence[float] | None:
        return self.class_weight or None

    def require(self, activations: Sequence[str], outputs: int) -> None:
        if outputs < 2:
            raise ValueError(
                f"cross_entropy over {outputs} output is always 0; use 2 outputs, or binary_cross_entropy_with_logits"
            )
        if self.class_weight is not None and len(self.class_weight) != outputs:
            raise ValueError(f"class_weight has {len(self.class_weight)} entries; expected {outputs}, one an output")


@dataclass(frozen=True)
class LossOfNumbers(Loss):
    """ignore_missing: targets that are NaN cost nothing, and count in no mean and no accuracy; else they are refused,
    or make the loss NaN. A mask for what is padded, as ignore_index is for labels."""

    ignore_missing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.ignore_missing, bool):
            raise TypeError(f"ignore_missing is {self.ignore_missing!r}; expected True or False")

    @property
    def leaves_out_missing(self) -> bool:
        return self.ignore_missing


@dataclass(frozen=True)
class BinaryCrossEntropy(LossOfNumbers):
    """On probabilities; targets in [0, 1]. The logarithm is clamped at -100, as in torch."""

    name: ClassVar[str] = "binary_cross_entropy"
    kind: ClassVar[int] = kernels.BINARY_CROSS_ENTROPY

    def require(self, activations: Sequence[str], outputs: int) -> None:
        if activations[-1] != "sigmoid":
            raise ValueError(
                f"binary_cross_entropy is of probabilities and the last activation is {activations[-1]}; make it "
                "sigmoid, or use binary_cross_entropy_with_logits"
            )


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(LossOfNumbers):
    """On logits; targets in [0, 1]."""

    name: ClassVar[str] = "binary_cross_entropy_with_logits"
    kind: ClassVar[int] = kernels.BINARY_CROSS_ENTROPY_WITH_LOGITS
    border: ClassVar[float | None] = 0.0


@dataclass(frozen=True)
class MSE(LossOfNumbers):
    """Mean squared error."""

    name: ClassVar[str] = "mse"
    kind: ClassVar[int] = kernels.MSE
    border: ClassVar[float | None] = None

    def require_target(self, target: NDArray[Any], name: str = "y") -> None:
        """Any number is one."""


@dataclass(frozen=True)
class Hinge(LossOfNumbers):
    """max(0, 1 - t s); targets -1 and 1."""

    name: ClassVar[str] = "hinge"
    kind: ClassVar[int] = kernels.HINGE
    border: ClassVar[float | None] = 0.0
    negative: ClassVar[int] = -1

    def require_target(self, target: NDArray[Any], name: str = "y") -> None:
        if not (np.abs(target) == 1).all():
            raise ValueError(
                f"{name} spans {target.min():g}..{target.max():g}; hinge expects -1 and 1, nothing between"
            )


@dataclass(frozen=True)
class Perceptron(Loss):
    """Mistakes of one layer of step units; its "gradient" is Rosenblatt's correction, so that sgd is his rule."""

    reduction: str = "sum"
    name: ClassVar[str] = "perceptron"
    kind: ClassVar[int] = kernels.PERCEPTRON

    def require(self, activations: Sequence[str], outputs: int) -> None:
        if list(activations) != ["step"]:
            raise ValueError("the perceptron rule trains one Dense layer with activation 'step'")

    def require_target(self, target: NDArray[Any], name: str = "y") -> None:
        if not np.isin(target, (0, 1)).all():
            raise ValueError(f"{name} spans {target.min():g}..{target.max():g}; perceptron expects 0 and 1")


@dataclass(frozen=True)
class LossOfRows(Loss):
    """Base of losses of one's own, of rows of numbers; the mean is over rows. docs/adding-a-loss.md.

    A dataclass with a `name`, a `kind`, which fastnn.extending.register_loss_kernel gave, a `cost`, and numbers as
    fields, which the kernel finds in `settings` in their order.
    """

    border: ClassVar[float | None] = None

    @property
    def constants(self) -> Sequence[float] | None:
        numbers = [float(getattr(self, field.name)) for field in fields(self) if field.name != "reduction"]
        return numbers or [0.0]  # a row of zeros, and not what lies behind

    def cost(self, rows: int, outputs: int, itemsize: int) -> Cost:
        raise NotImplementedError(f"{type(self).__name__} does not say what it costs; expected a method cost")

    def require_target(self, target: NDArray[Any], name: str = "y") -> None:
        """Any number is one."""


LOSSES: dict[str, type[Loss]] = {
    kind.name: kind for kind in (CrossEntropy, BinaryCrossEntropy, BinaryCrossEntropyWithLogits, MSE, Hinge, Perceptron)
}


def register_loss(kind: type[LossOfRows]) -> None:
    """Makes a loss known by its name, to networks and in files. Whoever reads such a file registers it first.

    TypeError for what is no dataclass of LossOfRows; ValueError for a name that is another's, or settings that are more
    than a kernel is told.
    """
    if not (isinstance(kind, type) and issubclass(kind, LossOfRows) and "__dataclass_params__" in vars(kind)):
        raise TypeError(f"{kind!r} is no loss; expected a dataclass that is a LossOfRows")
    if len(fields(kind)) - 1 > MOST_SETTINGS:
        raise ValueError(f"{kind.__name__} has {len(fields(kind)) - 1} settings; expected at most {MOST_SETTINGS}")
    if LOSSES.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"{kind.name!r} is {LOSSES[kind.name].__name__}; expected another name")


def describe_loss(loss: Loss) -> dict[str, Any]:
    """A loss as JSON can keep it."""
    return {"kind": loss.name, **asdict(loss)}


def loss_of(description: dict[str, Any]) -> Loss:
    """The loss that describe_loss described."""
    settings = dict(description)
    return LOSSES[settings.pop("kind")](**settings)


def as_loss(loss: str | Loss) -> Loss:
    """A Loss, or the one of that name with its defaults."""
    if type(loss) in (Loss, LossOfNumbers, LossOfRows):
        raise TypeError(f"loss is the base class of losses; expected one of {', '.join(LOSSES)}")
    return loss if isinstance(loss, Loss) else LOSSES[as_choice(loss, tuple(LOSSES), "loss")]()
