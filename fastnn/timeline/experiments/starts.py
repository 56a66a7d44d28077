"""One network from many starts, as the experiments of 1986 ask: first weights, sweeps, and when it has learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cost import Cost
from fastnn.learning.losses import MSE
from fastnn.learning.optimizers import Momentum
from fastnn.networks.network import Network
from fastnn.timeline.experiments.found import Work

Array = NDArray[np.float64]
# Of squares; the papers of 1986 sum half of them, so rates are halved for it.
SQUARES = MSE(reduction="sum")
LOOK = 16


def draw(network: Network, bound: float, seed: int) -> Network:
    """Weights and biases anew, from -bound..bound."""
    rng = np.random.default_rng(seed)
    for values in network.named_parameters.values():
        values[:] = rng.uniform(-bound, bound, values.shape)
    return network


def descent(rate: float, momentum: float) -> Momentum:
    """Gradient descent on half the summed squares, by Rumelhart's rule: change = -rate * slope + momentum * last."""
    return Momentum(rate / 2, momentum)


class Sweeps:
    """A network and the rows that it learns in their order, sweep by sweep, many in one call of nopython code."""

    def __init__(self, network: Network, optimizer: Momentum, x: Array, y: Array, batch: int) -> None:
        self.network, self.x, self.y = network, x, y
        self.trainer: Any = network.trainer(optimizer, batch=batch)
        self.held = self.trainer.hold(x, y)
        self.orders = {sweeps: np.tile(np.arange(len(x)), sweeps) for sweeps in (1, LOOK)}
        self.made = 0

    def go(self, sweeps: int = 1) -> None:
        if sweeps not in self.orders:
            self.orders[sweeps] = np.tile(self.orders[1], sweeps)
        self.trainer.epoch(self.held, self.orders[sweeps])
        self.made += sweeps

    def until(self, learned: Callable[[Sweeps], bool], most: int) -> bool:
        """Sweeps until it has learned; False where it has not after `most`. Looked at every LOOK sweeps; those before
        the look that finds it are made again, one by one."""
        while self.made < most:
            before, made = self.trainer.snapshot(), self.made
            self.go(LOOK)
            if learned(self):
                self.trainer.restore(before)
                self.made = made
                self.go()
                while not learned(self):
                    self.go()
                return True
        return False

    @property
    def error(self) -> float:
        """E of 1986: half the summed squares."""
        return float(np.square(self.network(self.x) - self.y).sum() / 2)

    def within(self, distance: float) -> bool:
        """Whether every output is nearer to its target."""
        return bool(np.abs(self.network(self.x) - self.y).max() < distance)


def work_of(network: Network, rows: int, batch: int) -> Work:
    """Of a training on so many rows in all, in batches of so many."""
    step: Cost = network.cost(batch).total
    return Work(parameters=network.parameter_count, training_flops=float(step.flops) * rows / batch)
