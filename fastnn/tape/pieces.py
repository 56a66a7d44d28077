"""The end of a network with so many classes that its outputs are not kept: a loss made of PIECE positions at a time.

The last operation is then a product, whose outputs are logits: of a piece they are made, their loss and its gradient,
and what the gradient is to the input and to the weight, before the next piece takes their place. What stays of each
position is its most likely class, which is the output of such a tape.

The weight lies as a dense layer has it, (I, O), or as a table of embeddings, (O, I).
"""

from __future__ import annotations

from numba import float64

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add
from fastnn.kernels.softmax import first_largest
from fastnn.products.blocks import NN, NT, TN
from fastnn.products.matmul import matmul, most_panel_of, scratch_size
from fastnn.products.onto import matmul_onto
from fastnn.simd.few_rows import column_sums
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import (
    BIAS,
    BIAS_SIZE,
    DBIAS_AT,
    DENSE,
    DINPUT,
    DOUTPUT,
    INPUT,
    KIND,
    OPERATIONS,
    OUTPUT,
    OUTPUT_WIDTH,
    PIECE,
    SCRATCH_AT,
    SCRATCH_SIZE,
    WEIGHT,
    WIDTH_IN,
)
from fastnn.tape.objective import loss_of_part
from fastnn.tape.operations import values_at


def scratch_of_pieces(is_dense: bool, rows: int, outputs: int, inputs: int, itemsize: int, threads: int) -> int:
    """Elements of scratch with which pieces of up to so many rows can use so many threads."""
    forward, inward = (NN, NT) if is_dense else (NT, NN)
    tall = (inputs, outputs) if is_dense else (outputs, inputs)
    sizes = (
        scratch_size(forward, rows, outputs, inputs, itemsize, threads),
        scratch_size(inward, rows, inputs, outputs, itemsize, threads),
        scratch_size(TN, *tall, rows, itemsize, threads),
        # A piece that comes short may need more than a whole one.
        threads * most_panel_of(NT, rows, *tall, itemsize),
    )
    return int(max(sizes))


@kernel(inlined=True, views=True)
def _scratch(tape, workspace):
    return vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])


@kernel(inlined=True, views=True)
def _logits(tape, params, source, workspace, at, count):
    """(count, O) of the positions from `at` on of source, flat."""
    i = tape[0, OPERATIONS]
    n, k = tape[0, OUTPUT_WIDTH], tape[i, WIDTH_IN]
    logits = matrix(workspace, tape[i, OUTPUT], count, n)
    x, w = vector(source, at * k, count * k), vector(params, tape[i, WEIGHT], n * k)
    if tape[i, KIND] == DENSE:
        bias = vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
        matmul(flat(logits), n, x, k, w, n, bias, _scratch(tape, workspace), NN, count, n, k)
    else:
        matmul(flat(logits), n, x, k, w, k, vector(params, 0 * n, 0 * n), _scratch(tape, workspace), NT, count, n, k)
    return logits


@kernel(inlined=True)
def _guess(guesses, logits):
    rows, width = logits.shape
    for r in range(rows):
        guesses[r] = first_largest(vector(flat(logits), r * width, width))


@kernel(inlined=True)
def _gather(dw, ld, x, ldx, w, ldw, none, scratch, m, n, k, is_first):
    """dw = x.T @ w, or += behind the first piece."""
    if is_first:
        matmul(dw, ld, x, ldx, w, ldw, none, scratch, TN, m, n, k)
    else:
        matmul_onto(dw, ld, x, ldx, w, ldw, scratch, TN, m, n, k)


@kernel(late=True)
def _learn(tape, params, grads, source, workspace, at, count):
    """From the gradient of the logits of a piece: that of its inputs, and its part of those of the parameters."""
    i = tape[0, OPERATIONS]
    n, k, scratch = tape[0, OUTPUT_WIDTH], tape[i, WIDTH_IN], _scratch(tape, workspace)
    dz, none = vector(workspace, tape[i, DOUTPUT], count * n), vector(workspace, 0 * n, 0 * n)
    x, w = vector(source, at * k, count * k), vector(params, tape[i, WEIGHT], n * k)
    dw, is_dense, wants_dx = vector(grads, tape[i, WEIGHT], n * k), tape[i, KIND] == DENSE, tape[i, DINPUT] >= 0
    dx = vector(workspace, max(tape[i, DINPUT], 0) + at * k, count * k if wants_dx else 0 * k)
    if wants_dx and is_dense:
        matmul(dx, k, dz, n, w, n, none, scratch, NT, count, k, n)
    elif wants_dx:
        matmul(dx, k, dz, n, w, k, none, scratch, NN, count, k, n)
    if is_dense:
        _gather(dw, n, x, k, dz, n, none, scratch, k, n, count, at == 0)
    else:
        _gather(dw, k, dz, n, x, k, none, scratch, n, k, count, at == 0)
    size = tape[i, BIAS_SIZE] if is_dense else 0 * n
    waiting, db = vector(workspace, tape[0, DBIAS_AT], size), vector(grads, tape[i, BIAS], size)
    column_sums(db if at == 0 else waiting, dz, n, count, size)
    if at > 0:
        add(db, db, waiting)


@kernel(late=True)
def guess_in_pieces(tape, params, x, workspace, guesses):
    """Overwrites guesses, of rows whose other values are there."""
    i = tape[0, OPERATIONS]
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, 0 * i, guesses.size))
    for at in range(0 * i, guesses.size, tape[0, PIECE]):
        count = min(tape[0, PIECE], guesses.size - at)
        _guess(vector(guesses, at, count), _logits(tape, params, source, workspace, at, count))


@kernel(late=True, returns=float64)
def loss_in_pieces(tape, params, grads, x, y, workspace, guesses, losses, divisor):
    """Overwrites guesses, losses and the gradients of the last operation, of rows whose other values are there; the
    sum of their losses, of which the gradient is that over divisor."""
    i = tape[0, OPERATIONS]
    n, k = tape[0, OUTPUT_WIDTH], tape[i, WIDTH_IN]
    source = flat(values_at(tape[i, INPUT], k, x, workspace, 0 * i, guesses.size))
    total = 0.0
    for at in range(0 * i, guesses.size, tape[0, PIECE]):
        count = min(tape[0, PIECE], guesses.size - at)
        logits = _logits(tape, params, source, workspace, at, count)
        _guess(vector(guesses, at, count), logits)
        gradient = matrix(workspace, tape[i, DOUTPUT], count, n)
        total += loss_of_part(tape, vector(losses, at, count), gradient, logits, y, at, divisor)
        _learn(tape, params, grads, source, workspace, at, count)
    return total
