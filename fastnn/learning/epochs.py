"""Epochs one after the other: what `fit`, `fastnn train` and the estimators of scikit-learn take theirs from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.compiler.jit import compile_clock
from fastnn.edge.checks import require_memory
from fastnn.learning.evaluation import Evaluation
from fastnn.learning.held import Epoch, Held
from fastnn.learning.trainer import NonFiniteLoss, Trainable


class AnyTrainer(Protocol):
    """What epochs ask of a Trainer, on whatever device. A snapshot is all that training changes."""

    batch: int

    @property
    def network(self) -> Trainable: ...

    @property
    def steps(self) -> int: ...

    @property
    def snapshot_elements(self) -> int: ...

    def place(self, held: Held) -> Held: ...

    def epoch(self, held: Held, order: ArrayLike, /, steps: int | None = None) -> Epoch: ...

    def is_finite(self) -> bool: ...

    def snapshot(self) -> tuple[Any, ...]: ...

    def restore(self, snapshot: tuple[Any, ...]) -> None: ...


class EpochResult(NamedTuple):
    """What one epoch was. epoch: from 0. loss, accuracy: of its batches, each before its update.

    val_loss, val_accuracy: of the validation rows, after it. NaN: accuracies of mse, val_* without validation. seconds:
    of training alone, without compiling and validation.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float


NOT_EVALUATED = Evaluation(math.nan, None, 0)

# A snapshot copies parameters and state; epochs of fewer steps than this share one.
SNAPSHOT_STEPS = 50


class _Rewind:
    """The way back to the last finite loss: two snapshots, and the orders of all epochs since the older one.

    Runs are deterministic to the bit, so a snapshot and the orders are enough to stand at any step since. One is taken
    at most every SNAPSHOT_STEPS steps.
    """

    def __init__(self, trainer: AnyTrainer, held: Held) -> None:
        require_memory(2 * trainer.snapshot_elements, held.x.dtype, "two snapshots of the training")
        self._trainer, self._held = trainer, held
        self._snapshots: list[tuple[Any, ...]] = []
        self._orders: list[list[NDArray[np.int64]]] = []
        self._batches = SNAPSHOT_STEPS

    def before(self, order: NDArray[np.int64]) -> None:
        """Call before each epoch."""
        if self._batches >= SNAPSHOT_STEPS:
            self._snapshots = [*self._snapshots[-1:], self._trainer.snapshot()]
            self._orders = [*self._orders[-1:], []]
            self._batches = 0
        self._orders[-1].append(order.copy())
        self._batches += -(-len(order) // self._trainer.batch)

    def require_finite(self, loss: float, epoch: int) -> None:
        """Call after each epoch. NonFiniteLoss, with the parameters of the last finite step."""
        # The last update of an epoch may leave the finite before any loss tells.
        finite = math.isfinite(loss)
        if not (finite and self._trainer.is_finite()):
            self._back()
            raise NonFiniteLoss(math.nan if finite else loss, self._trainer.steps, epoch)

    def _back(self) -> None:
        """To the parameters whose loss was last finite: those before the last update.

        The very first loss has nothing before it, and changed nothing. A batch of ignored labels is no update.
        """
        trainer = self._trainer
        wanted = trainer.steps - 1
        trainer.restore(self._snapshots[0])
        for order in (order for orders in self._orders for order in orders):
            at = 0
            while trainer.steps < wanted and at < len(order):
                at += trainer.batch * trainer.epoch(self._held, order[at:], wanted - trainer.steps).steps


def _call(epoch: Callable[[], Epoch]) -> Epoch:
    return epoch()


def epochs_of(
    trainer: AnyTrainer,
    held: Held,
    orders: Iterable[NDArray[np.int64]],
    *,
    first: int = 0,
    validation: Held | None = None,
    rewinds: bool = True,
    run: Callable[[Callable[[], Epoch]], Epoch] = _call,
) -> Iterator[EpochResult]:
    """Trains an epoch for each order of rows that the trainer holds, and tells of it; its consumer says when to stop.

    An order is asked for when the epoch before has been consumed, so `orders` may end by what it was. first: number of
    the first epoch. validation: rows held on the CPU, scored after each epoch. run(epoch) makes an epoch and returns
    what it returns.

    Raises ValueError where nothing of the target counts in a mean, and NonFiniteLoss, with the parameters of the last
    finite step. rewinds=False gives such an epoch like any other: for who changes the trainer between epochs, which
    then cannot be made again.
    """
    if held.is_on_cpu:
        trainer.network.require_weight(held.target)
    rewind = _Rewind(trainer, held) if rewinds else None
    for epoch, order in enumerate(orders, first):
        if rewind is not None:
            rewind.before(order)
        start = time.perf_counter()
        with compile_clock() as compiling:
            seen = run(partial(trainer.epoch, held, order))
        if rewind is not None:
            rewind.require_finite(seen.loss, epoch)
        seconds = time.perf_counter() - start - compiling.seconds
        yield _result(trainer.network, epoch, seen, validation, seconds)


def _result(network: Trainable, epoch: int, seen: Epoch, validation: Held | None, seconds: float) -> EpochResult:
    accuracy = seen.hits / max(seen.rows, 1) if network.loss_function.has_classes else math.nan
    after = NOT_EVALUATED if validation is None else network.evaluate(validation)
    return EpochResult(epoch, seen.loss, accuracy, after.loss, after.accuracy, seconds)
