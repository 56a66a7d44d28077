"""Forward, loss and backward of a batch: what training and users call.

`key` is that of dropout, and NO_KEY where nothing is trained; see fastnn.kernels.dropout.
"""

from __future__ import annotations

import numpy as np

from fastnn.compiler.jit import kernel
from fastnn.kernels.dropout import NO_KEY
from fastnn.kernels.loss import mean_of
from fastnn.kernels.residual import copy
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.chunks import forward_in_chunks, goes_in_chunks, gradient_in_chunks
from fastnn.tape.columns import (
    CAPACITY,
    DOUTPUT,
    DOUTPUT_AT,
    KEPT_WIDTH,
    LOSSES_AT,
    OUTPUT_AT,
    OUTPUT_ROWS,
    OUTPUT_WIDTH,
    PIECE,
    SCRATCH_AT,
    SCRATCH_SIZE,
    SPAN_ROWS,
    SPANNED,
)
from fastnn.tape.objective import loss, loss_divisor
from fastnn.tape.spans import add_spans, backward_spans, finish_spans, forward_spans, keep_output, output_in, output_of
from fastnn.tape.walk import forward_rows, gradient_by_layers, update_by_layers


@kernel(inlined=True, views=True)
def output(tape, workspace, rows):
    """(rows * OUTPUT_ROWS, KEPT_WIDTH): what the last forward pass on so many rows left in the workspace."""
    return matrix(workspace, tape[0, OUTPUT_AT], rows * tape[0, OUTPUT_ROWS], tape[0, KEPT_WIDTH])


@kernel(late=True)
def _forward_spanned(tape, params, x, workspace, key):
    """On a tape for more rows than a span."""
    rows = x.shape[0]
    if rows > tape[0, SPAN_ROWS]:
        forward_spans(tape, params, x, workspace, key)
        return
    _forward_within(tape, params, x, workspace, key)
    keep_output(tape, params, x, workspace, workspace, 0 * rows)


@kernel(inlined=True)
def _forward_within(tape, params, x, workspace, key):
    """Of at most a span."""
    rows = x.shape[0]
    at = 0 * rows  # a literal would compile a twin of its own
    if goes_in_chunks(tape, rows):
        forward_in_chunks(tape, params, x, workspace, key)
    else:
        forward_rows(tape, params, x, workspace, key, at, at, rows, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])


@kernel(inlined=True)
def forward_with(tape, params, x, workspace, key):
    """`forward` in a step of training."""
    if tape[0, SPANNED] > 0:
        _forward_spanned(tape, params, x, workspace, key)
    else:
        _forward_within(tape, params, x, workspace, key)


@kernel(inlined=True)
def forward(tape, params, x, workspace):
    """Runs x (B, I), B <= CAPACITY, through the network; `output` then finds the result. Rows are independent."""
    forward_with(tape, params, x, workspace, NO_KEY + 0 * x.shape[0])


@kernel(late=True)
def take_output_gradient(tape, workspace, rows):
    """On a tape for more rows than a span: the gradient of the outputs, of at most a span, to where they lie."""
    given = output_of(tape, workspace, DOUTPUT_AT, 0 * rows, rows)
    copy(flat(output_in(tape, workspace, DOUTPUT, rows)), flat(given))


@kernel(late=True)
def _backward_spanned(tape, params, grads, x, workspace, key):
    rows = x.shape[0]
    if tape[0, PIECE] > 0:  # where is the gradient of an output that is not kept
        grads[:] = np.nan
        return
    if rows > tape[0, SPAN_ROWS]:
        backward_spans(tape, params, grads, x, workspace, key)
        return
    take_output_gradient(tape, workspace, rows)
    _backward_within(tape, params, grads, x, workspace, key)


@kernel(inlined=True)
def _backward_within(tape, params, grads, x, workspace, key):
    if goes_in_chunks(tape, x.shape[0]):
        gradient_in_chunks(tape, params, grads, x, workspace, key, 0 * x.shape[0])
    else:
        gradient_by_layers(tape, params, grads, x, workspace, key, 0 * x.shape[0])


