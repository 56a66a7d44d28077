"""The tape of a graph of operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import aligned_zeros, require_memory
from fastnn.kernels.loss import CROSS_ENTROPY
from fastnn.layers import Operation
from fastnn.lowering.blocks import Allocator, Lifetime
from fastnn.lowering.parameters import ParameterLayout, constants
from fastnn.lowering.spanning import LOCAL_SPANS, SPAN_ROWS, SPANS_AT_ONCE, is_joint, is_local, work_of
from fastnn.lowering.values import Values, offset
from fastnn.operations import fan_out, tied
from fastnn.tape import columns
from fastnn.tape.operations import BY_ROWS
from fastnn.tape.pieces import scratch_of_pieces

# Batches of more than CHUNK_ROWS go through networks of at most so much work a row a chunk at a time. A step of 10,000
# rows of 4-32-16-4 on one thread, without partial sums: 64 rows 765 us, 128 730, 256 718, 512 708.
CHUNK_ROWS, CHUNKED_WORK = 256, 4_096
# Outputs that a tape keeps beside their gradients unless it is told otherwise, and those that are there at a time where
# it does not.
KEPT_BYTES, PIECE_BYTES = 256 << 20, 64 << 20


@dataclass(frozen=True)
class Plan:
    """A tape for batches of up to `capacity` rows, and the size of the workspace that it walks."""

    tape: NDArray[np.int64]
    capacity: int
    dtype: np.dtype[Any]

    @property
    def workspace_size(self) -> int:
        return int(self.tape[0, columns.WORKSPACE_SIZE])

    @property
    def span(self) -> int:
        """Rows whose gradient is summed as one; see fastnn.tape.spans."""
        return int(self.tape[0, columns.SPAN_ROWS])

    @property
    def keeps_output(self) -> bool:
        """Whether the outputs of a batch are there when a step is done; see fastnn.tape.pieces."""
        return int(self.tape[0, columns.PIECE]) == 0

    @property
    def kinds(self) -> list[int]:
        """Of the operations."""
        return [int(kind) for kind in self.tape[1 : 1 + self.tape[0, columns.OPERATIONS], columns.KIND]]

    def workspace(self) -> NDArray[Any]:
        require_memory(self.workspace_size, self.dtype, f"the workspace of a batch of {self.capacity}")
        return aligned_zeros(self.workspace_size, self.dtype)


class Objective(Protocol):
    """What a tape is told of a loss: columns of its header, and numbers that are kept behind the rows, or None."""

    @property
    def header(self) -> Mapping[int, int]: ...

    @property
    def constants(self) -> Sequence[float] | None: ...


def piece_of(
    operations: Sequence[Operation], loss: Objective, dtype: np.dtype[Any], capacity: int, must: bool
) -> int:  # fmt: skip
    """Rows of a loss that are made at a time; 0 where all outputs are kept, since they are few or nothing else can be.

    ValueError where it must be done, and cannot.
    """
    last = operations[-1]
    given = capacity * last.outputs * dtype.itemsize
    can = loss.header[columns.LOSS] == CROSS_ENTROPY and getattr(last.layer, "is_product", False)
    if must and not can:
        raise ValueError(
            "keep_output=False is for a cross-entropy of what a TiedHead, or a Dense without an activation, gives last"
        )
    if not can or not (must or given > KEPT_BYTES):
        return 0
    row = last.shape[-1] * dtype.itemsize
    return max(1, min(PIECE_BYTES // row, capacity * last.outputs // last.shape[-1]))


@dataclass
class _Constants:
    """Rows behind those of the operations."""

    begin: int
    rows: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, values: Sequence[int] | NDArray[np.int64]) -> int:
        """The row that the values begin on."""
        at = self.begin + sum(map(len, self.rows))
        self.rows.append(constants(np.asarray(values, np.int64)))
        return at


@dataclass
class _Places:
    """See fastnn.graph.protocol.Places."""

    operation: Operation
    layout: ParameterLayout
    inputs: list[int]
    input_gradients: list[int]
    output: int
    blocks: dict[str, Lifetime]
    more: _Constants

    @property
    def number(self) -> int:
        return self.operation.number

    def parameter(self, name: str) -> tuple[int, int]:
        if name not in self.operation.parameter_names:
            return 0, 0
        block = self.layout.blocks[self.operation.parameter_names[name]]
        return block.offset, block.size

    def kept(self, name: str) -> int:
        return self.blocks[name].offset

    def constants(self, values: Sequence[int]) -> int:
        return self.more.add(values)


@dataclass
class _Rows:
    """The rows of the operations of a tape, and those of its own beside them."""

    operations: Sequence[Operation]
    layout: ParameterLayout
    values: Values
    shared: Sequence[Sequence[str]]
    more: _Constants
    rows: list[NDArray[np.int64]] = field(default_factory=list)

    def _row(self, kind: int) -> NDArray[np.int64]:
        row = np.zeros(columns.COLUMNS, np.int64)
        row[columns.KIND], row[columns.POSITIONS], row[columns.BY_ROWS] = kind, 1, BY_ROWS.get(kind, 0)
        row[columns.INPUT] = row[columns.DINPUT] = -1
        row[columns.DOUTPUT] = 0 if self.values.trains else -1
        self.rows.append(row)
        return row

    def add_sums(self, number: int) -> None:
        """What adds the gradients of the values that an operation reads first: backward it comes after it."""
        for value, parts in self.values.sums.get(number, []):
            row = self._row(fan_out.SUM)
            row[columns.WIDTH_IN] = row[columns.WIDTH_OUT] = self.operations[value].outputs
            row[columns.DINPUT] = row[columns.INPUT] = offset(self.values.gradients[value])  # INPUT is not read
            row[columns.INWARD] = 1
            row[fan_out.COUNT] = len(parts)
            row[fan_out.TABLE] = self.more.add([part.offset for part in parts])

    def add_operation(self, number: int) -> None:
        operation, values = self.operations[number], self.values
        layer, positions = operation.layer, operation.positions
        inputs = [-1 if source == 0 else values.outputs[source - 1].offset for source in operation.sources]
        wanted = values.contributions[number] if values.trains else [None] * len(inputs)
        gradients = list(map(offset, wanted))
        row = self._row(layer.kind)
        row[columns.INPUT], row[columns.OUTPUT] = inputs[0], values.outputs[number].offset
        if values.trains:
            row[columns.DOUTPUT] = max(offset(values.gradients[number]), 0)  # nobody reads one that is not wanted
            row[columns.DINPUT], row[columns.INWARD] = gradients[0], any(place >= 0 for place in gradients)
        row[columns.POSITIONS] = positions
        row[columns.WIDTH_IN], row[columns.WIDTH_OUT] = operation.inputs // positions, operation.outputs // positions
        row[columns.PARAMETERS], row[columns.PARAMETERS_SIZE] = self.layout.extent(operation)
        places = _Places(operation, self.layout, inputs, gradients, int(row[columns.OUTPUT]), values.kept[number],
                         self.more)  # fmt: skip
        for column, value in layer.own_columns(places, *operation.seen).items():
            row[column] = value

    def add_tied(self, number: int, kind: int, aside: int) -> None:
        """Around an operation some of whose parameters a later one has too."""
        for name in self.shared[number]:
            block = self.layout.blocks[name]
            row = self._row(kind)
            row[columns.PARAMETERS], row[columns.PARAMETERS_SIZE] = block.offset, block.size
            row[tied.OFFSET], row[tied.SIZE] = block.offset, block.size
            row[tied.ASIDE] = aside
            aside += self.layout.room(name)


def _shared_later(operations: Sequence[Operation]) -> list[list[str]]:
    """Of each operation, the parameters that a later one has too, by their whole names."""
    later: set[str] = set()
    found: list[list[str]] = []
    for operation in reversed(operations):
        names = list(operation.parameter_names.values())
        found.append([name for name in names if name in later])
        later.update(names)
    return found[::-1]


def _row_count(values: Values, shared: Sequence[Sequence[str]]) -> int:
    around = 2 * sum(map(len, shared)) if values.trains else 0
    return len(values.operations) + sum(map(len, values.sums.values())) + around


def _make_rows(
    operations: Sequence[Operation], layout: ParameterLayout, values: Values, aside: int
) -> tuple[list[NDArray[np.int64]], _Constants]:
    shared = _shared_later(operations)
    more = _Constants(1 + _row_count(values, shared))
    made = _Rows(operations, layout, values, shared, more)
    for number in range(len(operations)):
        made.add_sums(number)
        if values.trains:
            made.add_tied(number, tied.ADD_AGAIN, aside)
        made.add_operation(number)
        if values.trains:
            made.add_tied(number, tied.SET_ASIDE, aside)
    return made.rows, more


def _scratch(
    operations: Sequence[Operation], layout: ParameterLayout, rows: int, itemsize: int, waits: bool
) -> int:  # fmt: skip
    """Room for what any operation needs; waits: and for the gradients that wait for their update."""
    own = max((operation.scratch(rows, itemsize) for operation in operations), default=0)
    registered = [each for each in operations if waits and each.layer.kind >= columns.FIRST_REGISTERED]
    return max(own, *(layout.extent(operation)[1] for operation in registered), 0)


def _describe_loss(header: NDArray[np.int64], loss: Objective, more: _Constants) -> None:
    for column, value in loss.header.items():
        header[column] = value
    numbers = loss.constants
    if numbers is not None:
        header[columns.LOSS_CONSTANTS] = more.add(np.array(numbers, np.float64).view(np.int64))


def _describe_parameters(header: NDArray[np.int64], layout: ParameterLayout, more: _Constants) -> None:
    header[columns.BLOCKS] = len(layout.blocks)
    header[columns.BLOCKS_AT] = more.add(layout.table())
    header[columns.GROUPED] = layout.has_statistics


@dataclass
class _Lowering:
    """See lower."""

    operations: Sequence[Operation]
    layout: ParameterLayout
    dtype: np.dtype[Any]
    capacity: int
    gradients: bool
    span: int
    piece: int

    def __post_init__(self) -> None:
        self.header = np.zeros(columns.COLUMNS, np.int64)
        self.allocator = Allocator(self.dtype.itemsize)
        self.shared = any(operation.shares for operation in self.operations)
        self.spanned = self.gradients and (self.capacity > self.span or self.piece > 0)
        self.rows = min(self.span, self.capacity) if self.spanned else self.capacity
        # What operations share is set aside in one place, which threads would share, and so is the scratch of all but
        # dense layers.
        scratch = any(
            operation.layer.kind >= columns.FIRST_REGISTERED and operation.scratch(1, self.dtype.itemsize)
            for operation in self.operations
        )
        apart = self.shared or scratch or is_joint(self.operations)
        small = work_of(self.operations) <= CHUNKED_WORK and not apart
        self.chunk = CHUNK_ROWS if small and self.capacity > CHUNK_ROWS else 0
        # Spans that threads take at once, 1 where they share the layers of one.
        at_once = SPANS_AT_ONCE if self.chunk else LOCAL_SPANS * most_threads() if is_local(self.operations) else 1
        self.at_once = min(at_once, -(-self.capacity // self.span))

    def make(self, loss: Objective, keep: bool) -> NDArray[np.int64]:
        header = self.header
        rows, more = self._make_slot(keep)
        header[columns.OPERATIONS], header[columns.CAPACITY] = len(rows), self.capacity
        header[columns.WORK] = work_of(self.operations)
        header[columns.TIED] = self.shared or self.piece > 0  # no update before the gradient is whole
        _describe_loss(header, loss, more)
        _describe_parameters(header, self.layout, more)
        # Without gradients nothing is summed, and any batch goes as one.
        header[columns.SPAN_ROWS] = self.span if self.gradients else max(self.span, self.capacity)
        header[columns.SPANNED] = self.spanned
        if self.spanned:
            self._add_slots()
        self._place_outputs(rows[-1])
        header[columns.WORKSPACE_SIZE] = self.allocator.size
        return np.vstack([header[None], *(row[None] for row in rows), *more.rows])

    def _make_slot(self, keep: bool) -> tuple[list[NDArray[np.int64]], _Constants]:
        """What a batch of at most a span needs, from the beginning of the workspace on."""
        header, take = self.header, self.allocator.take
        values = Values(self.operations, self.rows, self.gradients, self.piece)
        values.place(self.allocator, keep or self.chunk > 0)  # chunks are at different operations at one time
        waits = self.gradients and self.shared
        aside = take(_most_tied(self.operations, self.layout)) if waits else -1
        rows, more = _make_rows(self.operations, self.layout, values, aside)
        header[columns.SCRATCH_SIZE] = self._scratch_size()
        header[columns.SCRATCH_AT] = take(int(header[columns.SCRATCH_SIZE]))
        header[columns.BATCH_AT] = take(self.rows * self.operations[0].inputs) if self.gradients else -1
        header[columns.DBIAS_AT] = take(_largest_bias(rows)) if self.gradients else -1
        return rows, more

    def _scratch_size(self) -> int:
        header, itemsize = self.header, self.dtype.itemsize
        header[columns.CHUNK] = self.chunk
        header[columns.SHARES] = shares = min(most_threads(), -(-self.rows // CHUNK_ROWS)) if self.chunk else 1
        waits = self.gradients and not self.shared  # where parameters are shared a step has their whole gradient first
        whole = _scratch(self.operations[: -1 if self.piece else None], self.layout, self.rows, itemsize, waits)
        if self.piece:
            (inputs,), last = self.operations[-1].seen[0], self.operations[-1]
            is_dense = last.layer.kind == columns.DENSE
            more = scratch_of_pieces(is_dense, self.piece, last.shape[-1], inputs, itemsize, most_threads())
            whole = max(whole, more, self.layout.extent(last)[1] if waits else 0)
        if not self.chunk:
            return whole
        return max(whole, shares * _scratch(self.operations, self.layout, self.chunk, itemsize, waits))

    def _add_slots(self) -> None:
        """For threads that take spans, and the places of the tree; see fastnn.tape.spans."""
        header, take, size = self.header, self.allocator.take, self.layout.size
        spans = -(-self.capacity // self.span)
        header[columns.SLOT_SIZE] = slot = self.allocator.size
        header[columns.GROUP] = self.at_once
        header[columns.SLOTS] = slots = min(most_threads(), self.at_once)
        for _ in range(slots - 1):
            take(slot)
        if self.at_once > 1:
            header[columns.PARTIALS_AT] = take(self.at_once * size)
            header[columns.TOTALS_AT] = take(self.at_once * 8 // self.dtype.itemsize)
        header[columns.LEVELS_AT] = take((spans.bit_length() - 1) * size)  # the lowest is the gradient itself

    def _place_outputs(self, last: NDArray[np.int64]) -> None:
        """Of the whole batch: where the last operation leaves them, or else a copy."""
        header, take, whole = self.header, self.allocator.take, self.operations[-1]
        width = whole.shape[-1]
        header[columns.OUTPUT_WIDTH], header[columns.OUTPUT_ROWS] = width, whole.outputs // width
        header[columns.PIECE], header[columns.KEPT_WIDTH] = self.piece, 1 if self.piece else width
        header[columns.LOSSES_AT] = take(self.capacity * (whole.outputs // width))
        header[columns.OUTPUT_AT], header[columns.DOUTPUT_AT] = last[columns.OUTPUT], last[columns.DOUTPUT]
        if self.piece:
            header[columns.OUTPUT_AT] = header[columns.DOUTPUT_AT] = take(self.capacity * (whole.outputs // width))
        elif self.spanned:
            header[columns.OUTPUT_AT] = take(self.capacity * whole.outputs)
            header[columns.DOUTPUT_AT] = take(self.capacity * whole.outputs)


def lower(
    operations: Sequence[Operation], layout: ParameterLayout, loss: Objective, dtype: np.dtype[Any], capacity: int,
    gradients: bool = True, keep: bool = False, span: int = SPAN_ROWS, keep_output: bool | None = True,
) -> Plan:  # fmt: skip
    """The tape of operations; without gradients its workspace has room for the forward pass only.

    keep: every value and gradient has a place of its own, so that all can be looked at. span: see fastnn.tape.spans.
    keep_output: False makes a loss piece by piece, see fastnn.tape.pieces; None where the outputs are many and it can.
    """
    piece = 0
    if gradients and not keep and keep_output is not True:
        piece = piece_of(operations, loss, dtype, capacity, must=keep_output is False)
    made = _Lowering(operations, layout, dtype, capacity, gradients, span, piece)
    return Plan(made.make(loss, keep), capacity, dtype)


def _most_tied(operations: Sequence[Operation], layout: ParameterLayout) -> int:
    """Room for the parameters that any one operation shares with later ones."""
    return max(sum(map(layout.room, names)) for names in _shared_later(operations))


def _largest_bias(rows: Sequence[NDArray[np.int64]]) -> int:
    return max((int(row[columns.BIAS_SIZE]) for row in rows if row[columns.KIND] == columns.DENSE), default=0)
