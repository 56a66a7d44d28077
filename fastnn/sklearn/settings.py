"""What the estimators are told: their parameters, and a check for each, made before data is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator

from fastnn.edge.checks import as_choice, as_count, as_number
from fastnn.kernels.activation import NAMES

# scikit-learn's names, and all of fastnn's that have a gradient.
ACTIVATIONS = {"logistic": "sigmoid"} | {name: name for name in NAMES if name != "step"}

Check = Callable[[Any, str], object]


def _choice(*choices: str) -> Check:
    return lambda value, name: as_choice(value, choices, name)


def _number(high: float = math.inf, *, but: float | None = None) -> Check:
    """In 0..high, without one of the ends."""

    def check(value: Any, name: str) -> None:
        if as_number(value, name, 0.0, high) == but:
            raise ValueError(f"{name} is {value}; expected {'less' if but else 'more'}")

    return check


def _count_or(other: object) -> Check:
    return lambda value, name: value == other or as_count(value, name)


def _flag(value: Any, name: str) -> None:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} is {value!r}; expected True or False")


def hidden_sizes(value: Any) -> tuple[int, ...]:
    """hidden_layer_sizes as a tuple: an int is one layer."""
    sizes = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return tuple(as_count(size, "hidden_layer_sizes") for size in sizes)


CHECKS: Mapping[str, Check] = {
    "hidden_layer_sizes": lambda value, name: hidden_sizes(value),
    "activation": _choice(*ACTIVATIONS),
    "solver": _choice("sgd", "adam"),
    "alpha": _number(),
    "batch_size": _count_or("auto"),
    "learning_rate": _choice("constant", "invscaling", "adaptive"),
    "learning_rate_init": _number(but=0.0),
    "power_t": _number(),
    "max_iter": as_count,
    "shuffle": _flag,
    "tol": _number(),
    "verbose": lambda value, name: isinstance(value, bool) or as_count(value, name, least=0),
    "warm_start": _flag,
    "momentum": _number(1.0),
    "nesterovs_momentum": _flag,
    "early_stopping": _flag,
    "validation_fraction": _number(1.0, but=1.0),
    "beta_1": _number(1.0, but=1.0),
    "beta_2": _number(1.0, but=1.0),
    "epsilon": _number(but=0.0),
    "n_iter_no_change": _count_or(math.inf),
}


class Settings(BaseEstimator):  # type: ignore[misc]
    """The parameters of both estimators, named as scikit-learn's.

    hidden_layer_sizes: units of each hidden layer, none for (). activation: of the hidden layers, scikit-learn's
    "logistic" or any of fastnn's that has a gradient. solver: "adam", or "sgd", which learning_rate, power_t, momentum
    and nesterovs_momentum are for. alpha: half of it times the sum of the squared weights, over the rows of a batch, is
    added to the loss; intercepts are spared. batch_size: rows of a batch, "auto" is min(200, n_samples). max_iter:
    epochs, each one nopython call without the GIL. tol, n_iter_no_change: training stops after more epochs than that
    in a row whose loss fell by less than tol (early_stopping: whose score, on validation_fraction of the rows held out,
    rose by less), or with the "adaptive" learning_rate divides it by 5, down to 1e-6. random_state: of weights,
    batches and rows held out, drawn in scikit-learn's order.
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: Literal["sgd", "adam"] = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change

    def _check(self) -> None:
        """ValueError or TypeError for a parameter that is none."""
        for name, check in CHECKS.items():
            check(getattr(self, name), name)
