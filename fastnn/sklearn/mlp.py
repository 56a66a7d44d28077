"""What the two estimators share: parameters, attributes, and the loop over epochs with its rules for stopping."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from fastnn.learning.epochs import EpochResult, epochs_of
from fastnn.learning.optimizers import Adam
from fastnn.learning.trainer import Trainer
from fastnn.networks.network import Network
from fastnn.sklearn.settings import Settings, hidden_sizes
from fastnn.sklearn.solver import Objective, build_network, change_rate, optimizer_for
from fastnn.sklearn.threads import ThreadTrial

Array = NDArray[Any]

# Below this an adaptive learning rate is not divided any more, and training stops.
LEAST_RATE = 1e-6


class Rows(NamedTuple):
    """Rows as the network takes them; weights is None where all count alike."""

    x: Array
    y: Array
    weights: Array | None

    @property
    def weight(self) -> float:
        """Of all of them."""
        return float(len(self.x) if self.weights is None else self.weights.sum())


class Data(NamedTuple):
    """Rows to train on, and those held out where early_stopping asks for it."""

    rows: Rows
    held: Rows | None = None


def _taken(rows: Rows, order: Array) -> Rows:
    return Rows(rows.x[order], rows.y[order], None if rows.weights is None else rows.weights[order])


class FastMLP(Settings):
    """The base of FastMLPClassifier and FastMLPRegressor.

    Parameters: see fastnn.sklearn.settings.Settings.

    coefs_, intercepts_, loss_, loss_curve_, best_loss_, validation_scores_, best_validation_score_, n_iter_, t_,
    n_layers_, n_outputs_, out_activation_, n_features_in_, feature_names_in_: as scikit-learn's. X of float32 is
    trained on in float32, all else in float64; predictions have the dtype of the training.

    Otherwise than there: no "lbfgs", X is dense; loss_ is the mean over the epoch by what rows weigh, where
    scikit-learn takes that of each batch and their mean by rows; it takes the logarithm of a probability as it is,
    where scikit-learn cuts it off at the rounding unit (in float32 at a loss of 16); coefs_ cannot be assigned, what
    begins with an underscore is another, and so are the words of errors. Of scikit-learn's own 59 tests of its
    estimators (1.9) 31 pass with these in their place; 15 want "lbfgs", the others one of these things.

    Raises ValueError, TypeError on bad parameters and data, and ValueError where the loss stops being finite.
    """

    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    best_validation_score_: float | None
    validation_scores_: list[float] | None
    _trainer: Trainer

    # What a subclass says ------------------------------------------------------------------------------------------

    # What validate_data is to ask of y beside.
    _y_is: ClassVar[Mapping[str, bool]] = {}

    @abstractmethod
    def _as_target(self, y: Array, dtype: np.dtype[Any], go_on: bool, incremental: bool) -> tuple[Array, int]:
        """y as fastnn trains on it, and the number of outputs; see _fit."""

    @abstractmethod
    def _objective_for(self, outputs: int) -> Objective: ...

    @abstractmethod
    def _held_out_score(self, held: Rows) -> float: ...

    # Attributes ----------------------------------------------------------------------------------------------------

    def _parameters_named(self, name: str) -> list[Array]:
        if not hasattr(self, "_network"):
            raise AttributeError(f"{type(self).__name__} is not fitted yet; call fit first")
        named = self._network.named_parameters
        return [named[f"{index}.{name}"] for index in range(self.n_layers_ - 1)]

    @property
    def coefs_(self) -> list[Array]:
        """Weights (inputs, units), a layer each: views, and changing them changes the estimator."""
        return self._parameters_named("weight")

    @property
    def intercepts_(self) -> list[Array]:
        """Biases (units,), a layer each: views, as coefs_."""
        return self._parameters_named("bias")

    # Fitting -------------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on X (n_samples, n_features) and y, from new weights unless warm_start; see the class for y.

        sample_weight (n_samples,): how often the loss of a row counts, at least 0.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, incremental: bool) -> Self:
        self._check()
        if self.early_stopping and incremental:
            raise ValueError("partial_fit holds nothing out; set early_stopping=False, or call fit")
        rng = check_random_state(self.random_state)
        # go_on: with the network that is there; incremental: by one epoch.
        go_on = hasattr(self, "_network") and (self.warm_start or incremental)
        if go_on:
            self._require_same_network()
        x, target, outputs = self._validated(X, y, go_on, incremental)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        if not go_on:
            self._begin(x, outputs, rng)
        elif self.early_stopping == (self.validation_scores_ is None):
            self._forget_best()
        rows = Rows(self._network.as_input(x), self._network.as_target(target, len(x)), weights)
        data = self._split(rows, rng)
        self._prepare(self._batch_for(len(data.rows.x)), incremental)
        self._train(data, rng, incremental)
        if not self._trainer.is_finite():
            raise ValueError("the parameters are not finite any more; scale X and y, or lower learning_rate_init")
        return self

    def _validated(self, X: ArrayLike, y: ArrayLike, go_on: bool, incremental: bool) -> tuple[Array, Array, int]:
        dtypes = np.float64, np.float32
        x, checked = validate_data(self, X, y, multi_output=True, dtype=dtypes, reset=not go_on, **self._y_is)
        if checked.ndim == 2 and checked.shape[1] == 1:
            checked = column_or_1d(checked, warn=True)
        return (x, *self._as_target(checked, x.dtype, go_on, incremental))

    def _require_same_network(self) -> None:
        built = tuple(len(bias) for bias in self.intercepts_[:-1])
        if hidden_sizes(self.hidden_layer_sizes) != built:
            raise ValueError(
                f"hidden_layer_sizes is {self.hidden_layer_sizes!r} and the network that goes on has {built}; "
                "keep it, or fit with warm_start=False"
            )

    def _begin(self, x: Array, outputs: int, rng: np.random.RandomState) -> None:
        """A new network, and a history without entries."""
        self.__dict__.pop("_trainer", None)
        self._objective = self._objective_for(outputs)
        units = [x.shape[1], *hidden_sizes(self.hidden_layer_sizes), outputs]
        self._network: Network = build_network(units, self.activation, self._objective.loss, x.dtype, rng)
        self.n_outputs_, self.n_layers_, self.t_ = outputs, len(units), 0
        self.out_activation_ = self._objective.out_activation
        self.loss_curve_ = []
        self._forget_best()

    def _forget_best(self) -> None:
        """Nothing to compare with, by the rule for stopping that early_stopping chooses."""
        self._best, self._epochs_without_gain = -math.inf, 0
        self.best_loss_ = None if self.early_stopping else math.inf
        self.best_validation_score_ = -math.inf if self.early_stopping else None
        self.validation_scores_ = [] if self.early_stopping else None
        self._best_parameters = self._network.parameters.copy() if self.early_stopping else None

    def _batch_for(self, rows: int) -> int:
        if self.batch_size == "auto":
            return min(200, rows)
        if self.batch_size > rows:
            warnings.warn(f"batch_size is {self.batch_size}; X has {rows} rows, which make one batch", stacklevel=4)
        return min(self.batch_size, rows)

    def _prepare(self, batch: int, incremental: bool) -> None:
        """A trainer for this batch; partial_fit goes on with the optimizer's moments."""
        before = self._trainer if incremental and hasattr(self, "_trainer") else None
        if before is not None and before.batch == batch:
            return
        optimizer = optimizer_for(self, self._objective.slope) if before is None else before.optimizer
        self._trainer = Trainer(self._network, optimizer, batch)
        if before is None:
            self._rate = float(self.learning_rate_init)
        else:
            self._trainer.restore(before.snapshot())

    def _split(self, rows: Rows, rng: np.random.RandomState) -> Data:
        if not self.early_stopping:
            return Data(rows)
        # As in scikit-learn, whose binary targets alone are one column.
        stratify = rows.y[:, 0] if self.out_activation_ == "logistic" and self.n_outputs_ == 1 else None
        train, held = train_test_split(
            np.arange(len(rows.x)), random_state=rng, test_size=self.validation_fraction, stratify=stratify
        )
        if len(held) < 2:
            raise ValueError(
                f"validation_fraction {self.validation_fraction} holds {len(held)} rows out; expected at least 2"
            )
        return Data(_taken(rows, train), _taken(rows, held))

    def _train(self, data: Data, rng: np.random.RandomState, incremental: bool) -> None:
        """Epochs, each one nopython call, until max_iter or one of the rules for stopping."""
        rows = len(data.rows.x)
        held, orders = self._trainer.hold(*data.rows), self._orders(rows, 1 if incremental else self.max_iter, rng)
        trial = ThreadTrial(rows * self._network.parameter_count)
        self.n_iter_ = 0
        try:
            # The rate may change between epochs, so none can be made again.
            for result in epochs_of(self._trainer, held, orders, rewinds=False, run=trial.run):
                self._see(result, data)
                if self._is_to_stop():
                    break
            else:
                if not incremental:
                    warnings.warn(
                        f"max_iter is {self.max_iter} epochs, and after them training had not converged",
                        ConvergenceWarning,
                        stacklevel=4,
                    )
        except KeyboardInterrupt:
            warnings.warn(f"training was interrupted after {self.n_iter_} epochs", stacklevel=4)
        if self._best_parameters is not None:
            self._network.parameters = self._best_parameters

    def _orders(self, rows: int, epochs: int, rng: np.random.RandomState) -> Iterator[NDArray[np.int64]]:
        order = np.arange(rows)
        for _ in range(epochs):
            if self.shuffle:
                order = order[rng.permutation(rows)]
            yield order

    def _see(self, result: EpochResult, data: Data) -> None:
        """Call after each epoch. ValueError where its loss is not finite."""
        self.loss_ = self._objective.reported(result.loss, self._trainer.penalty / data.rows.weight)
        if not math.isfinite(self.loss_):
            raise ValueError(
                f"the loss became {self.loss_} in epoch {self.n_iter_ + 1}; scale X and y, or lower learning_rate_init"
            )
        self.n_iter_ += 1
        self.t_ += len(data.rows.x)
        self.loss_curve_.append(self.loss_)
        self._say(f"Iteration {self.n_iter_}, loss = {self.loss_:.8f}")
        if data.held is not None:
            self._judge_held_out(self._held_out_score(data.held))
        else:
            self._count_gain(-self.loss_)
            self.best_loss_ = -self._best
        if not self._adapts and self.learning_rate == "invscaling":
            self._set_rate(self.learning_rate_init / (self.t_ + 1) ** self.power_t)

    def _judge_held_out(self, score: float) -> None:
        self.validation_scores_ = [*(self.validation_scores_ or []), score]
        self._say(f"Validation score: {score:f}")
        if self._count_gain(score):
            self._best_parameters = self._network.parameters.copy()
        self.best_validation_score_ = self._best

    def _count_gain(self, score: float) -> bool:
        """score: what is to rise. Whether it is the best so far."""
        self._epochs_without_gain = 0 if score >= self._best + self.tol else self._epochs_without_gain + 1
        is_best = score > self._best
        self._best = max(score, self._best)
        return is_best

    def _is_to_stop(self) -> bool:
        if self._epochs_without_gain <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        reason = f"{what} did not improve by tol={self.tol:f} for {self.n_iter_no_change} epochs in a row."
        if self._adapts or self.learning_rate != "adaptive" or self._rate <= LEAST_RATE:
            self._say(f"{reason} Stopping.")
            return True
        self._epochs_without_gain = 0
        self._set_rate(self._rate / 5)
        self._say(f"{reason} Learning rate is {self._rate:f} now.")
        return False

    @property
    def _adapts(self) -> bool:
        """Whether Adam trains: partial_fit goes on with the optimizer that it began with, whatever solver says now."""
        return isinstance(self._trainer.optimizer, Adam)

    def _set_rate(self, rate: float) -> None:
        change_rate(self._trainer, rate / self._rate)
        self._rate = rate

    def _say(self, line: str) -> None:
        if self.verbose:
            print(line)

    # Predicting ----------------------------------------------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_network")

    def _fitted(self, X: ArrayLike) -> tuple[Network, Array]:
        """The network, and X as it takes it. NotFittedError; ValueError for X with other columns."""
        check_is_fitted(self)
        return self._network, validate_data(self, X, reset=False, dtype=self._network.dtype)
