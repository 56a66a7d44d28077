"""Optimizers and learning-rate schedules as settings. Formulas: fastnn.kernels.optimizer."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_choice, as_count, as_number
from fastnn.kernels.optimizer import NAMES, SCHEDULES, STATE
from fastnn.learning import training

DECAYS = ("all", "matrices")


@dataclass(frozen=True)
class Schedule:
    """Constant: the learning rate of the optimizer at every step."""

    name: ClassVar[str] = "constant"

    def slots(self) -> tuple[float, float, float]:
        """span, shape, floor of fastnn.kernels.optimizer.learning_rate_at."""
        return 0.0, 0.0, 0.0


@dataclass(frozen=True)
class StepDecay(Schedule):
    """rate * factor**(step // every)"""

    every: int
    factor: float = 0.1
    name: ClassVar[str] = "step"

    def __post_init__(self) -> None:
        as_count(self.every, "every")
        as_number(self.factor, "factor", 0.0)

    def slots(self) -> tuple[float, float, float]:
        return float(self.every), self.factor, 0.0


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """rate / (step + 1)**power"""

    power: float = 0.5
    name: ClassVar[str] = "inverse_scaling"

    def __post_init__(self) -> None:
        as_number(self.power, "power", 0.0)

    def slots(self) -> tuple[float, float, float]:
        return 0.0, self.power, 0.0


@dataclass(frozen=True)
class _Downwards(Schedule):
    """Linear warm-up over `warmup` steps, then down to `floor` at step `total`."""

    total: int
    warmup: int = 0
    floor: float = 0.0

    def __post_init__(self) -> None:
        as_count(self.total, "total")
        as_count(self.warmup, "warmup", least=0)
        as_number(self.floor, "floor", 0.0)
        if self.warmup > self.total:
            raise ValueError(f"warmup is {self.warmup}; expected at most total = {self.total}")

    def slots(self) -> tuple[float, float, float]:
        return float(self.total), float(self.warmup), self.floor


@dataclass(frozen=True)
class Cosine(_Downwards):
    """Linear warm-up over `warmup` steps, then half a cosine from the rate down to `floor` at step `total`."""

    name: ClassVar[str] = "cosine"


@dataclass(frozen=True)
class Linear(_Downwards):
    """Linear warm-up over `warmup` steps, then a line from the rate down to `floor` at step `total`."""

    name: ClassVar[str] = "linear"


@dataclass(frozen=True)
class Optimizer:
    """learning_rate: of step 0. weight_decay: times the parameters, joined to the gradient (for AdamW: apart from it).

    l2: half of it times the sum of the squared weights, over the rows of the batch, is added to what training makes
    small; biases are spared, as in scikit-learn. clip_norm: the gradient is scaled to at most this Euclidean norm.
    schedule: how the rate changes by step.

    decay: what weight_decay is of, "all" parameters or "matrices" alone, which spares biases and norms, as language
    models do. rates: what the rate of some parameters is multiplied by, by their names or patterns of them, such as
    {"0.*": 0.1}; the last that fits counts, and 0 freezes.
    """

    learning_rate: float = 0.01
    weight_decay: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)
    clip_norm: float | None = field(default=None, kw_only=True)
    schedule: Schedule = field(default_factory=Schedule, kw_only=True)
    decay: str = field(default="all", kw_only=True)
    rates: Mapping[str, float] = field(default_factory=dict, kw_only=True, hash=False)
    name: ClassVar[str]

    def __post_init__(self) -> None:
        as_choice(self.decay, DECAYS, "decay")
        if not isinstance(self.rates, Mapping):
            raise TypeError(f"rates is {self.rates!r}; expected a mapping of parameters' names to numbers")
        for pattern, rate in self.rates.items():
            if not isinstance(pattern, str):
                raise TypeError(f"rates has {pattern!r}; expected the name of a parameter, or a pattern of names")
            as_number(rate, f"rates[{pattern!r}]", 0.0)
        object.__setattr__(self, "rates", dict(self.rates))  # of its own: the caller's may change
        as_number(self.learning_rate, "learning_rate", 0.0)
        as_number(self.weight_decay, "weight_decay", 0.0)
        as_number(self.l2, "l2", 0.0)
        if self.clip_norm is not None and as_number(self.clip_norm, "clip_norm", 0.0) == 0:
            raise ValueError("clip_norm is 0; expected a positive number, or None to leave gradients as they are")
        if not isinstance(self.schedule, Schedule):
            raise TypeError(f"schedule is {self.schedule!r}; expected a Schedule, such as Cosine(total=1000)")

    def state_size(self, parameters: int) -> int:
        """Elements of state for a parameter vector of that size."""
        return STATE[self.name] * parameters

    def rates_of(self, names: Iterable[str]) -> dict[str, float]:
        """What the rate of each parameter is multiplied by. ValueError: a pattern that fits none."""
        names = list(names)
        found = dict.fromkeys(names, 1.0)
        for pattern, rate in self.rates.items():
            fitting = fnmatch.filter(names, pattern)
            if not fitting:
                raise ValueError(f"rates has {pattern!r}, which is none of the parameters {', '.join(names)}")
            found |= dict.fromkeys(fitting, float(rate))
        return found

    def factors(self) -> tuple[float, float, float]:
        """FACTOR, BETA2, EPSILON of control."""
        return 0.0, 0.0, 0.0

    def control(self) -> NDArray[np.float64]:
        """The control vector of fastnn.training for a first step."""
        control = np.zeros(training.CONTROL_SIZE)
        control[training.OPTIMIZER] = NAMES.index(self.name)
        control[training.LEARNING_RATE] = self.learning_rate
        control[[training.FACTOR, training.BETA2, training.EPSILON]] = self.factors()
        control[training.WEIGHT_DECAY] = self.weight_decay
        control[training.DECAY_MATRICES] = self.decay == "matrices"
        control[training.L2] = self.l2
        control[training.CLIP_NORM] = self.clip_norm or 0.0
        control[training.SCHEDULE] = SCHEDULES.index(self.schedule.name)
        control[[training.SPAN, training.SHAPE, training.FLOOR]] = self.schedule.slots()
        return control


