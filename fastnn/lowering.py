"""From layers to a tape: where each parameter, value and gradient lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._jit import most_threads
from fastnn.checks import aligned_zeros, require_memory
from fastnn.kernels.loss import NAMES as LOSS_NAMES
from fastnn.layers import Operation
from fastnn.losses import CrossEntropy, Loss
from fastnn.tape import columns, residual

BLOCK_BYTES = 64
# Batches of more than CHUNK_ROWS go through networks of at most so many parameters a chunk at a time. A step of 10,000
# rows of 4-32-16-4 on one thread, without partial sums: 64 rows 765 us, 128 730, 256 718, 512 708.
CHUNK_ROWS, CHUNKED_PARAMETERS = 256, 4_096


@dataclass(frozen=True)
class Block:
    """A named array inside a flat vector: its first element and its shape."""

    offset: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def view(self, vector: NDArray[Any]) -> NDArray[Any]:
        return vector[self.offset : self.offset + self.size].reshape(self.shape)


class _Allocator:
    """Hands out blocks of a flat vector, each beginning on 64 bytes."""

    def __init__(self, itemsize: int) -> None:
        self.unit = BLOCK_BYTES // itemsize
        self.size = 0

    def take(self, elements: int) -> int:
        offset = self.size
        self.size += -(-elements // self.unit) * self.unit
        return offset


@dataclass(frozen=True)
class ParameterLayout:
    """Where each parameter lies. count never counts the padding between blocks; size does."""

    blocks: dict[str, Block]
    size: int

    unit: int

    @property
    def count(self) -> int:
        return sum(block.size for block in self.blocks.values())

    def extent(self, operation: Operation) -> tuple[int, int]:
        """Where the parameters of an operation begin, and how many elements they take with the zeros between them."""
        blocks = [self.blocks[name] for name in operation.parameter_shapes]
        if not blocks:
            return 0, 0
        begin, end = blocks[0].offset, blocks[-1].offset + blocks[-1].size
        return begin, -(-(end - begin) // self.unit) * self.unit


def layout_parameters(operations: Sequence[Operation], itemsize: int) -> ParameterLayout:
    """Names are "<layer>.<parameter>", as in a torch Sequential: "0.weight", "0.bias", "1.0.weight", ..."""
    allocator = _Allocator(itemsize)
    blocks = {}
    for operation in operations:
        for name, shape in operation.parameter_shapes.items():
            blocks[name] = Block(allocator.take(math.prod(shape)), shape)
    return ParameterLayout(blocks, allocator.size, allocator.unit)


@dataclass
class _Places:
    """See fastnn.layers.protocol.Places."""

    operation: Operation
    layout: ParameterLayout
    values: _Allocator
    capacity: int
    output: int

    def parameter(self, name: str) -> tuple[int, int]:
        block = self.layout.blocks.get(f"{self.operation.name}.{name}")
        return (block.offset, block.size) if block else (0, 0)

    def keep(self, width: int) -> int:
        return self.values.take(self.capacity * width)


def _rows(
    operations: Sequence[Operation], layout: ParameterLayout, values: _Allocator, capacity: int, gradients: bool
) -> NDArray[np.int64]:
    """The operation rows; a gradient is computed from the first layer with parameters on, and of no earlier input."""
    rows = np.zeros((len(operations), columns.COLUMNS), np.int64)
    source, d_source = -1, -1
    trained = False
    for row, operation in zip(rows, operations, strict=True):
        layer, inputs, outputs = operation.layer, operation.inputs, operation.outputs
        output = values.take(capacity * outputs) if operation.computes else source
        row[columns.KIND] = layer.kind
        row[columns.WIDTH_IN], row[columns.WIDTH_OUT] = inputs, outputs
        row[columns.INPUT], row[columns.OUTPUT] = source, max(output, 0)  # nobody reads a fork's
        for column, value in layer.own_columns(inputs, _Places(operation, layout, values, capacity, output)).items():
            row[column] = value
        row[columns.DINPUT] = d_source if trained else -1
        row[columns.DOUTPUT] = values.take(capacity * outputs) if gradients else -1
        row[columns.PARAMETERS], row[columns.PARAMETERS_SIZE] = layout.extent(operation)
        if operation.fork is not None:
            fork = rows[operation.fork]
            row[residual.SIDE], fork[residual.SIDE] = fork[columns.INPUT], row[columns.DOUTPUT]
        trained = trained or row[columns.PARAMETERS_SIZE] > 0
        source, d_source = output, int(row[columns.DOUTPUT])
    return rows


def _scratch(operations: Sequence[Operation], layout: ParameterLayout, rows: int, itemsize: int) -> int:
    """Room for what any operation needs, and for the gradients that wait for their update."""
    own = max(operation.layer.scratch(rows, operation.inputs, itemsize) for operation in operations)
    registered = [operation for operation in operations if operation.layer.kind >= columns.FIRST_REGISTERED]
    return max(own, *(layout.extent(operation)[1] for operation in registered), 0)


def _class_weight_rows(loss: Loss) -> NDArray[np.int64]:
    weights = np.array(loss.class_weight if isinstance(loss, CrossEntropy) and loss.class_weight else [], np.float64)
    rows = -(-weights.size // columns.COLUMNS)
    padded = np.zeros(rows * columns.COLUMNS)
    padded[: weights.size] = weights
    return padded.view(np.int64).reshape(rows, columns.COLUMNS)


@dataclass(frozen=True)
class Plan:
    """A tape for batches of up to `capacity` rows, and the size of the workspace that it walks."""

    tape: NDArray[np.int64]
    capacity: int
    dtype: np.dtype[Any]

    @property
    def workspace_size(self) -> int:
        return int(self.tape[0, columns.WORKSPACE_SIZE])

    def workspace(self) -> NDArray[Any]:
        require_memory(self.workspace_size, self.dtype, f"the workspace of a batch of {self.capacity}")
        return aligned_zeros(self.workspace_size, self.dtype)


def lower(
    operations: Sequence[Operation], layout: ParameterLayout, loss: Loss, dtype: np.dtype[Any], capacity: int,
    gradients: bool = True,
) -> Plan:  # fmt: skip
    """The tape of a chain of operations; without gradients its workspace has room for the forward pass only."""
    values = _Allocator(dtype.itemsize)
    rows = _rows(operations, layout, values, capacity, gradients)
    scratch = _scratch(operations, layout, capacity, dtype.itemsize)
    weights = _class_weight_rows(loss)
    chunk = CHUNK_ROWS if layout.count <= CHUNKED_PARAMETERS and capacity > CHUNK_ROWS else 0
    shares = min(most_threads(), -(-capacity // CHUNK_ROWS)) if chunk else 1
    if chunk:
        scratch = max(scratch, shares * _scratch(operations, layout, chunk, dtype.itemsize))
    header = np.zeros(columns.COLUMNS, np.int64)
    header[columns.OPERATIONS], header[columns.CAPACITY] = len(operations), capacity
    header[columns.SCRATCH_AT], header[columns.SCRATCH_SIZE] = values.take(scratch), scratch
    header[columns.OUTPUT_AT] = rows[-1, columns.OUTPUT]
    header[columns.DOUTPUT_AT] = rows[-1, columns.DOUTPUT]
    header[columns.OUTPUT_WIDTH] = rows[-1, columns.WIDTH_OUT]
    header[columns.LOSS], header[columns.LOSS_MEAN] = LOSS_NAMES.index(loss.name), loss.reduction == "mean"
    if isinstance(loss, CrossEntropy):
        header[columns.IGNORE_INDEX] = loss.ignore_index
        header[columns.LABEL_SMOOTHING] = columns.bits(loss.label_smoothing)
    header[columns.CLASS_WEIGHTS] = len(operations) + 1 if len(weights) else 0
    header[columns.LOSSES_AT] = values.take(capacity)
    header[columns.BATCH_AT] = values.take(capacity * operations[0].inputs) if gradients else -1
    header[columns.DBIAS_AT] = values.take(int(rows[:, columns.BIAS_SIZE].max())) if gradients else -1
    header[columns.CHUNK], header[columns.SHARES] = chunk, shares
    spans = -(-capacity // (CHUNK_ROWS * columns.CHUNKS_OF_SPAN)) if chunk and gradients else 0
    header[columns.PARTIALS_AT] = values.take(spans * layout.size)
    header[columns.WORKSPACE_SIZE] = values.size
    return Plan(np.vstack([header[None], rows, weights]), capacity, dtype)
