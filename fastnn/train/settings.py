"""What a training is told: every choice in one place, with its default, from Python, options or a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from fastnn.edge.checks import as_choice, as_count, as_dtype, as_number
from fastnn.kernels.activation import NAMES as ACTIVATIONS
from fastnn.layers.initializers import INITIALIZERS
from fastnn.learning.early_stopping import METRICS
from fastnn.learning.losses import LOSSES
from fastnn.learning.optimizers import OPTIMIZERS

SCHEDULES = ("constant", "step", "cosine", "inverse_scaling")
CLASS_WEIGHTS = ("none", "balanced")
# A step has no gradient, and the perceptron rule is for step units alone.
TRAINABLE = tuple(name for name in ACTIVATIONS if name != "step")
OBJECTIVES = tuple(name for name in LOSSES if name != "perceptron")
SEED_LIMIT = 2**32
INITIAL = ("auto", *INITIALIZERS)
# Networks by their names: of tables, and by what else rows may be.
MLP = "mlp"
MODELS = {
    "images": ("keras-convnet", "lenet5", "simplechains", "resnet10", "alexnet"),
    "sequences": ("gru", "lstm", "rnn"),
}


@dataclass(frozen=True)
class Settings:
    """layers: units of each hidden layer. initializer: of all weights; that of scikit-learn, with which the
    error of four real regressions was 8 to 22 % lower after 60 epochs than with "auto", He's for relu. dropout: share
    of what each of them says that a step leaves out.

    loss: None is cross_entropy for classes and mse for numbers. learning_rate, weight_decay, momentum: None is the
    optimizer's own. warmup, decay_every: in epochs. split: shares of the rows for training, validation and test.
    standardise: inputs, and numbers to predict, to mean 0 and deviation 1 of the training part; None: but for images,
    whose bytes are scaled to 0..1 alone. patience: epochs without a better `metric`; None trains them all. span: rows
    of a larger batch whose gradient is summed as one; see fastnn.Trainer.

    model: a network of images or sequences by its name, or mlp; None is mlp for tables, gru for sequences and
    keras-convnet for images (resnet10 below 10 pixels). layers: of rnn, lstm and gru their units. flip, shift: mirror
    half of the images of a step, and move each by up to so many pixels; see fastnn.samples.Augmentation.

    ValueError, TypeError: a value that cannot be.
    """

    layers: tuple[int, ...] = (64,)
    activation: str = "relu"
    initializer: str = "glorot_uniform"
    dropout: float = 0.0
    loss: str | None = None
    label_smoothing: float = 0.0
    class_weight: str = "none"
    optimizer: str = "adam"
    learning_rate: float | None = None
    momentum: float | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    schedule: str = "constant"
    warmup: float = 0.0
    decay_every: float | None = None
    decay: float | None = None
    power: float | None = None
    batch: int = 32
    span: int = 1024
    epochs: int = 20
    seed: int = 0
    dtype: str = "float32"
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    standardise: bool | None = None
    patience: int | None = None
    metric: str = "val_loss"
    model: str | None = None
    flip: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", as_layers(self.layers))
        object.__setattr__(self, "split", as_split(self.split))
        as_choice(self.activation, TRAINABLE, "activation")
        as_choice(self.initializer, INITIAL, "initializer")
        if self.loss is not None:
            as_choice(self.loss, OBJECTIVES, "loss")
        as_choice(self.class_weight, CLASS_WEIGHTS, "class_weight")
        as_choice(self.optimizer, tuple(OPTIMIZERS), "optimizer")
        as_choice(self.schedule, SCHEDULES, "schedule")
        as_choice(self.metric, METRICS, "metric")
        as_dtype(self.dtype)
        for name in ("standardise", "flip"):
            if not isinstance(getattr(self, name), (bool, type(getattr(Settings, name)))):
                raise TypeError(f"{name} is {getattr(self, name)!r}; expected true or false")
        if self.model is not None:
            as_choice(self.model, (*(name for names in MODELS.values() for name in names), MLP), "model")
        as_count(self.shift, "shift", least=0)
        self._check_numbers()
        self._check_companions()

    def _check_numbers(self) -> None:
        for name in ("batch", "span", "epochs", "patience"):
            if getattr(self, name) is not None:
                as_count(getattr(self, name), name)
        if as_count(self.seed, "seed", least=0) >= SEED_LIMIT:
            raise ValueError(f"seed is {self.seed}; expected less than {SEED_LIMIT}")
        as_number(self.label_smoothing, "label_smoothing", 0.0, 1.0)
        if as_number(self.dropout, "dropout", 0.0, 1.0) == 1:
            raise ValueError("dropout is 1, which leaves nothing; expected less")
        if self.decay_every is not None and as_number(self.decay_every, "decay_every", 0.0) == 0:
            raise ValueError("decay_every is 0; expected epochs, more than 0")
        as_number(self.warmup, "warmup", 0.0, self.epochs)
        # The optimizers and schedules check the others, and only those that are theirs.

    def _check_companions(self) -> None:
        """ValueError: a choice that another one makes void."""
        if self.momentum is not None and self.optimizer not in ("momentum", "nesterov"):
            raise ValueError(f"momentum is for the optimizers momentum and nesterov; {self.optimizer} has none")
        owners = {"warmup": "cosine", "decay_every": "step", "decay": "step", "power": "inverse_scaling"}
        for name, owner in owners.items():
            if getattr(self, name) != getattr(Settings, name) and self.schedule != owner:
                raise ValueError(f"{name} is for the schedule {owner}; {self.schedule} has none")
        asked = self.patience is not None or self.metric != Settings.metric
        if self.split[1] == 0 and asked and self.metric.startswith("val_"):
            raise ValueError(f"{self.metric} needs a part for validation; split is {self.split}")
        for name in ("activation", "dropout"):
            if not self.layers and getattr(self, name) != getattr(Settings, name):
                raise ValueError(f"{name} is of the hidden layers; layers is none")


def as_layers(layers: Any) -> tuple[int, ...]:
    """Hidden units: "64-32", 64, [64, 32], or "none"."""
    if isinstance(layers, str):
        if layers in ("", "none"):
            return ()
        if not re.fullmatch(r"\d+(-\d+)*", layers):
            raise ValueError(f"layers is {layers!r}; expected hidden units such as 64-32, or none")
        layers = [int(units) for units in layers.split("-")]
    if isinstance(layers, int):
        layers = [layers]
    if not isinstance(layers, (tuple, list)):
        raise TypeError(f"layers is {layers!r}; expected whole numbers, such as (64, 32)")
    return tuple(as_count(units, "a layer's units") for units in layers)


def as_split(split: Any) -> tuple[float, float, float]:
    """Shares that make 1: "0.7/0.15/0.15", (0.7, 0.15, 0.15); a third part that is not named has none."""
    if isinstance(split, str):
        try:
            split = [float(share) for share in split.split("/")]
        except ValueError:
            raise ValueError(f"split is {split!r}; expected shares such as 0.7/0.15/0.15") from None
    if not isinstance(split, (tuple, list)) or not 2 <= len(split) <= 3:
        raise ValueError(f"split is {split!r}; expected shares of training, validation and test, such as 0.7/0.15/0.15")
    train, validation, test = (as_number(share, "a share of split", 0.0, 1.0) for share in [*split, 0.0][:3])
    if abs(train + validation + test - 1) > 1e-6 or train == 0:
        raise ValueError(f"split is {split}; expected shares that make 1, the first of them above 0")
    return train, validation, test


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Settings from names and values; None leaves the default. ValueError: a name that is none of them."""
    known = [each.name for each in fields(Settings)]
    if unknown := [name for name in values if name not in known]:
        raise ValueError(f"{unknown[0]} is no setting; expected some of {', '.join(known)}")
    return Settings(**{name: value for name, value in values.items() if value is not None})


def describe(settings: Settings) -> dict[str, Any]:
    """As JSON can keep it."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}
