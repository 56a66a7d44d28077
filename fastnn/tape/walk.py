"""The walker: forward and backward over any tape, layer by layer or a chunk of rows at a time.

`key` is that of dropout, and NO_KEY where nothing is trained; see fastnn.kernels.dropout.
"""

from __future__ import annotations

from numba import prange

from fastnn._jit import kernel
from fastnn.kernels.activation import activation_backward, activation_forward
from fastnn.kernels.dense import dense_backward, dense_forward, dense_gradient, dense_inward
from fastnn.kernels.dropout import NO_KEY
from fastnn.kernels.matmul import pays_threads, share
from fastnn.kernels.optimizer import KEEP, NO_RULE
from fastnn.simd.pack import copy_block
from fastnn.simd.pool import release_pool, take_pool, thread_count
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import (
    ACTIVATION,
    ALPHA,
    BIAS,
    BIAS_SIZE,
    CAPACITY,
    CHUNK,
    CHUNKS_OF_SPAN,
    DBIAS_AT,
    DENSE,
    DINPUT,
    DOUTPUT,
    DOUTPUT_AT,
    ELEMENTWISE,
    INPUT,
    KIND,
    LOSSES_AT,
    OPERATIONS,
    OUTPUT,
    OUTPUT_AT,
    OUTPUT_ROWS,
    OUTPUT_WIDTH,
    PARAMETERS_SIZE,
    PARTIALS_AT,
    POSITIONS,
    PRE,
    SCRATCH_AT,
    SCRATCH_SIZE,
    SHARES,
    WEIGHT,
    WIDTH_IN,
    WIDTH_OUT,
    WORK,
)
from fastnn.tape.objective import loss
from fastnn.tape.operations import (
    backward_operation,
    forward_operation,
    gradient_operation,
    inward_operation,
    values_at,
)


@kernel(inlined=True, views=True)
def _scratch(tape, workspace):
    return vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])


@kernel(inlined=True, views=True)
def output(tape, workspace, rows):
    """(rows * OUTPUT_ROWS, OUTPUT_WIDTH): what the last forward pass on so many rows left in the workspace."""
    return matrix(workspace, tape[0, OUTPUT_AT], rows * tape[0, OUTPUT_ROWS], tape[0, OUTPUT_WIDTH])


@kernel(late=True)
def _forward_rows(tape, params, x, workspace, key, batch_at, batch_rows, scratch_at, scratch_size):
    """Runs rows batch_at..batch_at+batch_rows of x through the network, with a share of the scratch."""
    for i in range(1, tape[0, OPERATIONS] + 1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = values_at(tape[i, INPUT], inputs, x, workspace, at, rows)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            b = vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_forward(y, z, source, w, b, kind, alpha, vector(workspace, scratch_at, scratch_size))
        elif tape[i, KIND] == ELEMENTWISE:
            activation_forward(flat(y), flat(source), kind, alpha)
        else:
            forward_operation(tape[i, KIND], tape, i, params, x, workspace, at, rows, key)


@kernel(late=True)
def _forward_chunks(tape, params, x, workspace, key, part, parts):
    """One share of the rows of x, a chunk at a time."""
    chunk = tape[0, CHUNK]
    begin, end = share(part, parts, x.shape[0], chunk)
    size = tape[0, SCRATCH_SIZE] // parts
    for at in range(begin, end, chunk):
        _forward_rows(
            tape, params, x, workspace, key, at, min(chunk, end - at), tape[0, SCRATCH_AT] + part * size, size
        )


@kernel(parallel=True, late=True)
def _forward_parallel(parts, tape, params, x, workspace, key):
    for part in prange(parts):
        _forward_chunks(tape, params, x, workspace, key, part, parts)


@kernel(inlined=True)
def goes_in_chunks(tape, rows):
    """Whether so many rows go through the whole network in chunks, by threads that share rows, or layer by layer."""
    return 0 < tape[0, CHUNK] < rows


@kernel(inlined=True)
def _threads_for_chunks(tape, rows):
    return min(thread_count(), tape[0, SHARES]) if pays_threads(rows, rows * tape[0, WORK]) else 1


@kernel(inlined=True)
def forward_with(tape, params, x, workspace, key):
    """`forward` in a step of training."""
    rows = x.shape[0]
    part, parts = 0 * rows, 1 + 0 * rows  # literals would compile twins of their own
    if not goes_in_chunks(tape, rows):
        _forward_rows(tape, params, x, workspace, key, part, rows, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])
        return
    threads = _threads_for_chunks(tape, rows)
    if threads > 1 and take_pool():
        _forward_parallel(threads, tape, params, x, workspace, key)
        release_pool()
    else:
        _forward_chunks(tape, params, x, workspace, key, part, parts)


