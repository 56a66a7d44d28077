"""Small networks: a whole step but its update in one kernel, for networks whose rows fit shared memory.

A block takes a few rows through the network and back: their values lie in shared memory by features (see
fastnn.cuda.tile), at the places that a tape of fastnn.cuda.room says, each layer's gradient in the end where its output
was; and what they add to the gradient goes to the block's own part. So a step is two launches, this one and
optimizer.update.

    tape     of fastnn.cuda.room; INPUT < 0 is the rows' place at BATCH_AT
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
from fastnn.cuda.product import ALIGNMENT
from fastnn.cuda.target import cuda, device, kernel, place
from fastnn.cuda.tile import make_gradient, make_product, stride_of
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


def _make_dense(number: Any, g: Geometry, rows: int, columns: int, terms: int) -> tuple[Any, Any]:
    """Forward and the gradient of the input, for threads that keep so many columns."""
    vector, stride, width, kept_sums = g.vector, stride_of(rows), g.across * columns, g.vector * columns
    product, turned_product = (make_product(number, g, rows, columns, terms, turned) for turned in (False, True))

    @device
    def forward(tape, doubles, params, room, staged_at, i):
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        sums = cuda.local.array(kept_sums, number)
        for first in range(0, outputs, width):
            for b in range(columns):
                c = first + tx * columns + b
                start = params[tape[i, BIAS] + c] if c < tape[i, BIAS_SIZE] else number(0)
                for a in range(vector):
                    sums[a * columns + b] = start
            product(sums, room, source_of(tape, i), params, tape[i, WEIGHT], outputs, staged_at, first, outputs, inputs)
            for b in range(columns):
                c = first + tx * columns + b
                if c < outputs:
                    for a in range(vector):
                        at, z = c * stride + ty * vector + a, sums[a * columns + b]
                        room[place(tape[i, PRE] + at)] = z
                        room[place(tape[i, OUTPUT] + at)] = activate(z, tape[i, ACTIVATION], doubles[EXTRAS + i - 1])

    @device
    def backward(tape, doubles, params, room, staged_at, i):
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        sums = cuda.local.array(kept_sums, number)
        for first in range(0, inputs, width):
            for s in range(kept_sums):
                sums[s] = number(0)
            turned_product(sums, room, tape[i, DOUTPUT], params, tape[i, WEIGHT], outputs, staged_at, first, inputs,
                           outputs)  # fmt: skip
            for b in range(columns):
                c = first + tx * columns + b
                if c < inputs:
                    for a in range(vector):
                        at = c * stride + ty * vector + a
                        dx = previous_inward(sums[a * columns + b], tape, doubles, i, room, at)
                        room[place(tape[i, DINPUT] + at)] = dx

    return forward, backward


def _make_dense_of_any_width(number: Any, g: Geometry, rows: int) -> Any:
    """Forward, the gradient of the input and that of the weight, by as few columns a thread as a width wants."""
    sizes = tuple(zip(g.fused_columns, g.fused_terms, strict=True))
    few, some, most = (
        (*_make_dense(number, g, rows, columns, terms), make_gradient(number, g, rows, columns))
        for columns, terms in sizes
    )
    few_columns, some_columns = (g.across * columns for columns in g.fused_columns[:2])

    def by_width(of_few: Any, of_some: Any, of_most: Any) -> Any:
        @device
        def run(width, *arguments):
            if width <= few_columns:
                of_few(*arguments)
            elif width <= some_columns:
                of_some(*arguments)
            else:
                of_most(*arguments)

        return run

    return tuple(by_width(*functions) for functions in zip(few, some, most, strict=True))


def _make_forward(threads: int, stride: int, dense_forward: Any) -> Any:
    @device
    def forward(tape, doubles, params, room, staged_at, i, own):
        """Operation i on the block's rows."""
        outputs = tape[i, WIDTH_OUT]
        if tape[i, KIND] != DENSE:
            for j in range(own, outputs * stride, threads):
                z = room[source_of(tape, i) + j]
                room[tape[i, OUTPUT] + j] = activate(z, tape[i, ACTIVATION], doubles[EXTRAS + i - 1])
        else:
            dense_forward(outputs, tape, doubles, params, room, staged_at, i)
        cuda.syncthreads()

    return forward


