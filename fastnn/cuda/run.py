"""What is launched for a network: forward passes and steps on rows of data that lie on the device, whichever way rows
take through the network (fastnn.cuda.memory).

Kernels are compiled for a type of number and a kind of target, whatever the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.loss import TALLY
from fastnn.cuda.optimizer import EXTRAS, NEXT_STEP, SMOOTHING, make_sum_gradient, make_update, next_step
from fastnn.cuda.target import cuda, description, launcher
from fastnn.learning.losses import CrossEntropy
from fastnn.learning.trainer import Trainable
from fastnn.learning.training import CONTROL_SIZE, STEP

# Blocks of the update for a multiprocessor; their threads take parameters in strides.
UPDATE_BLOCKS_EACH = 8


def multiprocessors() -> int:
    return int(description()["multiprocessors"])


def number_of(itemsize: int) -> Any:
    return numba.float32 if itemsize == 4 else numba.float64


sum_gradient, update = (make(G.update_threads, G.across) for make in (make_sum_gradient, make_update))


def doubles_of(network: Trainable, control: NDArray[np.float64]) -> NDArray[np.float64]:
    """The settings that kernels read, for an optimizer's control vector; see fastnn.cuda.optimizer."""
    loss = network.loss_function
    smoothing, weights = 0.0, []
    if isinstance(loss, CrossEntropy):
        smoothing, weights = loss.label_smoothing, list(loss.class_weight or ())
    alphas = [operation.layer.alpha or 0.0 for operation in network.operations]
    doubles = np.zeros(EXTRAS + len(alphas) + len(weights))
    doubles[:CONTROL_SIZE] = control
    doubles[NEXT_STEP] = control[STEP]
    doubles[SMOOTHING] = smoothing
    doubles[EXTRAS : EXTRAS + len(alphas)] = alphas
    doubles[EXTRAS + len(alphas) :] = weights
    return doubles


@dataclass(frozen=True, eq=False)
class Data:
    """Rows on the device: x (N, I), y labels (N,) or targets (N, O), order (n,) of those to take, a batch after the
    other; ledger (see fastnn.cuda.ledger). The same where all of them lie at the same places."""

    x: Any
    y: Any
    order: Any
    ledger: Any


class Run:
    """A network's launches for batches of up to `capacity` rows, on parameters that lie on the device."""

    path: ClassVar[str]

    def __init__(self, network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64]) -> None:
        self.network, self.params, self.capacity = network, params, capacity
        self.doubles = cuda.to_device(doubles)
        self.state: Any = None
        self.stream: Any = 0  # or what records launches
        self.size, self.itemsize = network.layout.size, network.dtype.itemsize
        self.mean = network.loss_function.reduction == "mean"
        self._none = cuda.to_device(np.zeros(0, network.dtype))

    @property
    def gradient(self) -> Any:
        """The first part, which sum_gradient overwrites with the gradient."""
        return self.parts[: self.size]

    def _take_parts(self, parts: int, tallies: int) -> None:
        self.parts = cuda.to_device(np.zeros(parts * self.size, self.network.dtype))
        self._tallies = cuda.to_device(np.zeros(tallies * TALLY))
        most = UPDATE_BLOCKS_EACH * multiprocessors()
        elements = G.update_threads if parts < G.update_threads // G.across else G.across
        self._update_blocks = max(1, min(-(-self.size // elements), most))
        self._squares = cuda.to_device(np.zeros(self._update_blocks))

    def launch(self, kernel: Any, grid: Any, block: Any, *arguments: Any, shared_bytes: int = 0) -> None:
        launcher(kernel, grid, block, shared_bytes, self.stream)(*arguments)

    def rows(self, data: Data, rows: int, out: Any, trains: bool) -> tuple[int, int]:
        """Forward to out (flat, or empty) and, where it trains, backward, on the next rows of data; returns the parts
        and tallies it made."""
        raise NotImplementedError

    def forward(self, data: Data, rows: int, out: Any) -> None:
        self.rows(data, rows, out, False)

    def find_gradient(self, data: Data, rows: int) -> int:
        """Loss and gradient of the next batch; the gradient replaces the first part. Returns the tallies."""
        parts, tallies = self.rows(data, rows, self._none, True)
        self.launch(
            sum_gradient, self._update_blocks, G.update_threads,
            self.gradient, self._squares, self.parts, parts, self._tallies, tallies, self.mean,
        )  # fmt: skip
        return tallies

    def step(self, data: Data, rows: int, clips: bool) -> None:
        """One training step on the next rows of data."""
        parts = 1
        if clips:
            tallies = self.find_gradient(data, rows)
        else:
            parts, tallies = self.rows(data, rows, self._none, True)
        self.move(parts, clips, tallies, data.ledger, rows)

    def begin(self) -> None:
        """A step whose gradient is there already."""
        self.launch(next_step, 1, 1, self.doubles)

    def move(self, parts: int, is_gradient: bool, tallies: int, ledger: Any, rows: int) -> None:
        """The update of a step; see fastnn.cuda.optimizer."""
        self.launch(
            update, self._update_blocks, G.update_threads,
            self.params, self.state, self.parts, parts, is_gradient, self._squares, self.doubles, self._tallies,
            tallies, self.mean, ledger, rows,
        )  # fmt: skip

    def totals(self, tallies: int) -> NDArray[np.float64]:
        """What the loss of the last batch came to; see fastnn.cuda.loss."""
        found: NDArray[np.float64] = self._tallies.copy_to_host()[: tallies * TALLY].reshape(-1, TALLY).sum(axis=0)
        return found