@kernel(inlined=True)
def forward(tape, params, x, workspace):
    """Runs x (B, I), B <= CAPACITY, through the network; `output` then finds the result. Rows are independent."""
    forward_with(tape, params, x, workspace, NO_KEY + 0 * x.shape[0])


@kernel(inlined=True)
def _backward(tape, params, grads, state, x, workspace, key, update, rule):
    """Layer by layer, see `backward_with` and `backward_and_update`."""
    batch = x.shape[0]
    for i in range(tape[0, OPERATIONS], 0, -1):
        rows = batch * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = values_at(tape[i, INPUT], inputs, x, workspace, 0 * rows, rows)
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT], 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT], rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT], rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        # The others are asked for last: asked for first, every second process took 260 ns a step of 3-4-2 at batch 1
        # in an epoch and not 209.
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE], rows, outputs)
            keeps = update == KEEP
            dw = matrix(grads, tape[i, WEIGHT] if keeps else 0, inputs if keeps else 0, outputs)
            db = vector(
                grads if keeps else workspace, tape[i, BIAS] if keeps else tape[0, DBIAS_AT], tape[i, BIAS_SIZE]
            )
            dense_backward(dx, dw, db, params, state, tape[i, WEIGHT], tape[i, BIAS], dy, source, z, y, kind, alpha,
                           _scratch(tape, workspace), wants_dx, update, rule)  # fmt: skip
        elif tape[i, KIND] != ELEMENTWISE:
            backward_operation(tape, i, params, grads, state, x, workspace, rows, key, update, rule)
        elif wants_dx:
            activation_backward(flat(dx), flat(dy), flat(source), flat(y), kind, alpha)


@kernel(late=True)
def _gradient_by_layers(tape, params, grads, x, workspace, key):
    """Without what an update needs: 3-4-2 at batch 1 takes 72 ns so, and 77 where one function serves both."""
    _backward(tape, params, grads, grads, x, workspace, key, KEEP, NO_RULE)


@kernel(late=True)
def _update_by_layers(tape, params, state, x, workspace, key, update, rule):
    _backward(tape, params, params, state, x, workspace, key, update, rule)


@kernel(late=True)
def _inward_rows(tape, params, x, workspace, key, batch_at, batch_rows, scratch_at, scratch_size):
    """Gradients of all values in rows batch_at..batch_at+batch_rows, from that of the output: a dense layer's DOUTPUT
    becomes its dz."""
    for i in range(tape[0, OPERATIONS], 0, -1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT] + at * inputs, 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            dense_inward(dx, dy, w, z, y, kind, alpha, vector(workspace, scratch_at, scratch_size), wants_dx)
        elif not wants_dx:
            continue
        elif tape[i, KIND] != ELEMENTWISE:
            inward_operation(tape[i, KIND], tape, i, params, x, workspace, at, rows, key)
        else:
            source = values_at(tape[i, INPUT], inputs, x, workspace, at, rows)
            activation_backward(flat(dx), flat(dy), flat(source), flat(y), kind, alpha)


