"""A training that can be looked into: which steps it makes follows from its seed and settings, never from a clock."""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.learning.fitting import orders_of
from fastnn.learning.optimizers import Optimizer
from fastnn.learning.training import LEARNING_RATE
from fastnn.networks.network import Network
from fastnn.play.session.curve import Curve

# Seconds of a call without the interpreter, after which the page is heard again.
CALL = 0.004
# Of which the speed is told.
RECENT = 0.25
# Rows whose order is drawn ahead, at most.
AHEAD = 1 << 15


class Steps(ABC):
    """Steps of a training, made some milliseconds at a time, and the curve of their losses.

    by_hand: what was changed by hand, so that seed and settings no longer tell all; empty where they do. batch: rows of
    a step.
    """

    def __init__(self, network: Network, trainer: Any, batch: int) -> None:
        self.network, self.trainer, self.batch = network, trainer, batch
        self.curve, self.by_hand = Curve(), ""
        self.stopped_at: int | None = None
        self._recent: list[tuple[float, int]] = []

    @property
    def steps(self) -> int:
        return int(self.trainer.steps)

    @property
    @abstractmethod
    def steps_of_epoch(self) -> int:
        """Steps of as many rows as there are."""

    @abstractmethod
    def _call(self, most: int) -> None:
        """At least one step, and at most so many."""

    @property
    def is_over(self) -> bool:
        """Whether the loss, or a parameter, is no longer finite."""
        return self.stopped_at is not None

    @property
    def steps_per_second(self) -> float:
        """Of the last quarter of a second of training; 0 before the first."""
        seconds = sum(each for each, _ in self._recent)
        return sum(steps for _, steps in self._recent) / seconds if seconds else 0.0

    def advance(self, seconds: float = CALL, until: int | None = None) -> None:
        """Trains for about that long, and not beyond the step `until`."""
        begin, before = time.perf_counter(), self.steps
        while not self.is_over and (until is None or self.steps < until):
            self._call(sys.maxsize if until is None else until - self.steps)
            if time.perf_counter() - begin >= seconds:
                break
        self._count(time.perf_counter() - begin, self.steps - before)

    def _count(self, seconds: float, steps: int) -> None:
        if not steps:
            return
        self._recent.append((seconds, steps))
        while len(self._recent) > 1 and sum(each for each, _ in self._recent[1:]) >= RECENT:
            self._recent.pop(0)

    def set_rate(self, rate: float) -> None:
        """Of the steps to come."""
        if rate != self.trainer.control[LEARNING_RATE]:
            self.trainer.control[LEARNING_RATE] = rate
            if self.steps:
                self.by_hand = self.by_hand or "the rate was changed on the way"

    def write(self, values: ArrayLike, why: str) -> None:
        """All parameters anew, flat, without the padding. why: what is told of it."""
        at, given = 0, np.asarray(values, self.network.dtype)
        for view in self.network.named_parameters.values():
            view[...] = given[at : at + view.size].reshape(view.shape)
            at += view.size
        self.by_hand = why

    def put(self, index: int, value: float) -> None:
        """One parameter, by its place among all."""
        values = flat(self.network)
        values[index] = value
        self.write(values, "a parameter was typed")


class Run(Steps):
    """What `network.fit(x, y, batch=batch, optimizer=optimizer, seed=seed)` does, in calls of a few milliseconds.

    After whole epochs the parameters are those of `fit` to the bit.
    """

    def __init__(self, network: Network, x: ArrayLike, y: ArrayLike, optimizer: Optimizer, batch: int, seed: int):
        super().__init__(network, network.trainer(optimizer, batch), batch)
        self.held = self.trainer.hold(x, y)
        self._orders: Iterator[NDArray[np.int64]] = orders_of(
            self.held.rows, sys.maxsize, True, np.random.default_rng(seed)
        )
        self._order, self._at = np.empty(0, np.int64), 0
        self._most = 1

    @property
    def steps_of_epoch(self) -> int:
        return -(-int(self.held.rows) // self.batch)

    def _call(self, most: int) -> None:
        """Some steps of an epoch, in one call of the kernels."""
        if self._at >= len(self._order):
            self._draw_ahead()
        ahead = -(-(len(self._order) - self._at) // self.batch)
        steps = min(ahead, self.curve.room, self._most, most)
        start = time.perf_counter()
        seen = self.trainer.epoch(self.held, self._order[self._at : self._at + steps * self.batch], steps)
        took = time.perf_counter() - start
        if took > CALL:
            self._most = max(1, steps // 2)
        elif took < CALL / 4 and steps == self._most:
            self._most *= 2
        self._at += steps * self.batch
        if math.isfinite(seen.loss) and self.trainer.is_finite():
            self.curve.add(seen.loss, seen.steps)
        else:
            self.stopped_at = self.steps

    def _draw_ahead(self) -> None:
        """The order of the next epoch; of several where none ends within a batch, for a call as long as it may be: 96
        steps of 3-4-2, an epoch at a batch of 32, take 300 us, and a call of them 130 more."""
        rows = self.held.rows
        epochs = 1 if rows % self.batch else max(1, min(AHEAD // rows, 2 * self._most // self.steps_of_epoch))
        self._order, self._at = np.empty(epochs * rows, np.int64), 0
        for epoch in range(epochs):
            self._order[epoch * rows : (epoch + 1) * rows] = next(self._orders)


def flat(network: Network, vector: NDArray[Any] | None = None) -> NDArray[Any]:
    """Parameters, or a vector laid out as they are, one behind the other, without the padding."""
    named = network.named_parameters if vector is None else network.named(vector)
    return np.concatenate([view.reshape(-1) for view in named.values()])
