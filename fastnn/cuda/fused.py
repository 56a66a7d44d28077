"""Small networks: a whole step but its update in one kernel, for networks whose rows fit shared memory.

A block takes a few rows through the network and back: their values and gradients lie in shared memory, laid out by a
tape for that many rows (see fastnn.tape), and what they add to the gradient goes to the block's own part. So a step is
two launches, this one and optimizer.update.

    tape     of a batch of `kept * down` rows; INPUT < 0 is the rows' place at BATCH_AT
    order    rows of x and y, those of the step from where ledger says on
    parts    (blocks, params.size), zero between parameters; tallies (blocks, TALLY): overwritten where `trains`
    out      (rows, O): the network's output, or empty
"""

from __future__ import annotations

from typing import Any

from numba import float64

from fastnn.cuda.activation import activate, inward
from fastnn.cuda.geometry import Geometry
from fastnn.cuda.ledger import first_row
from fastnn.cuda.loss import TALLY, labels_row, targets_row
from fastnn.cuda.optimizer import EXTRAS, SMOOTHING, begin_step
from fastnn.cuda.target import cuda, device, kernel
from fastnn.cuda.tile import make_gradient, make_product
from fastnn.tape.columns import (
    ACTIVATION,
    BATCH_AT,
    BIAS,
    BIAS_SIZE,
    CLASS_WEIGHTS,
    DENSE,
    DINPUT,
    DOUTPUT,
    DOUTPUT_AT,
    IGNORE_INDEX,
    INPUT,
    KIND,
    LOSS,
    OPERATIONS,
    OUTPUT,
    OUTPUT_AT,
    OUTPUT_WIDTH,
    PRE,
    WEIGHT,
    WIDTH_IN,
    WIDTH_OUT,
)

# Rows of a weight's gradient that a thread keeps.
GRADIENT_ROWS = 4


@device
def source_of(tape, i):
    """Where operation i reads its rows."""
    return tape[i, INPUT] if tape[i, INPUT] >= 0 else tape[0, BATCH_AT]


@device
def previous_inward(dx, tape, doubles, i, room, at):
    """dx, of one element of the input of operation i, through the activation that made it; i is not the first."""
    z, y = room[tape[i - 1, PRE] + at], room[tape[i - 1, OUTPUT] + at]
    if tape[i - 1, KIND] != DENSE:
        z = room[source_of(tape, i - 1) + at]
    return inward(dx, z, y, tape[i - 1, ACTIVATION], doubles[EXTRAS + i - 2])


def _make_dense(number: Any, g: Geometry, kept: int, columns: int) -> tuple[Any, Any]:
    """Forward and the gradient of the input, for threads that keep so many rows and columns."""
    across, down, width, kept_sums = g.across, g.down, g.across * columns, kept * columns
    product = make_product(number, across, down, kept, columns, g.fused_terms)

    @device
    def forward(tape, doubles, params, room, staged_at, i, count):
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        sums = cuda.local.array(kept_sums, number)
        for first in range(0, outputs, width):
            for b in range(columns):
                c = first + tx + b * across
                start = params[tape[i, BIAS] + c] if c < tape[i, BIAS_SIZE] else number(0)
                for a in range(kept):
                    sums[a * columns + b] = start
            product(sums, room, source_of(tape, i), inputs, params, tape[i, WEIGHT], outputs, False, room, staged_at,
                    count, first, outputs, inputs)  # fmt: skip
            for a in range(kept):
                for b in range(columns):
                    r, c = ty + a * down, first + tx + b * across
                    if r < count and c < outputs:
                        z = sums[a * columns + b]
                        room[tape[i, PRE] + r * outputs + c] = z
                        room[tape[i, OUTPUT] + r * outputs + c] = activate(
                            z, tape[i, ACTIVATION], doubles[EXTRAS + i - 1]
                        )

    @device
    def backward(tape, doubles, params, room, staged_at, i, count):
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        sums = cuda.local.array(kept_sums, number)
        for first in range(0, inputs, width):
            for s in range(kept * columns):
                sums[s] = number(0)
            product(sums, room, tape[i, DOUTPUT], outputs, params, tape[i, WEIGHT], outputs, True, room, staged_at,
                    count, first, inputs, outputs)  # fmt: skip
            for a in range(kept):
                for b in range(columns):
                    r, c = ty + a * down, first + tx + b * across
                    if r < count and c < inputs:
                        at = r * inputs + c
                        dx = previous_inward(sums[a * columns + b], tape, doubles, i, room, at)
                        room[tape[i, DINPUT] + at] = dx

    return forward, backward


def _make_dense_of_any_width(number: Any, g: Geometry, kept: int) -> Any:
    """Forward and the gradient of the input, by as few columns a thread as a width wants."""
    few, some, most = (_make_dense(number, g, kept, columns) for columns in g.fused_columns)
    few_columns, some_columns = (g.across * columns for columns in g.fused_columns[:2])

    def by_width(of_few: Any, of_some: Any, of_most: Any) -> Any:
        @device
        def run(width, tape, doubles, params, room, staged_at, i, count):
            if width <= few_columns:
                of_few(tape, doubles, params, room, staged_at, i, count)
            elif width <= some_columns:
                of_some(tape, doubles, params, room, staged_at, i, count)
            else:
                of_most(tape, doubles, params, room, staged_at, i, count)

        return run

    return tuple(by_width(*functions) for functions in zip(few, some, most, strict=True))


