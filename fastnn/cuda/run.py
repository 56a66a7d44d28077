"""What is launched for a network: forward passes and steps on rows of data that lie on the device.

The path is chosen once: fused where every layer is narrow and a block's rows fit its shared memory, else tiled, which
also has the tensor cores.
Kernels are compiled for a type of number and a kind of target, whatever the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any, ClassVar

import numba
import numpy as np
from numpy.typing import NDArray

from fastnn.cuda import fused, tiled
from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.loss import TALLY
from fastnn.cuda.optimizer import EXTRAS, NEXT_STEP, SMOOTHING, make_sum_gradient, make_update, next_step
from fastnn.cuda.room import Room, room_for
from fastnn.cuda.target import cuda, description, launcher
from fastnn.learning.losses import CrossEntropy
from fastnn.learning.trainer import Trainable
from fastnn.learning.training import CONTROL_SIZE, STEP
from fastnn.tape import columns

# Blocks of the fused kernel for a multiprocessor, each with a part of the gradient of its own.
BLOCKS_EACH = 2
# What all of those parts take at the most, beside two blocks each: about the second cache of a large device.
PARTS_BYTES = 2**26
# The same of the update, whose threads take parameters in strides.
UPDATE_BLOCKS_EACH = 8
# Rows of the batch that a part of a tiled gradient has at the least, and the most parts.
PART_ROWS, MOST_PARTS = 256, 8


def _multiprocessors() -> int:
    return int(description()["multiprocessors"])


@cache
def _rows_kernel(itemsize: int, rows: int, of_labels: bool) -> Any:
    return fused.make_rows(_number(itemsize), G, rows, of_labels)


@cache
def _tiled_kernels(itemsize: int, of_labels: bool, precision: str | None) -> tiled.Kernels:
    return tiled.make_kernels(_number(itemsize), G, of_labels, precision)


def _number(itemsize: int) -> Any:
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


def _values_end(tape: NDArray[np.int64]) -> int:
    """Elements of a workspace that the device needs: all but the CPU's scratch, which lies behind the values."""
    return int(tape[0, columns.SCRATCH_AT])


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
        return self._parts[: self.size]

    def _take_parts(self, parts: int, tallies: int) -> None:
        self._parts = cuda.to_device(np.zeros(parts * self.size, self.network.dtype))
        self._tallies = cuda.to_device(np.zeros(tallies * TALLY))
        most = UPDATE_BLOCKS_EACH * _multiprocessors()
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
            self.gradient, self._squares, self._parts, parts, self._tallies, tallies, self.mean,
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
            self.params, self.state, self._parts, parts, is_gradient, self._squares, self.doubles, self._tallies,
            tallies, self.mean, ledger, rows,
        )  # fmt: skip

    def totals(self, tallies: int) -> NDArray[np.float64]:
        """What the loss of the last batch came to; see fastnn.cuda.loss."""
        found: NDArray[np.float64] = self._tallies.copy_to_host()[: tallies * TALLY].reshape(-1, TALLY).sum(axis=0)
        return found


