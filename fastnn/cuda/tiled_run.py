"""Launches of large networks, by a walk through their operations; see fastnn.cuda.tiled and fastnn.cuda.operations."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda import tiled
from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.operations import OPERATIONS, Operation, Slope, widths_of
from fastnn.cuda.optimizer import EXTRAS, SMOOTHING
from fastnn.cuda.run import Data, Run, multiprocessors, number_of
from fastnn.cuda.target import cuda
from fastnn.learning.trainer import Trainable
from fastnn.tape import columns

# Rows of the batch that a part of a gradient has at the least, and the most parts.
PART_ROWS, MOST_PARTS = 256, 8


@cache
def _kernels(itemsize: int, of_labels: bool, precision: str | None) -> tiled.Kernels:
    return tiled.make_kernels(number_of(itemsize), G, of_labels, precision)


class TiledRun(Run):
    """A launch an operation and direction, on values in the device's memory."""

    path = "tiled"

    def __init__(self, network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64]) -> None:
        super().__init__(network, params, capacity, doubles)
        self._tape = network.plan(capacity, keep=True, span=capacity).tape
        self._count = int(self._tape[0, columns.OPERATIONS])
        self._operations: list[Operation] = [OPERATIONS[int(self.row(i)[columns.KIND])] for i in range(self._count)]
        self._alphas = doubles[EXTRAS : EXTRAS + self._count]
        self._precision = network.precision
        # Rows come behind the values: the CPU's scratch, which lies there, is not for the device.
        self._batch_at = int(self._tape[0, columns.SCRATCH_AT])
        self.workspace = cuda.device_array(self._batch_at + capacity * network.inputs, network.dtype)
        self.kernels = self._kernels_for(of_labels=True)
        self._most_parts = self._parts_of(capacity)
        self._take_parts(self._most_parts, -(-capacity // G.threads))

    def _kernels_for(self, of_labels: bool) -> tiled.Kernels:
        return _kernels(self.itemsize, of_labels, self._precision)

    def _parts_of(self, capacity: int) -> int:
        """Parts of a gradient: as many as leave no multiprocessor without a tile of the largest, and rows allow."""
        large, _ = self.kernels.products
        weights = (i for i, operation in enumerate(self._operations) if operation.multiplies)
        tiles = (prod(large.grid(*widths_of(self.row(i)))) for i in weights)
        wanted = -(-multiprocessors() // max(tiles, default=1))
        return max(1, min(wanted, MOST_PARTS, capacity // PART_ROWS))

    # What operations find (fastnn.cuda.operations.Walk) --------------------------------------------------------------

    def row(self, i: int) -> NDArray[np.int64]:
        row: NDArray[np.int64] = self._tape[1 + i]
        return row

    def alpha(self, i: int) -> float:
        return float(self._alphas[i])

    def source(self, i: int) -> int:
        at = int(self.row(i)[columns.INPUT])
        return at if at >= 0 else self._batch_at

    def before(self, i: int) -> Slope:
        return self._operations[i - 1].slope(self, i - 1)

    def products(self, rows: int, width: int, parts: int = 1) -> tiled.Products:
        """By large tiles, but by small ones where those would leave multiprocessors without any."""
        large, small = self.kernels.products
        return large if prod(large.grid(rows, width)) * parts >= multiprocessors() else small

    def spread(self, elements: int) -> int:
        return max(1, min(-(-elements // G.threads), 32 * multiprocessors()))

    # The walk --------------------------------------------------------------------------------------------------------

    def rows(self, data: Data, rows: int, out: Any, trains: bool) -> tuple[int, int]:
        self.kernels = self._kernels_for(data.y.ndim == 1)
        self.launch(
            self.kernels.gather, self.spread(rows * self.network.inputs), G.threads,
            self.workspace, self._batch_at, data.x, data.order, data.ledger, rows, self.doubles, trains,
        )  # fmt: skip
        for i, operation in enumerate(self._operations):
            operation.forward(self, i, rows)
        if out.size > 0:
            at = int(self._tape[0, columns.OUTPUT_AT])
            out.copy_to_device(self.workspace[at : at + rows * self.network.outputs])
        if not trains:
            return 0, 0
        tallies = self._lose(data, rows)
        parts = max(1, min(self._most_parts, rows // PART_ROWS))
        for i in reversed(range(self._count)):
            self._operations[i].gradient(self, i, rows, parts)
            if self.row(i)[columns.DINPUT] >= 0:
                self._operations[i].backward(self, i, rows)
        return parts, tallies

    def _lose(self, data: Data, rows: int) -> int:
        header, slope, blocks = self._tape[0], self.before(self._count), -(-rows // G.threads)
        weights_at = EXTRAS + self._count if header[columns.LOSS_CONSTANTS] > 0 else -1
        self.launch(
            self.kernels.lose, blocks, G.threads,
            self.workspace, int(header[columns.DOUTPUT_AT]), slope.y_at, slope.z_at, self._tallies, data.y, data.order,
            data.ledger, rows, self.network.outputs, int(header[columns.LOSS]), int(header[columns.IGNORE_INDEX]),
            self.doubles, weights_at, SMOOTHING, slope.kind, slope.alpha,
        )  # fmt: skip
        return blocks
