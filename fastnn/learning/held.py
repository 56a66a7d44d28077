"""Rows that are checked once for many epochs, and `hold` and `epoch` as users call them, on whatever device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.edge.checks import as_contiguous, as_count, as_numeric
from fastnn.learning.targets import AnyTarget, rows_of, weighted

INDEX: np.dtype[np.int64] = np.dtype(np.int64)


class MadeRows(ABC):
    """Rows (N, inputs) that are made when a call needs them, since they are kept smaller than they are computed with,
    or drawn anew for each step. shape: of all. dtype: as which they are made.

    Making one leaves the next as it is: calls may ask for any rows, any number of times.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    @abstractmethod
    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Some rows as they are, (n, inputs)."""

    @abstractmethod
    def for_steps(self, order: NDArray[np.int64], step: int, batch: int) -> NDArray[Any]:
        """Rows of an order (n, inputs) to train on, in batches, the first of which is of the step of this number."""


class Checks(Protocol):
    """What checking rows asks of a fastnn.Network."""

    dtype: np.dtype[Any]

    @property
    def inputs(self) -> int: ...

    def as_input(self, x: ArrayLike) -> NDArray[Any]: ...

    def as_target(self, y: ArrayLike, rows: int) -> NDArray[Any]: ...


@dataclass(frozen=True, eq=False)
class Held:
    """Rows that `network` has checked and converted; who has one need not check again. `hold` alone makes them.

    x (N, inputs) and target, labels int64, (N,) or (N, positions), or rows (N, outputs), lie where the trainer reads
    them. Labels are copies: what is written to the caller's later changes nothing. On the CPU x and rows of targets are
    views of the caller's arrays where those are as kernels read them, and what is written there is what later epochs
    see, unchecked: a target that its loss is not defined on gives a wrong number, and no access outside of an array.
    target is the kernels' own, where a wrong label is such an access: read y, which cannot be written on the CPU.

    With sample_weight, target is a pair of it and the weights, which are copies. x may be MadeRows.

    Unpacks, and is indexed, as the pair (x, y).
    """

    x: Any
    target: Any
    network: Checks

    @property
    def y(self) -> Any:
        alone = self.target[0] if isinstance(self.target, tuple) else self.target
        return _locked(alone) if isinstance(alone, np.ndarray) else alone  # on a device

    @property
    def sample_weight(self) -> Any:
        """What each row weighs, (N,); None where all count alike."""
        return _locked(self.target[1]) if isinstance(self.target, tuple) else None

    @property
    def rows(self) -> int:
        return int(self.x.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return iter((self.x, self.y))

    def __getitem__(self, at: int) -> Any:
        return (self.x, self.y)[at]

    def require(self, network: Checks) -> None:
        """ValueError: rows that another network checked, for which other labels may be right."""
        if self.network is not network:
            raise ValueError("these rows are held for another network; hold them with a trainer of this one")

    @property
    def is_on_cpu(self) -> bool:
        return isinstance(self.x, (np.ndarray, MadeRows))

    def for_steps(
        self, order: NDArray[np.int64], step: int, batch: int
    ) -> tuple[NDArray[Any], AnyTarget, NDArray[np.int64]]:
        """x, target and the order of their rows, as kernels read them, for training on rows of an order."""
        if not isinstance(self.x, MadeRows):
            return self.x, self.target, order
        x = self.x.for_steps(order, step, batch)
        return x, rows_of(self.target, order), np.arange(len(order))

    def on_cpu(self, network: Checks) -> tuple[NDArray[Any] | MadeRows, AnyTarget]:
        """x and target. ValueError: rows of another network, or on a device."""
        self.require(network)
        if not self.is_on_cpu:
            raise ValueError("these rows are held on the GPU; pass x and y as arrays of the CPU")
        return self.x, self.target


def _locked(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


def hold_rows(
    network: Checks, x: ArrayLike | MadeRows, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Held:  # fmt: skip
    """Rows held on the CPU; see Held. ValueError, TypeError."""
    if isinstance(x, MadeRows):
        rows: Any = x
        if x.shape[1] != network.inputs:
            raise ValueError(f"rows of {x.shape[1]:,} numbers are made; expected {network.inputs:,}")
        if x.dtype != network.dtype:
            raise ValueError(f"rows are made as {x.dtype}; expected {network.dtype}, as the network has")
    else:
        rows = network.as_input(x)[:]
    target = network.as_target(y, len(rows))
    # Views of their own: an array's shape can be changed in place.
    own = target.copy() if target.dtype == INDEX else target[:]
    return Held(rows, weighted(own, sample_weight), network)


def as_order(order: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Indices of rows to train on, as the kernels read them. TypeError, ValueError."""
    given = as_numeric(order, "order")
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise TypeError(f"order is {given.dtype} {given.shape}; expected whole numbers, one a row to train on")
    indices: NDArray[np.int64] = as_contiguous(given, INDEX)
    # Without its sign a negative index is past every row, so that one pass is enough: 0.07 to 0.16 ns a row, of the 35
    # that an epoch of 3-4-2 takes. So orders that fit itself makes are not told apart from others.
    if indices.size and indices.view(np.uint64).max() >= rows:
        raise ValueError(f"order spans {given.min()}..{given.max()}; expected rows of x, 0..{rows - 1}")
    return indices