def _make_backward(number: Any, threads: int, rows: int, dense_backward: Any, add_gradient: Any) -> Any:
    stride = stride_of(rows)

    @device
    def backward(tape, doubles, params, parts, part_at, room, staged_at, i, own, grows):
        """Adds to the gradients of operation i, and finds that of its input where anybody wants it."""
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        dense = tape[i, KIND] == DENSE
        if dense:
            add_gradient(outputs, parts, part_at + tape[i, WEIGHT], room, source_of(tape, i), tape[i, DOUTPUT], inputs,
                         outputs, grows)  # fmt: skip
            for j in range(own, tape[i, BIAS_SIZE], threads):
                total = number(0)
                for r in range(rows):
                    total += room[place(tape[i, DOUTPUT] + j * stride + r)]
                at = part_at + tape[i, BIAS] + j
                parts[at] = parts[at] + total if grows else total
        if tape[i, DINPUT] >= 0:
            # The gradient of the input overwrites what the weight's was made of: products wait for all threads first.
            if not dense:
                for j in range(own, inputs * stride, threads):
                    dx = previous_inward(room[tape[i, DOUTPUT] + j], tape, doubles, i, room, j)
                    room[tape[i, DINPUT] + j] = dx
            else:
                dense_backward(inputs, tape, doubles, params, room, staged_at, i)
        cuda.syncthreads()

    return backward


def _make_lose(of_labels: bool, stride: int) -> Any:
    loss_row = labels_row if of_labels else targets_row

    @device
    def lose(tape, doubles, room, tally, y, order, at, r, count):
        """Loss of row r of the block, row order[at] of y, and the gradient before the last activation; 0 from `count`
        rows on, which the batch lacks."""
        operations, outputs = tape[0, OPERATIONS], tape[0, OUTPUT_WIDTH]
        weights_at = EXTRAS + operations if tape[0, CLASS_WEIGHTS] > 0 else -1
        g_at, z_at = tape[0, DOUTPUT_AT] + r, tape[0, OUTPUT_AT] + r
        if r < count:
            loss_row(tally, r * TALLY, room, g_at, room, z_at, outputs, stride, y, order[at], tape[0, LOSS],
                     tape[0, IGNORE_INDEX], doubles, weights_at, doubles[SMOOTHING])  # fmt: skip
        for j in range(0, outputs * stride, stride):
            dz = previous_inward(room[g_at + j], tape, doubles, operations + 1, room, r + j) if r < count else 0
            room[g_at + j] = dz

    return lose


def make_rows(number: Any, g: Geometry, block_rows: int, of_labels: bool) -> Any:
    """The kernel for one type of number, blocks of so many rows, and one kind of target."""
    across, threads, stride = g.across, g.across * block_rows // g.vector, stride_of(block_rows)
    tally_size = block_rows * TALLY
    dense_forward, dense_backward, add_gradient = _make_dense_of_any_width(number, g, block_rows)
    forward = _make_forward(threads, stride, dense_forward)
    backward = _make_backward(number, threads, block_rows, dense_backward, add_gradient)
    lose = _make_lose(of_labels, stride)

    @kernel
    def rows_kernel(tape, doubles, params, parts, tallies, out, x, y, order, ledger, rows, staged_at, trains):
        room = cuda.shared.array(0, number, alignment=ALIGNMENT)
        tally = cuda.shared.array(tally_size, float64)
        own = cuda.threadIdx.y * across + cuda.threadIdx.x
        block = cuda.blockIdx.x
        inputs, outputs, operations = tape[1, WIDTH_IN], tape[0, OUTPUT_WIDTH], tape[0, OPERATIONS]
        if trains and block == 0 and own == 0:
            begin_step(doubles)
        total, first = 0.0, first_row(ledger)
        for begin in range(block * block_rows, rows, cuda.gridDim.x * block_rows):
            count = min(block_rows, rows - begin)
            for j in range(own, block_rows * inputs, threads):
                r, c = j // inputs, j % inputs
                value = x[order[first + begin + r], c] if r < count else number(0)
                room[tape[0, BATCH_AT] + c * stride + r] = value
            cuda.syncthreads()
            for i in range(1, operations + 1):
                forward(tape, doubles, params, room, staged_at, i, own)
            if out.size > 0:
                for j in range(own, count * outputs, threads):
                    out[begin * outputs + j] = room[tape[0, OUTPUT_AT] + j % outputs * stride + j // outputs]
            if trains:
                if own < block_rows:
                    lose(tape, doubles, room, tally, y, order, first + begin + own, own, count)
                cuda.syncthreads()
                if own < TALLY:
                    for r in range(count):
                        total += tally[r * TALLY + own]
                grows = begin >= cuda.gridDim.x * block_rows
                for back in range(operations):
                    i = operations - back
                    backward(tape, doubles, params, parts, block * params.size, room, staged_at, i, own, grows)
            cuda.syncthreads()
        if trains and own < TALLY:
            tallies[block * TALLY + own] = total

    return rows_kernel
