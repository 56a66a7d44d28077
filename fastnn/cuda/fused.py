"""Small networks: a whole step but its update in one kernel, for networks whose rows fit shared memory.

A block takes a few rows through the network and back: their values lie in shared memory by features, as products want
them (fastnn.cuda.fused_product), at the places that a tape of fastnn.cuda.room says, each layer's gradient in the end
where its output was; and what they add to the gradient goes to the block's own part. So a step is two launches, this
one and optimizer.update.

    tape     of fastnn.cuda.room; INPUT < 0 is the rows' place at BATCH_AT
    order    rows of x and y, those of the step from where ledger says on
    parts    (blocks, params.size), zero between parameters; tallies (blocks, TALLY): overwritten where `trains`
    out      (rows, O): the network's output, or empty
"""

from __future__ import annotations

from typing import Any

from numba import float64

from fastnn.cuda.activation import activate, inward, relu, relu_derivative
from fastnn.cuda.fused_product import make_gradient, make_product, stride_of
from fastnn.cuda.geometry import Geometry
from fastnn.cuda.ledger import first_row
from fastnn.cuda.loss import TALLY, labels_row, targets_row
from fastnn.cuda.optimizer import EXTRAS, SMOOTHING, begin_step
from fastnn.cuda.product import ALIGNMENT
from fastnn.cuda.target import cuda, device, kernel_of, place
from fastnn.kernels.activation import IDENTITY, RELU
from fastnn.tape.columns import (
    ACTIVATION,
    BATCH_AT,
    BIAS,
    BIAS_SIZE,
    DENSE,
    DINPUT,
    DOUTPUT,
    DOUTPUT_AT,
    IGNORE_INDEX,
    INPUT,
    KIND,
    LOSS,
    LOSS_CONSTANTS,
    OPERATIONS,
    OUTPUT,
    OUTPUT_AT,
    OUTPUT_WIDTH,
    PRE,
    WEIGHT,
    WIDTH_IN,
    WIDTH_OUT,
)

# Of a thread: two blocks of 256 share a multiprocessor; 136 to 168, which the compiler would take, leave room for one.
REGISTERS = 128


@device
def source_of(tape, i):
    """Where operation i reads its rows."""
    return tape[i, INPUT] if tape[i, INPUT] >= 0 else tape[0, BATCH_AT]


@device
def is_plain(kind):
    """Whether the threads that make a product apply the activation on their own sums; the others take a pass of its
    own, since all of them for every sum were 240 kB of code."""
    return kind in (RELU, IDENTITY)


def _make_passes(number: Any, stride: int, threads: int) -> tuple[Any, Any]:
    """Device functions for all values of a layer, each thread in strides."""

    @device
    def activate_all(tape, doubles, room, i, z_at, own):
        """The output of operation i from what lies at z_at."""
        for j in range(own, tape[i, WIDTH_OUT] * stride, threads):
            y = activate(room[place(z_at + j)], tape[i, ACTIVATION], doubles[EXTRAS + i - 1])
            room[place(tape[i, OUTPUT] + j)] = y

    @device
    def derive_all(tape, doubles, room, i, own):
        """The derivative of operation i's activation replaces its output."""
        z_at, y_at = tape[i, PRE] if tape[i, KIND] == DENSE else source_of(tape, i), tape[i, OUTPUT]
        for j in range(own, tape[i, WIDTH_OUT] * stride, threads):
            z, y = room[place(z_at + j)], room[place(y_at + j)]
            room[place(y_at + j)] = inward(number(1), z, y, tape[i, ACTIVATION], doubles[EXTRAS + i - 1])

    return activate_all, derive_all


def _make_dense(number: Any, g: Geometry, rows: int, columns: int, terms: int) -> tuple[Any, Any]:
    """Forward and the gradient of the input, for threads that keep so many columns."""
    vector, stride, width, kept_sums = g.vector, stride_of(rows), g.across * columns, g.vector * columns
    product, turned_product = (make_product(number, g, rows, columns, terms, turned) for turned in (False, True))

    @device
    def forward(tape, params, room, staged_at, i):
        """What operation i's activation is of; or its output, where that is plain."""
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
                        z = sums[a * columns + b]
                        at = place(tape[i, PRE] + c * stride + ty * vector + a)
                        room[at] = relu(z) if tape[i, ACTIVATION] == RELU else z

    @device
    def backward(tape, params, room, staged_at, i):
        """The gradient before the activation of the operation before, whose output, or slope, it replaces."""
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
                        at = place(tape[i, DINPUT] + c * stride + ty * vector + a)
                        slope = room[at]
                        if tape[i - 1, ACTIVATION] == RELU:
                            slope = relu_derivative(slope)
                        elif tape[i - 1, ACTIVATION] == IDENTITY:
                            slope = number(1)
                        room[at] = sums[a * columns + b] * slope

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