def _make_forward(threads: int, dense_forward: Any) -> Any:
    @device
    def forward(tape, doubles, params, room, staged_at, i, count, own):
        """Operation i on the block's rows."""
        outputs = tape[i, WIDTH_OUT]
        if tape[i, KIND] != DENSE:
            for j in range(own, count * outputs, threads):
                z = room[source_of(tape, i) + j]
                room[tape[i, OUTPUT] + j] = activate(z, tape[i, ACTIVATION], doubles[EXTRAS + i - 1])
        else:
            dense_forward(outputs, tape, doubles, params, room, staged_at, i, count)
        cuda.syncthreads()

    return forward


def _make_backward(number: Any, g: Geometry, dense_backward: Any) -> Any:
    threads = g.threads
    add_gradient = make_gradient(number, g.across, g.down, GRADIENT_ROWS, g.fused_columns[-1])

    @device
    def backward(tape, doubles, params, parts, part_at, room, staged_at, i, count, own, grows):
        """Adds to the gradients of operation i, and finds that of its input where anybody wants it."""
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        dense = tape[i, KIND] == DENSE
        if dense:
            add_gradient(parts, part_at + tape[i, WEIGHT], room, source_of(tape, i), room, tape[i, DOUTPUT], count,
                         inputs, outputs, grows)  # fmt: skip
            for j in range(own, tape[i, BIAS_SIZE], threads):
                total = number(0)
                for r in range(count):
                    total += room[tape[i, DOUTPUT] + r * outputs + j]
                at = part_at + tape[i, BIAS] + j
                parts[at] = parts[at] + total if grows else total
        if tape[i, DINPUT] >= 0:
            if not dense:
                for j in range(own, count * inputs, threads):
                    dx = previous_inward(room[tape[i, DOUTPUT] + j], tape, doubles, i, room, j)
                    room[tape[i, DINPUT] + j] = dx
            else:
                dense_backward(inputs, tape, doubles, params, room, staged_at, i, count)
        cuda.syncthreads()

    return backward


def _make_lose(of_labels: bool) -> Any:
    loss_row = labels_row if of_labels else targets_row

    @device
    def lose(tape, doubles, room, tally, y, row, r):
        """Loss of row r of the block, row `row` of y, and the gradient before the last activation."""
        operations, outputs = tape[0, OPERATIONS], tape[0, OUTPUT_WIDTH]
        weights_at = EXTRAS + operations if tape[0, CLASS_WEIGHTS] > 0 else -1
        g_at, z_at = tape[0, DOUTPUT_AT] + r * outputs, tape[0, OUTPUT_AT] + r * outputs
        loss_row(tally, r * TALLY, room, g_at, room, z_at, outputs, y, row, tape[0, LOSS], tape[0, IGNORE_INDEX],
                 doubles, weights_at, doubles[SMOOTHING])  # fmt: skip
        for j in range(outputs):
            room[g_at + j] = previous_inward(room[g_at + j], tape, doubles, operations + 1, room, r * outputs + j)

    return lose


def make_rows(number: Any, g: Geometry, kept: int, of_labels: bool) -> Any:
    """The kernel for one type of number and one kind of target."""
    across, threads = g.across, g.threads
    block_rows = kept * g.down
    tally_size = block_rows * TALLY
    dense_forward, dense_backward = _make_dense_of_any_width(number, g, kept)
    forward, backward = _make_forward(threads, dense_forward), _make_backward(number, g, dense_backward)
    lose = _make_lose(of_labels)

    @kernel
    def rows_kernel(tape, doubles, params, parts, tallies, out, x, y, order, ledger, rows, staged_at, trains):
        room = cuda.shared.array(0, number)
        tally = cuda.shared.array(tally_size, float64)
        own = cuda.threadIdx.y * across + cuda.threadIdx.x
        block = cuda.blockIdx.x
        inputs, outputs, operations = tape[1, WIDTH_IN], tape[0, OUTPUT_WIDTH], tape[0, OPERATIONS]
        if trains and block == 0 and own == 0:
            begin_step(doubles)
        total, first = 0.0, first_row(ledger)
        for begin in range(block * block_rows, rows, cuda.gridDim.x * block_rows):
            count = min(block_rows, rows - begin)
            for j in range(own, count * inputs, threads):
                room[tape[0, BATCH_AT] + j] = x[order[first + begin + j // inputs], j % inputs]
            cuda.syncthreads()
            for i in range(1, operations + 1):
                forward(tape, doubles, params, room, staged_at, i, count, own)
            if out.size > 0:
                for j in range(own, count * outputs, threads):
                    out[begin * outputs + j] = room[tape[0, OUTPUT_AT] + j]
            if trains:
                if own < count:
                    lose(tape, doubles, room, tally, y, order[first + begin + own], own)
                cuda.syncthreads()
                if own < TALLY:
                    for r in range(count):
                        total += tally[r * TALLY + own]
                grows = begin >= cuda.gridDim.x * block_rows
                for back in range(operations):
                    i = operations - back
                    backward(tape, doubles, params, parts, block * params.size, room, staged_at, i, count, own, grows)
            cuda.syncthreads()
        if trains and own < TALLY:
            tallies[block * TALLY + own] = total

    return rows_kernel