@kernel(late=True)
def _gradient_of_rows(tape, grads, first, x, workspace, batch_at, batch_rows):
    """The gradients of all parameters, summed over rows batch_at..batch_at+batch_rows, to grads[first:]."""
    for i in range(tape[0, OPERATIONS], 0, -1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        if tape[i, KIND] == DENSE:
            inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
            source = values_at(tape[i, INPUT], inputs, x, workspace, at, rows)
            dz = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
            dw = matrix(grads, first + tape[i, WEIGHT], inputs, outputs)
            db = vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_gradient(dw, db, dz, source)
        elif tape[i, PARAMETERS_SIZE] > 0:
            gradient_operation(tape[i, KIND], tape, i, grads, first, x, workspace, at, rows)


@kernel(late=True)
def _backward_spans(tape, params, x, workspace, key, part, parts):
    """One share of the spans of the batch: the gradient of each, while its rows are in cache, to a place of its own."""
    chunk, span = tape[0, CHUNK], tape[0, CHUNK] * CHUNKS_OF_SPAN
    begin, end = share(part, parts, x.shape[0], span)
    size = tape[0, SCRATCH_SIZE] // parts
    for first in range(begin, end, span):
        last = min(first + span, end)
        for at in range(first, last, chunk):
            _inward_rows(tape, params, x, workspace, key, at, min(chunk, last - at), tape[0, SCRATCH_AT] + part * size,
                         size)  # fmt: skip
        partial = tape[0, PARTIALS_AT] + first // span * params.size
        _gradient_of_rows(tape, workspace, partial, x, workspace, first, last - first)


@kernel(parallel=True, late=True)
def _backward_parallel(parts, tape, params, x, workspace, key):
    for part in prange(parts):
        _backward_spans(tape, params, x, workspace, key, part, parts)


@kernel(late=True)
def _backward_in_chunks(tape, params, grads, x, workspace, key):
    """The gradient as the sum of those of spans, in their order, whoever made them."""
    rows = x.shape[0]
    threads = _threads_for_chunks(tape, rows)
    if threads > 1 and take_pool():
        _backward_parallel(threads, tape, params, x, workspace, key)
        release_pool()
    else:
        _backward_spans(tape, params, x, workspace, key, 0 * rows, 1 + 0 * rows)
    span, size = tape[0, CHUNK] * CHUNKS_OF_SPAN, params.size
    copy_block(grads, 0, size, workspace, tape[0, PARTIALS_AT], size, 1, size)
    for first in range(span, rows, span):
        partial = vector(workspace, tape[0, PARTIALS_AT] + first // span * size, size)
        for j in range(size):
            grads[j] += partial[j]


@kernel(inlined=True)
def backward_with(tape, params, grads, x, workspace, key):
    """Overwrites grads with the gradient, from that of the output at DOUTPUT_AT; after `forward_with` on the same x."""
    if goes_in_chunks(tape, x.shape[0]):
        _backward_in_chunks(tape, params, grads, x, workspace, key)
    else:
        _gradient_by_layers(tape, params, grads, x, workspace, key)


@kernel(inlined=True)
def backward(tape, params, grads, x, workspace):
    """Overwrites grads with the gradient, from that of the output at DOUTPUT_AT; after `forward` on the same x."""
    backward_with(tape, params, grads, x, workspace, NO_KEY + 0 * x.shape[0])


@kernel(inlined=True)
def backward_and_update(tape, params, state, x, workspace, key, update, rule):
    """Updates params by the gradient, which is written nowhere; see optimizer.rule_of and `backward_with`."""
    _update_by_layers(tape, params, state, x, workspace, key, update, rule)


@kernel(inlined=True)
def forward_and_loss(tape, params, x, y, workspace, key):
    """Forward and loss on one batch; leaves the gradient of the output at DOUTPUT_AT. Returns the loss in float64."""
    rows = x.shape[0]
    forward_with(tape, params, x, workspace, key)
    prediction = output(tape, workspace, rows)
    gradient = matrix(workspace, tape[0, DOUTPUT_AT], prediction.shape[0], prediction.shape[1])
    return loss(tape, vector(workspace, tape[0, LOSSES_AT], prediction.shape[0]), gradient, prediction, y)


@kernel(inlined=True)
def loss_and_gradient_with(tape, params, grads, x, y, workspace, key):
    """`loss_and_gradient` in a step of training, and what Python calls: each such function takes 2 s to compile."""
    value = forward_and_loss(tape, params, x, y, workspace, key)
    backward_with(tape, params, grads, x, workspace, key)
    return value


@kernel(inlined=True)
def loss_and_gradient(tape, params, grads, x, y, workspace):
    """Forward, loss and backward on one batch; overwrites grads and returns the loss in float64."""
    key = NO_KEY + 0 * x.shape[0]
    value = forward_and_loss(tape, params, x, y, workspace, key)
    backward_with(tape, params, grads, x, workspace, key)
    return value


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
