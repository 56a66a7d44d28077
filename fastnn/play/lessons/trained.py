"""Settings that pages with a training have in common."""

from __future__ import annotations

from fastnn.kernels.activation import NAMES
from fastnn.learning.optimizers import SGD, Adam, AdamW, Momentum, Optimizer
from fastnn.play.session.fields import Choice, Number, Settings, Whole

OPTIMIZERS: dict[str, type[SGD | Momentum | Adam | AdamW]] = {
    "sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW
}  # fmt: skip
# Those that a gradient passes, and of them those that bend.
GRADED = tuple(name for name in NAMES if name != "step")
ACTIVATIONS = tuple(name for name in GRADED if name != "identity")
SEED = Whole(label="Seed of the first weights and of the order of rows", default=0, low=0, high=2**31 - 1)
RATE = Number(label="Learning rate", default=0.1, low=1e-5, high=10.0, step=0.05, scale="log")


def optimizer_choice(default: str) -> Choice:
    return Choice(label="Optimizer", default=default, options=tuple(OPTIMIZERS))


def optimizer_of(settings: Settings) -> Optimizer:
    return OPTIMIZERS[settings["optimizer"]](settings["rate"])