@dataclass(frozen=True)
class SGD(Optimizer):
    """p -= rate * g"""

    name: ClassVar[str] = "sgd"


@dataclass(frozen=True)
class Momentum(Optimizer):
    """v = momentum * v + g; p -= rate * v"""

    momentum: float = 0.9
    name: ClassVar[str] = "momentum"

    def __post_init__(self) -> None:
        super().__post_init__()
        as_number(self.momentum, "momentum", 0.0, 1.0)

    def factors(self) -> tuple[float, float, float]:
        return self.momentum, 0.0, 0.0


@dataclass(frozen=True)
class Nesterov(Momentum):
    """v = momentum * v + g; p -= rate * (g + momentum * v)"""

    name: ClassVar[str] = "nesterov"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam with torch's bias corrections; epsilon stands outside the root.

    epsilon_hat: epsilon is added to the root before its bias correction, as in Keras and scikit-learn (the second form
    of Kingma & Ba 2015, section 2).
    """

    learning_rate: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = field(default=False, kw_only=True)
    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("beta1", "beta2"):
            if as_number(getattr(self, name), name, 0.0, 1.0) == 1.0:
                raise ValueError(f"{name} is 1; expected less")
        # A number of float32 too: 0 would divide 0 by 0 wherever no gradient has come yet.
        as_number(self.epsilon, "epsilon", float(np.finfo(np.float32).tiny))

        if not isinstance(self.epsilon_hat, bool):
            raise TypeError(f"epsilon_hat is {self.epsilon_hat!r}; expected True or False")

    def factors(self) -> tuple[float, float, float]:
        return self.beta1, self.beta2, self.epsilon

    def control(self) -> NDArray[np.float64]:
        control = super().control()
        control[training.EPSILON_HAT] = self.epsilon_hat
        return control


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam whose weight decay acts on the parameters apart from the gradient: p -= rate * weight_decay * p."""

    weight_decay: float = field(default=0.01, kw_only=True)
    name: ClassVar[str] = "adamw"


OPTIMIZERS: dict[str, type[Optimizer]] = {kind.name: kind for kind in (SGD, Momentum, Nesterov, Adam, AdamW)}


def as_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """An Optimizer, or the one of that name with its defaults."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    return OPTIMIZERS[as_choice(optimizer, tuple(OPTIMIZERS), "optimizer")]()