class FusedRun(Run):
    """See fastnn.cuda.fused."""

    path = "fused"

    def __init__(
        self, network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64], room: Room
    ) -> None:
        super().__init__(network, params, capacity, doubles)
        self._room = room
        self._tape = cuda.to_device(room.tape)
        least = BLOCKS_EACH * _multiprocessors()
        # Small blocks leave room for others, as long as the parts of the gradient do not outgrow the cache.
        most = min(least * G.fused_rows[0] // room.rows, PARTS_BYTES // (self.size * self.itemsize))
        self._blocks = min(-(-capacity // room.rows), max(least, most))
        self._take_parts(self._blocks, self._blocks)

    def rows(self, data: Data, rows: int, out: Any, trains: bool) -> tuple[int, int]:
        room = self._room
        blocks = min(self._blocks, -(-rows // room.rows))
        kernel = _rows_kernel(self.itemsize, room.rows, data.y.ndim == 1)
        self.launch(
            kernel, blocks, (G.across, room.rows // G.vector),
            self._tape, self.doubles, self.params, self._parts, self._tallies, out, data.x, data.y, data.order,
            data.ledger, rows, room.staged_at, trains, shared_bytes=room.shared_bytes,
        )  # fmt: skip
        return blocks, blocks


class TiledRun(Run):
    """See fastnn.cuda.tiled."""

    path = "tiled"

    def __init__(self, network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64]) -> None:
        super().__init__(network, params, capacity, doubles)
        tape = network.plan(capacity, keep=True, span=capacity).tape
        self._tape = tape
        self._alphas = doubles[EXTRAS : EXTRAS + len(network.operations)]
        self._precision = network.precision
        batch_at = _values_end(tape)
        self._batch_at = batch_at
        self._workspace = cuda.device_array(batch_at + capacity * network.inputs, network.dtype)
        large, _ = self._kernels(True).products
        widths = [(int(row[columns.WIDTH_IN]), int(row[columns.WIDTH_OUT])) for row in self._rows() if _is_dense(row)]
        largest = max((prod(large.grid(*each)) for each in widths), default=1)
        wanted = -(-_multiprocessors() // largest)
        self._most_parts = max(1, min(wanted, MOST_PARTS, capacity // PART_ROWS))
        self._take_parts(self._most_parts, -(-capacity // G.threads))

    def _kernels(self, of_labels: bool) -> tiled.Kernels:
        return _tiled_kernels(self.itemsize, of_labels, self._precision)

    def _products(self, kernels: tiled.Kernels, rows: int, width: int, parts: int = 1) -> tiled.Products:
        """By large tiles, but by small ones where those would leave multiprocessors without any."""
        large, small = kernels.products
        return large if prod(large.grid(rows, width)) * parts >= _multiprocessors() else small

    def _rows(self) -> NDArray[np.int64]:
        return self._tape[1 : 1 + int(self._tape[0, columns.OPERATIONS])]

    def _before(self, i: int) -> tuple[int, int, int, float]:
        """What turns the gradient of operation i's input into that before the activation that made it: where z and y
        lie, kind and alpha. Operation i is not the first; the last but one is the loss."""
        row = self._rows()[i - 1]
        z_at = int(row[columns.PRE]) if _is_dense(row) else self._source(i - 1)
        return z_at, int(row[columns.OUTPUT]), int(row[columns.ACTIVATION]), float(self._alphas[i - 1])

    def _source(self, i: int) -> int:
        at = int(self._rows()[i, columns.INPUT])
        return at if at >= 0 else self._batch_at

    def rows(self, data: Data, rows: int, out: Any, trains: bool) -> tuple[int, int]:
        kernels = self._kernels(data.y.ndim == 1)
        work = self._workspace
        self.launch(
            kernels.gather, _blocks_of(rows * self.network.inputs), G.threads,
            work, self._batch_at, data.x, data.order, data.ledger, rows, self.doubles, trains,
        )  # fmt: skip
        for i, row in enumerate(self._rows()):
            self._forward(kernels, i, row, rows)
        if out.size > 0:
            at = int(self._tape[0, columns.OUTPUT_AT])
            out.copy_to_device(work[at : at + rows * self.network.outputs])
        if not trains:
            return 0, 0
        tallies = self._lose(kernels, data, rows)
        parts = max(1, min(self._most_parts, rows // PART_ROWS))
        for i in range(len(self._rows()) - 1, -1, -1):
            self._backward(kernels, i, self._rows()[i], rows, parts)
        return parts, tallies

    def _forward(self, kernels: tiled.Kernels, i: int, row: NDArray[np.int64], rows: int) -> None:
        inputs, outputs, kind = int(row[columns.WIDTH_IN]), int(row[columns.WIDTH_OUT]), int(row[columns.ACTIVATION])
        work, alpha, x_at, y_at = self._workspace, float(self._alphas[i]), self._source(i), int(row[columns.OUTPUT])
        if not _is_dense(row):
            self.launch(
                kernels.elementwise, _blocks_of(rows * outputs), G.threads,
                work, x_at, y_at, rows * outputs, kind, alpha,
            )  # fmt: skip
            return
        products = self._products(kernels, rows, outputs)
        self.launch(
            products.forward, products.grid(rows, outputs), products.block,
            work, x_at, int(row[columns.PRE]), y_at, self.params, int(row[columns.WEIGHT]), int(row[columns.BIAS]),
            int(row[columns.BIAS_SIZE]), rows, outputs, inputs, kind, alpha,
        )  # fmt: skip

    def _lose(self, kernels: tiled.Kernels, data: Data, rows: int) -> int:
        header, count = self._tape[0], len(self._rows())
        z_at, y_at, kind, alpha = self._before(count)
        weights_at = EXTRAS + count if header[columns.LOSS_CONSTANTS] > 0 else -1
        blocks = -(-rows // G.threads)
        self.launch(
            kernels.lose, blocks, G.threads,
            self._workspace, int(header[columns.DOUTPUT_AT]), y_at, z_at, self._tallies, data.y, data.order,
            data.ledger, rows, self.network.outputs, int(header[columns.LOSS]), int(header[columns.IGNORE_INDEX]),
            self.doubles, weights_at, SMOOTHING, kind, alpha,
        )  # fmt: skip
        return blocks

    def _backward(self, kernels: tiled.Kernels, i: int, row: NDArray[np.int64], rows: int, parts: int) -> None:
        inputs, outputs = int(row[columns.WIDTH_IN]), int(row[columns.WIDTH_OUT])
        work, dz_at, dx_at = self._workspace, int(row[columns.DOUTPUT]), int(row[columns.DINPUT])
        if _is_dense(row):
            terms = -(-rows // parts)
            products = self._products(kernels, inputs, outputs, parts)
            self.launch(
                products.gradient, (*products.grid(inputs, outputs), parts), products.block,
                self._parts, self.size, int(row[columns.WEIGHT]), work, self._source(i), dz_at, inputs, outputs, rows,
                terms,
            )  # fmt: skip
            if row[columns.BIAS_SIZE] > 0:
                self.launch(
                    kernels.bias_gradient, (-(-outputs // G.across), 1, parts), (G.across, G.down),
                    self._parts, self.size, int(row[columns.BIAS]), work, dz_at, outputs, rows, terms,
                )  # fmt: skip
        if dx_at < 0:
            return
        z_at, y_at, kind, alpha = self._before(i)
        if _is_dense(row):
            products = self._products(kernels, rows, inputs)
            self.launch(
                products.backward, products.grid(rows, inputs), products.block,
                work, dx_at, dz_at, self.params, int(row[columns.WEIGHT]), z_at, y_at, rows, inputs, outputs, kind,
                alpha,
            )  # fmt: skip
        else:
            self.launch(
                kernels.elementwise_backward, _blocks_of(rows * inputs), G.threads,
                work, dx_at, dz_at, z_at, y_at, rows * inputs, kind, alpha,
            )  # fmt: skip


def _is_dense(row: NDArray[np.int64]) -> bool:
    return bool(row[columns.KIND] == columns.DENSE)


def _blocks_of(elements: int) -> int:
    """Blocks for a loop over so many elements, each thread in strides."""
    return max(1, min(-(-elements // G.threads), 32 * _multiprocessors()))


def run_for(network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64]) -> Run:
    """The path for a network."""
    room = None if network.precision else room_for(network, capacity, _multiprocessors())
    if room is None:
        return TiledRun(network, params, capacity, doubles)
    return FusedRun(network, params, capacity, doubles, room)
