"""fit: whole epochs without the interpreter, on whatever device the network is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._jit import check_threading_layer, compile_clock
from fastnn.checks import as_count, require_memory
from fastnn.early_stopping import BestEpoch
from fastnn.held import Epoch, Held, hold_rows
from fastnn.kernels.dropout import SEEDS
from fastnn.losses import CrossEntropy
from fastnn.optimizers import Optimizer
from fastnn.progress import epoch_bar
from fastnn.tape.dropout import DROPOUT
from fastnn.trainer import NonFiniteLoss, Trainable


class AnyTrainer(Protocol):
    """What fit asks of a Trainer, on whatever device. A snapshot is all that training changes."""

    batch: int

    @property
    def steps(self) -> int: ...

    @property
    def snapshot_elements(self) -> int: ...

    def place(self, held: Held) -> Held: ...

    def epoch(self, held: Held, order: ArrayLike, /, steps: int | None = None) -> Epoch: ...

    def is_finite(self) -> bool: ...

    def snapshot(self) -> tuple[Any, ...]: ...

    def restore(self, snapshot: tuple[Any, ...]) -> None: ...


class Fittable(Trainable, Protocol):
    """What fit asks of a fastnn.Network."""

    @property
    def parameters(self) -> NDArray[Any]: ...

    @parameters.setter
    def parameters(self, values: NDArray[Any]) -> None: ...

    def trainer(self, optimizer: str | Optimizer = "adam", batch: int = 32, seed: int = 0) -> AnyTrainer: ...


# A snapshot copies parameters and state; epochs of fewer steps than this share one.
SNAPSHOT_STEPS = 50


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


class _Rewind:
    """The way back to the last finite loss: two snapshots, and the orders of all epochs since the older one.

    Runs are deterministic to the bit, so a snapshot and the orders are enough to stand at any step since. One is taken
    at most every SNAPSHOT_STEPS steps.
    """

    def __init__(self) -> None:
        self._snapshots: list[tuple[Any, ...]] = []
        self._orders: list[list[NDArray[np.int64]]] = []
        self._batches = SNAPSHOT_STEPS

    def before(self, trainer: AnyTrainer, order: NDArray[np.int64]) -> None:
        """Call before each epoch."""
        if self._batches >= SNAPSHOT_STEPS:
            self._snapshots = [*self._snapshots[-1:], trainer.snapshot()]
            self._orders = [*self._orders[-1:], []]
            self._batches = 0
        self._orders[-1].append(order.copy())
        self._batches += -(-len(order) // trainer.batch)

    def back(self, trainer: AnyTrainer, held: Held) -> None:
        """To the parameters whose loss was last finite: those before the last update.

        The very first loss has nothing before it, and changed nothing. A batch of ignored labels is no update.
        """
        wanted = trainer.steps - 1
        trainer.restore(self._snapshots[0])
        for order in (order for orders in self._orders for order in orders):
            at = 0
            while trainer.steps < wanted and at < len(order):
                at += trainer.batch * trainer.epoch(held, order[at:], wanted - trainer.steps).steps


def trained(
    trainer: AnyTrainer, held: Held, orders: Iterable[NDArray[np.int64]], first: int = 0
) -> Iterator[tuple[Epoch, float]]:
    """Trains an epoch for each order of rows that the trainer holds: what it saw, and its seconds.

    first: number of the first epoch. Raises NonFiniteLoss, with the parameters of the last finite step.
    """
    require_memory(2 * trainer.snapshot_elements, held.x.dtype, "two snapshots of the training")
    rewind = _Rewind()
    for epoch, order in enumerate(orders, first):
        rewind.before(trainer, order)
        start = time.perf_counter()
        with compile_clock() as compiling:
            report = trainer.epoch(held, order)
        # The last update of an epoch may leave the finite before any loss tells.
        finite = np.isfinite(report.loss)
        if not (finite and trainer.is_finite()):
            rewind.back(trainer, held)
            raise NonFiniteLoss(np.nan if finite else report.loss, trainer.steps, epoch)
        yield report, time.perf_counter() - start - compiling.seconds


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
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    patience: int | None = None,
    metric: str = "val_loss",
    progress: bool | None = None,
    callback: Callable[[int, History], bool | None] | None = None,
) -> History:
    """Train a network in place; an epoch is one nopython call that holds no GIL.

    x (N, inputs), y: labels (N,) or rows (N, outputs). Batches come in an order shuffled anew each epoch from `seed`
    (an int, a numpy.random.Generator, or None), which dropout draws from too; the last one may be short. validation:
    (x, y) to score after each epoch. patience: stop after so many epochs without a better `metric` (val_loss,
    val_accuracy, loss or accuracy), and end with the parameters of the best epoch. progress: a bar on stderr; None
    shows it where stderr is a terminal and training is long. callback(epoch, history) after each epoch; True stops.

    Raises NonFiniteLoss, with the parameters of the last finite step kept; ValueError, TypeError on bad input.
    """
    epochs = as_count(epochs, "epochs", least=0)
    held = _training_rows(network, x, y)
    held_out = _validation_rows(network, validation)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback is {callback!r}; expected a function of (epoch, history)")
    best = _best_epoch(network, patience, metric, held_out is not None)
    rng = np.random.default_rng(seed)
    trainer = network.trainer(optimizer, min(as_count(batch, "batch"), held.rows), _dropout_seed(network, rng))
    orders = _orders(held.rows, epochs, shuffle, rng)
    history = History()
    with epoch_bar(epochs, progress) as show:
        for epoch, (report, seconds) in enumerate(trained(trainer, trainer.place(held), orders)):
            history.seconds.append(seconds)
            _record(history, network, report, held_out)
            history.steps = trainer.steps
            show(epoch, history.loss[-1], history.accuracy[-1] if history.accuracy else None)
            if best is not None:
                best.see(epoch, getattr(history, metric)[-1], network.parameters)
            if (callback is not None and callback(epoch, history)) or (best is not None and best.is_over(epoch)):
                break
    if best is not None and best.parameters is not None:
        network.parameters, history.best_epoch = best.parameters, best.epoch
    check_threading_layer()
    return history


def _dropout_seed(network: Fittable, rng: np.random.Generator) -> int:
    """Drawn only where it is used: without dropout a seed shuffles as it did before there was any."""
    drops = any(operation.layer.kind == DROPOUT for operation in network.operations)
    return int(rng.integers(SEEDS)) if drops else 0


def _orders(rows: int, epochs: int, shuffle: bool, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
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


def _training_rows(network: Fittable, x: ArrayLike, y: ArrayLike) -> Held:
    held, loss = hold_rows(network, x, y), network.loss_function
    if held.rows == 0:
        raise ValueError("x has no rows")
    if isinstance(loss, CrossEntropy) and (held.target == loss.ignore_index).all():
        raise ValueError(f"y holds nothing but ignore_index, {loss.ignore_index}")
    return held


def _validation_rows(network: Fittable, validation: tuple[ArrayLike, ArrayLike] | None) -> Held | None:
    if validation is None:
        return None
    if not isinstance(validation, (tuple, list)) or len(validation) != 2:
        raise TypeError(f"validation is {type(validation).__name__}; expected a pair (x, y)")
    held = hold_rows(network, *validation)
    if held.rows == 0:
        raise ValueError("validation has no rows; leave it out where nothing is held out")
    return held


def _record(history: History, network: Fittable, report: Epoch, held_out: Held | None) -> None:
    has_classes = network.loss_function.has_classes
    history.loss.append(report.loss)
    if has_classes:
        history.accuracy.append(report.hits / max(report.rows, 1))
    if held_out is not None:
        found = network.evaluate(held_out)
        history.val_loss.append(found.loss)
        if has_classes:
            history.val_accuracy.append(found.accuracy)