class Epoch(NamedTuple):
    """What an epoch saw: the mean loss (or, with reduction "sum", the sum), rows that count, right answers, batches."""

    loss: float
    rows: int
    hits: int
    steps: int


class EpochTrainer(ABC):
    """The part of a trainer that all devices share: rows that are held, and epochs on them."""

    network: Checks

    def hold(self, x: ArrayLike | MadeRows, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Held:
        """x (N, inputs) and y, labels (N,) or rows (N, outputs), checked, converted and laid where `epoch` reads them.

        Once for many epochs; Held says what a later write to x or y does. sample_weight (N,): numbers of at least 0,
        how often the loss of a row counts; see fastnn.Network.fit. ValueError, TypeError.
        """
        return self.place(hold_rows(self.network, x, y, sample_weight))

    @abstractmethod
    def place(self, held: Held) -> Held:
        """Rows held on the CPU, where this trainer reads them."""

    @overload
    def epoch(self, held: Held, order: ArrayLike, /, steps: int | None = None) -> Epoch: ...

    @overload
    def epoch(self, x: ArrayLike, y: ArrayLike, order: ArrayLike, steps: int | None = None) -> Epoch: ...

    # mypy does not see that steps may come third where rows are held.
    def epoch(  # type: ignore[misc]
        self, x: Any, y: Any, order: Any = None, steps: int | None = None
    ) -> Epoch:
        """Train on x[order], y[order] in batches, at most `steps` of them, in one call without the interpreter.

        epoch(held, order) is for rows that `hold` gave, of which it checks nothing; epoch(x, y, order) checks them as
        `hold` does, each time. order (n,): whole numbers, rows of x in any order and number, always checked.
        ValueError, TypeError.
        """
        if isinstance(x, Held):
            x.require(self.network)
            return self._train(x, *as_asked(x.rows, y, order if steps is None else steps))
        return self._train_once(x, y, order, steps)

    def _train_once(self, x: Any, y: Any, order: Any, steps: int | None) -> Epoch:
        held = self.hold(x, y)
        return self._train(held, *as_asked(held.rows, order, steps))

    @abstractmethod
    def _train(self, held: Held, order: NDArray[np.int64], steps: int) -> Epoch:
        """An epoch, of arguments that are right; see as_asked."""


def as_asked(rows: int, order: ArrayLike, steps: int | None) -> tuple[NDArray[np.int64], int]:
    """What `epoch` was asked for, as kernels read it; steps: -1 for all."""
    return as_order(order, rows), -1 if steps is None else as_count(steps, "steps", least=0)
