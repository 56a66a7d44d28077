"""fit: whole epochs without the interpreter, on whatever device the network is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.compiler.jit import check_threading_layer
from fastnn.edge.checks import as_count
from fastnn.kernels.dropout import SEEDS
from fastnn.learning.early_stopping import BestEpoch
from fastnn.learning.epochs import AnyTrainer, EpochResult, epochs_of
from fastnn.learning.held import Held, hold_rows
from fastnn.learning.losses import CrossEntropy
from fastnn.learning.optimizers import Optimizer
from fastnn.learning.progress import epoch_bar
from fastnn.learning.trainer import Trainable
from fastnn.operations.dropout import DROPOUT


class Fittable(Trainable, Protocol):
    """What fit asks of a fastnn.Network."""

    @property
    def parameters(self) -> NDArray[Any]: ...

    @parameters.setter
    def parameters(self, values: NDArray[Any]) -> None: ...

    def trainer(
        self, optimizer: str | Optimizer = "adam", batch: int = 32, seed: int = 0, span: int | None = None
    ) -> AnyTrainer: ...  # fmt: skip


@dataclass
class History:
    """What fit saw, an entry an epoch. accuracy is absent for mse; val_* are there when validation data was given.

    seconds are of training alone, without compiling and validation. best_epoch: from 0, where patience was given.
    """

    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)
    val_accuracy: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    steps: int = 0
    best_epoch: int | None = None


def fit(
    network: Fittable,
    x: ArrayLike,
    y: ArrayLike,
    *,
    epochs: int = 10,
    batch: int = 32,
    optimizer: str | Optimizer = "adam",
    shuffle: bool = True,
    seed: int | np.random.Generator | None = None,
    validation: tuple[ArrayLike, ...] | None = None,
    patience: int | None = None,
    metric: str = "val_loss",
    progress: bool | None = None,
    callback: Callable[[int, History], bool | None] | None = None,
    span: int | None = None,
    sample_weight: ArrayLike | None = None,
) -> History:
    """Train a network in place; an epoch is one nopython call that holds no GIL.

    x (N, inputs), y: labels (N,) or rows (N, outputs). Batches come in an order shuffled anew each epoch from `seed`
    (an int, a numpy.random.Generator, or None), which dropout draws from too; the last one may be short. validation:
    (x, y) to score after each epoch. patience: stop after so many epochs without a better `metric` (val_loss,
    val_accuracy, loss or accuracy), and end with the parameters of the best epoch. progress: a bar on stderr; None
    shows it where stderr is a terminal and training is long. callback(epoch, history) after each epoch; True stops.
    span: rows of a larger batch whose gradient is summed as one; see fastnn.Trainer.

    sample_weight (N,): numbers of at least 0. A row of weight 2 counts as two of it, in losses, gradients and the sum
    that a mean divides by; accuracy counts rows, whatever they weigh. validation may be a triple (x, y, sample_weight).

    Raises NonFiniteLoss, with the parameters of the last finite step kept; ValueError, TypeError on bad input.
    """
    epochs = as_count(epochs, "epochs", least=0)
    held = _training_rows(network, x, y, sample_weight)
    held_out = _validation_rows(network, validation)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a function of (epoch, history)")
    best = _best_epoch(network, patience, metric, held_out is not None)
    rng = np.random.default_rng(seed)
    rows = min(as_count(batch, "batch"), held.rows)
    trainer = network.trainer(optimizer, rows, _dropout_seed(network, rng), span)
    orders = orders_of(held.rows, epochs, shuffle, rng)
    history = History()
    with epoch_bar(epochs, progress) as show:
        for result in epochs_of(trainer, trainer.place(held), orders, validation=held_out):
            _record(history, result, network.loss_function.has_classes, held_out is not None)
            history.steps = trainer.steps
            show(result.epoch, result.loss, history.accuracy[-1] if history.accuracy else None)
            if best is not None:
                best.see(result.epoch, getattr(result, metric), network.parameters)
            asked = callback is not None and callback(result.epoch, history)
            if asked or (best is not None and best.is_over(result.epoch)):
                break
    if best is not None and best.parameters is not None:
        network.parameters, history.best_epoch = best.parameters, best.epoch
    check_threading_layer()
    return history


def _dropout_seed(network: Fittable, rng: np.random.Generator) -> int:
    """Drawn only where it is used: without dropout a seed shuffles as it did before there was any."""
    drops = any(operation.layer.kind == DROPOUT for operation in network.operations)
    return int(rng.integers(SEEDS)) if drops else 0


def orders_of(rows: int, epochs: int, shuffle: bool, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The order of each epoch: the one before, shuffled."""
    order = np.arange(rows)
    for _ in range(epochs):
        if shuffle:
            rng.shuffle(order)
        yield order


def _best_epoch(network: Fittable, patience: int | None, metric: str, validated: bool) -> BestEpoch | None:
    """None without patience. ValueError: a metric that this run has not."""
    if patience is None:
        return None
    best = BestEpoch(metric, patience)
    if metric.startswith("val_") and not validated:
        raise ValueError(f"metric is {metric}, and there is no validation data; give validation, or metric='loss'")
    if metric.endswith("accuracy") and not network.loss_function.has_classes:
        raise ValueError(f"metric is {metric}, and mse has no classes; expected loss or val_loss")
    return best


def _training_rows(network: Fittable, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> Held:
    held, loss = hold_rows(network, x, y, sample_weight), network.loss_function
    if held.rows == 0:
        raise ValueError("x has no rows")
    if isinstance(loss, CrossEntropy) and (held.y == loss.ignore_index).all():
        raise ValueError(f"y holds nothing but ignore_index, {loss.ignore_index}")
    if loss.leaves_out_missing and np.isnan(held.y).all():
        raise ValueError("y holds nothing but NaN, which is left out")
    return held


def _validation_rows(network: Fittable, validation: tuple[ArrayLike, ...] | None) -> Held | None:
    if validation is None:
        return None
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise TypeError(f"validation is {type(validation).__name__}; expected a pair (x, y), or (x, y, sample_weight)")
    held = hold_rows(network, *validation)
    if held.rows == 0:
        raise ValueError("validation has no rows; leave it out where nothing is held out")
    return held


def _record(history: History, result: EpochResult, has_classes: bool, validated: bool) -> None:
    history.seconds.append(result.seconds)
    history.loss.append(result.loss)
    if has_classes:
        history.accuracy.append(result.accuracy)
    if validated:
        history.val_loss.append(result.val_loss)
    if validated and has_classes:
        history.val_accuracy.append(result.val_accuracy)