@kernel(inlined=True)
def backward_with(tape, params, grads, x, workspace, key):
    """Overwrites grads with the gradient, from that of the output at DOUTPUT_AT; after `forward_with` on the same x."""
    if tape[0, SPANNED] > 0:
        _backward_spanned(tape, params, grads, x, workspace, key)
    else:
        _backward_within(tape, params, grads, x, workspace, key)


@kernel(inlined=True)
def backward(tape, params, grads, x, workspace):
    """Overwrites grads with the gradient, from that of the output at DOUTPUT_AT; after `forward` on the same x.

    Of more rows than a span, the values between are computed again.
    """
    backward_with(tape, params, grads, x, workspace, NO_KEY + 0 * x.shape[0])


@kernel(inlined=True)
def backward_and_update(tape, params, state, x, workspace, key, update, rule):
    """Updates params by the gradient, which is written nowhere, of at most a span; see optimizer.rule_of and
    `backward_with`."""
    if tape[0, SPANNED] > 0:
        take_output_gradient(tape, workspace, x.shape[0])
    update_by_layers(tape, params, state, x, workspace, key, update, rule)


@kernel(inlined=True)
def goes_by_spans(tape, rows):
    """Whether the loss of so many rows and its gradient are made together, a span at a time."""
    return rows > tape[0, SPAN_ROWS] or tape[0, PIECE] > 0


@kernel(inlined=True)
def forward_and_loss(tape, params, x, y, workspace, key):
    """Forward and loss on one batch; leaves the gradient of the output at DOUTPUT_AT. Returns the loss in float64."""
    rows = x.shape[0]
    forward_with(tape, params, x, workspace, key)
    prediction = output(tape, workspace, rows)
    gradient = matrix(workspace, tape[0, DOUTPUT_AT], prediction.shape[0], prediction.shape[1])
    return loss(tape, vector(workspace, tape[0, LOSSES_AT], prediction.shape[0]), gradient, prediction, y)


@kernel(inlined=True)
def gradient_by_spans(tape, params, grads, x, y, order, workspace, key):
    """Loss and gradient of more rows than a span; order: which rows of x, or empty for all."""
    rows = order.size if order.size > 0 else x.shape[0]
    divisor = loss_divisor(tape, y)
    total = add_spans(tape, params, grads, x, y, order, workspace, key, 0 * rows, divisor, 0.0)
    finish_spans(tape, grads, workspace, rows)
    return mean_of(total, divisor)


@kernel(inlined=True)
def loss_and_gradient_with(tape, params, grads, x, y, workspace, key):
    """`loss_and_gradient` in a step of training, and what Python calls: each such function takes 2 s to compile."""
    if goes_by_spans(tape, x.shape[0]):
        return gradient_by_spans(tape, params, grads, x, y, no_order(tape), workspace, key)
    value = forward_and_loss(tape, params, x, y, workspace, key)
    backward_with(tape, params, grads, x, workspace, key)
    return value


@kernel(inlined=True, views=True)
def no_order(tape):
    """An order of no rows, which stands for all."""
    return vector(flat(tape), 0 * tape[0, SPAN_ROWS], 0 * tape[0, SPAN_ROWS])


@kernel(inlined=True)
def loss_and_gradient(tape, params, grads, x, y, workspace):
    """Forward, loss and backward on one batch; overwrites grads and returns the loss in float64."""
    return loss_and_gradient_with(tape, params, grads, x, y, workspace, NO_KEY + 0 * x.shape[0])


@kernel
def infer(out, tape, params, x, workspace):
    """out (N, ...) = the network's output on x (N, I) for any N, CAPACITY rows at a time."""
    capacity, width = tape[0, CAPACITY], tape[0, OUTPUT_WIDTH] * tape[0, OUTPUT_ROWS]
    for at in range(0, x.shape[0], capacity):
        rows = min(capacity, x.shape[0] - at)
        forward_with(tape, params, matrix(flat(x), at * x.shape[1], rows, x.shape[1]), workspace, NO_KEY + 0 * rows)
        result = vector(workspace, tape[0, OUTPUT_AT], rows * width)
        target = vector(flat(out), at * width, rows * width)
        for j in range(rows * width):
            target[j] = result[j]