def _make_forward(activate_all: Any, dense_forward: Any) -> Any:
    @device
    def forward(tape, doubles, params, room, staged_at, i, own):
        """Operation i on the block's rows."""
        dense = tape[i, KIND] == DENSE
        if dense:
            dense_forward(tape[i, WIDTH_OUT], tape, params, room, staged_at, i)
            cuda.syncthreads()
        if not dense or not is_plain(tape[i, ACTIVATION]):
            activate_all(tape, doubles, room, i, tape[i, PRE] if dense else source_of(tape, i), own)
            cuda.syncthreads()

    return forward


def _make_backward(
    number: Any, threads: int, rows: int, derive_all: Any, dense_backward: Any, add_gradient: Any
) -> Any:
    stride = stride_of(rows)

    @device
    def add_gradients(tape, parts, part_at, room, i, own, grows):
        """Of the weight and the bias of operation i."""
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        add_gradient(outputs, parts, part_at + tape[i, WEIGHT], room, source_of(tape, i), tape[i, DOUTPUT], inputs,
                     outputs, grows)  # fmt: skip
        for j in range(own, tape[i, BIAS_SIZE], threads):
            total = number(0)
            for r in range(rows):
                total += room[place(tape[i, DOUTPUT] + j * stride + r)]
            at = part_at + tape[i, BIAS] + j
            parts[at] = parts[at] + total if grows else total

    @device
    def backward(tape, doubles, params, parts, part_at, room, staged_at, i, own, grows):
        """Adds to the gradients of operation i, and finds that of its input where anybody wants it; the operation
        behind the last one is the loss."""
        operations = tape[0, OPERATIONS]
        of_loss = i > operations
        dense = not of_loss and tape[i, KIND] == DENSE
        if dense:
            add_gradients(tape, parts, part_at, room, i, own, grows)
        dx_at = tape[0, DOUTPUT_AT] if of_loss else tape[i, DINPUT]
        if dx_at < 0:
            return
        cuda.syncthreads()  # the gradient of the input overwrites what the weight's was made of
        if not dense or not is_plain(tape[i - 1, ACTIVATION]):
            derive_all(tape, doubles, room, i - 1, own)
        if dense:
            dense_backward(tape[i, WIDTH_IN], tape, params, room, staged_at, i)
        else:
            dy_at = tape[0, DOUTPUT_AT] if of_loss else tape[i, DOUTPUT]
            for j in range(own, tape[i - 1, WIDTH_OUT] * stride, threads):
                room[place(dx_at + j)] = room[place(dy_at + j)] * room[place(tape[i - 1, OUTPUT] + j)]
        cuda.syncthreads()

    return backward


def _make_lose(of_labels: bool, stride: int) -> Any:
    loss_row = labels_row if of_labels else targets_row

    @device
    def lose(tape, doubles, room, tally, y, order, at, r, count):
        """Loss of row r of the block, row order[at] of y, and its gradient; 0 from `count` rows on, which the batch
        lacks."""
        outputs = tape[0, OUTPUT_WIDTH]
        weights_at = EXTRAS + tape[0, OPERATIONS] if tape[0, LOSS_CONSTANTS] > 0 else -1
        g_at, z_at = tape[0, DOUTPUT_AT] + r, tape[0, OUTPUT_AT] + r
        if r < count:
            loss_row(tally, r * TALLY, room, g_at, room, z_at, outputs, stride, y, order[at], tape[0, LOSS],
                     tape[0, IGNORE_INDEX], doubles, weights_at, doubles[SMOOTHING])  # fmt: skip
        else:
            for j in range(0, outputs * stride, stride):
                room[place(g_at + j)] = 0

    return lose


def make_rows(number: Any, g: Geometry, block_rows: int, of_labels: bool) -> Any:
    """The kernel for one type of number, blocks of so many rows, and one kind of target."""
    across, threads, stride = g.across, g.across * block_rows // g.vector, stride_of(block_rows)
    tally_size = block_rows * TALLY
    dense_forward, dense_backward, add_gradient = _make_dense_of_any_width(number, g, block_rows)
    activate_all, derive_all = _make_passes(number, stride, threads)
    forward = _make_forward(activate_all, dense_forward)
    backward = _make_backward(number, threads, block_rows, derive_all, dense_backward, add_gradient)
    lose = _make_lose(of_labels, stride)

    @kernel_of(REGISTERS)
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
                for back in range(operations + 1):
                    i = operations + 1 - back
                    backward(tape, doubles, params, parts, block * params.size, room, staged_at, i, own, grows)
            cuda.syncthreads()
        if trains and own < TALLY:
            tallies[block * TALLY + own] = total

    return rows_kernel
