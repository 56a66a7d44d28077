"""The tape: a network as a small int64 array, and the nopython walker over it.

Row 0 is the header, then one row an operation, then rows of constants (class weights). A row names where its inputs,
outputs and parameters lie, so a tape is a graph. One set of compiled kernels walks any tape: a new architecture
compiles nothing. Offsets count elements of the flat vectors; INPUT = -1 is the caller's x, DINPUT = -1 says that nobody
wants the gradient of the input. Real constants are kept as the bits of their float64.

    params, grads   one block a weight or bias, each beginning on 64 bytes, zeros between
    workspace       values and gradients of every operation for up to CAPACITY rows, then scratch for the products
"""

from __future__ import annotations

from numba import prange

from fastnn._jit import by_type, kernel
from fastnn.kernels.activation import activation_backward, activation_forward
from fastnn.kernels.dense import dense_backward, dense_forward, dense_gradient, dense_inward
from fastnn.kernels.loss import (
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    CROSS_ENTROPY,
    HINGE,
    MSE,
    cross_entropy,
    cross_entropy_probabilities,
    elementwise_loss,
    label_weight,
)
from fastnn.kernels.matmul import pays_threads, share
from fastnn.kernels.optimizer import KEEP, NO_RULE
from fastnn.kernels.softmax import first_largest
from fastnn.simd.pack import copy_block
from fastnn.simd.pool import release_pool, take_pool, thread_count
from fastnn.simd.scalar import as_double
from fastnn.simd.views import doubles, flat, matrix, vector

COLUMNS = 19

# Columns of the header. BATCH_AT is where an epoch gathers the rows of a minibatch, DBIAS_AT where the gradient of a
# bias waits for its update, CLASS_WEIGHTS the row of the constants or 0 where there are none. A batch of more than
# CHUNK rows (0: none) goes through the whole network a chunk at a time, by at most SHARES threads, and its gradient is
# the sum of those of spans of CHUNKS_OF_SPAN chunks, kept from PARTIALS_AT on.
(OPERATIONS, CAPACITY, WORKSPACE_SIZE, SCRATCH_AT, SCRATCH_SIZE, OUTPUT_AT, DOUTPUT_AT, OUTPUT_WIDTH, LOSS, LOSS_MEAN,
 IGNORE_INDEX, LABEL_SMOOTHING, CLASS_WEIGHTS, LOSSES_AT, BATCH_AT, DBIAS_AT,
 CHUNK, SHARES, PARTIALS_AT) = range(19)  # fmt: skip

# Columns of an operation. BIAS_SIZE is 0 where there is no bias.
(KIND, INPUT, OUTPUT, PRE, DINPUT, DOUTPUT, WEIGHT, BIAS, BIAS_SIZE, WIDTH_IN, WIDTH_OUT, ACTIVATION, ALPHA) = range(13)

DENSE, ELEMENTWISE = range(2)

# Chunks whose gradient is summed as one. A sum over spans, and not over the batch, lets a thread keep what it needs in
# its own cache: 10,000 rows of 4-32-16-4 take 381 us a step on two threads; 450 where threads shared the weights.
CHUNKS_OF_SPAN = 4

SIGNED_SCORES = (HINGE, BINARY_CROSS_ENTROPY_WITH_LOGITS)


@kernel(inlined=True, views=True)
def _input(tape, i, x, workspace, at, rows):
    """(rows, WIDTH_IN): what operation i reads of the rows from `at` on."""
    width = tape[i, WIDTH_IN]
    if tape[i, INPUT] < 0:
        return matrix(flat(x), at * width, rows, width)
    return matrix(workspace, tape[i, INPUT] + at * width, rows, width)


@kernel(inlined=True, views=True)
def _scratch(tape, workspace, part, parts):
    """One of as many equal pieces of the scratch."""
    size = tape[0, SCRATCH_SIZE] // parts
    return vector(workspace, tape[0, SCRATCH_AT] + part * size, size)


@kernel(inlined=True, views=True)
def output(tape, workspace, rows):
    """(rows, OUTPUT_WIDTH): what the last forward pass left in the workspace."""
    return matrix(workspace, tape[0, OUTPUT_AT], rows, tape[0, OUTPUT_WIDTH])


@kernel
def _forward_rows(tape, params, x, workspace, at, rows, part, parts):
    """Runs rows at..at+rows of x through the network, with a share of the scratch."""
    for i in range(1, tape[0, OPERATIONS] + 1):
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = _input(tape, i, x, workspace, at, rows)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            b = vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_forward(y, z, source, w, b, kind, alpha, _scratch(tape, workspace, part, parts))
        else:
            activation_forward(flat(y), flat(source), kind, alpha)


@kernel
def _forward_chunks(tape, params, x, workspace, part, parts):
    """One share of the rows of x, a chunk at a time."""
    chunk = tape[0, CHUNK]
    begin, end = share(part, parts, x.shape[0], chunk)
    for at in range(begin, end, chunk):
        _forward_rows(tape, params, x, workspace, at, min(chunk, end - at), part, parts)


@kernel(parallel=True)
def _forward_parallel(parts, tape, params, x, workspace):
    for part in prange(parts):
        _forward_chunks(tape, params, x, workspace, part, parts)


@kernel(inlined=True)
def goes_in_chunks(tape, rows):
    """Whether so many rows go through the whole network in chunks, by threads that share rows, or layer by layer."""
    return 0 < tape[0, CHUNK] < rows


@kernel(inlined=True)
def _threads_for_chunks(tape, params, rows):
    return min(thread_count(), tape[0, SHARES]) if pays_threads(rows, rows * params.size) else 1


@kernel(inlined=True)
def forward(tape, params, x, workspace):
    """Runs x (B, I), B <= CAPACITY, through the network; `output` then finds the result. Rows are independent."""
    rows = x.shape[0]
    part, parts = 0 * rows, 1 + 0 * rows  # literals would compile twins of their own
    if not goes_in_chunks(tape, rows):
        _forward_rows(tape, params, x, workspace, part, rows, part, parts)
        return
    threads = _threads_for_chunks(tape, params, rows)
    if threads > 1 and take_pool():
        _forward_parallel(threads, tape, params, x, workspace)
        release_pool()
    else:
        _forward_chunks(tape, params, x, workspace, part, parts)


@kernel(inlined=True)
def _backward(tape, params, grads, state, x, workspace, update, rule):
    """Layer by layer, see `backward` and `backward_and_update`."""
    rows = x.shape[0]
    for i in range(tape[0, OPERATIONS], 0, -1):
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = _input(tape, i, x, workspace, 0 * rows, rows)
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT], 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT], rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT], rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE], rows, outputs)
            keeps = update == KEEP
            dw = matrix(grads, tape[i, WEIGHT] if keeps else 0, inputs if keeps else 0, outputs)
            db = vector(
                grads if keeps else workspace, tape[i, BIAS] if keeps else tape[0, DBIAS_AT], tape[i, BIAS_SIZE]
            )
            dense_backward(dx, dw, db, params, state, tape[i, WEIGHT], tape[i, BIAS], dy, source, z, y, kind, alpha,
                           _scratch(tape, workspace, 0 * rows, 1 + 0 * rows), wants_dx, update, rule)  # fmt: skip
        elif wants_dx:
            activation_backward(flat(dx), flat(dy), flat(source), flat(y), kind, alpha)


@kernel
def _inward_rows(tape, params, x, workspace, at, rows, part, parts):
    """Gradients of all values in rows at..at+rows, from that of the output: each DOUTPUT of a layer becomes its dz."""
    for i in range(tape[0, OPERATIONS], 0, -1):
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT] + at * inputs, 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            dense_inward(dx, dy, w, z, y, kind, alpha, _scratch(tape, workspace, part, parts), wants_dx)
        elif wants_dx:
            source = _input(tape, i, x, workspace, at, rows)
            activation_backward(flat(dx), flat(dy), flat(source), flat(y), kind, alpha)


@kernel
def _gradient_of_rows(tape, grads, first, x, workspace, at, rows):
    """The gradients of all parameters, summed over rows at..at+rows, to grads[first:]."""
    for i in range(1, tape[0, OPERATIONS] + 1):
        if tape[i, KIND] == DENSE:
            inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
            source = _input(tape, i, x, workspace, at, rows)
            dz = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
            dw = matrix(grads, first + tape[i, WEIGHT], inputs, outputs)
            db = vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_gradient(dw, db, dz, source)


@kernel
def _backward_spans(tape, params, x, workspace, part, parts):
    """One share of the spans of the batch: the gradient of each, while its rows are in cache, to a place of its own."""
    chunk, span = tape[0, CHUNK], tape[0, CHUNK] * CHUNKS_OF_SPAN
    begin, end = share(part, parts, x.shape[0], span)
    for first in range(begin, end, span):
        last = min(first + span, end)
        for at in range(first, last, chunk):
            _inward_rows(tape, params, x, workspace, at, min(chunk, last - at), part, parts)
        partial = tape[0, PARTIALS_AT] + first // span * params.size
        _gradient_of_rows(tape, workspace, partial, x, workspace, first, last - first)


@kernel(parallel=True)
def _backward_parallel(parts, tape, params, x, workspace):
    for part in prange(parts):
        _backward_spans(tape, params, x, workspace, part, parts)


@kernel
def _backward_in_chunks(tape, params, grads, x, workspace):
    """The gradient as the sum of those of spans, in their order, whoever made them."""
    rows = x.shape[0]
    threads = _threads_for_chunks(tape, params, rows)
    if threads > 1 and take_pool():
        _backward_parallel(threads, tape, params, x, workspace)
        release_pool()
    else:
        _backward_spans(tape, params, x, workspace, 0 * rows, 1 + 0 * rows)
    span, size = tape[0, CHUNK] * CHUNKS_OF_SPAN, params.size
    copy_block(grads, 0, size, workspace, tape[0, PARTIALS_AT], size, 1, size)
    for first in range(span, rows, span):
        partial = vector(workspace, tape[0, PARTIALS_AT] + first // span * size, size)
        for j in range(size):
            grads[j] += partial[j]


@kernel(inlined=True)
def backward(tape, params, grads, x, workspace):
    """Overwrites grads with the gradient, from that of the output at DOUTPUT_AT; after `forward` on the same x."""
    if goes_in_chunks(tape, x.shape[0]):
        _backward_in_chunks(tape, params, grads, x, workspace)
    else:
        _backward(tape, params, grads, grads, x, workspace, KEEP, NO_RULE)


@kernel(inlined=True)
def backward_and_update(tape, params, state, x, workspace, update, rule):
    """Updates params by the gradient, which is written nowhere; see optimizer.rule_of and `backward`."""
    _backward(tape, params, params, state, x, workspace, update, rule)


@kernel(views=True)
def _class_weights(tape):
    at = tape[0, CLASS_WEIGHTS]
    return doubles(flat(tape), at * COLUMNS, tape[0, OUTPUT_WIDTH] if at > 0 else 0)


def _loss_of_labels(tape, losses, gradient, prediction, target):
    return cross_entropy(losses, gradient, prediction, target, _class_weights(tape), tape[0, IGNORE_INDEX],
                         as_double(tape[0, LABEL_SMOOTHING]), tape[0, LOSS_MEAN] > 0)  # fmt: skip


def _loss_of_rows(tape, losses, gradient, prediction, target):
    mean = tape[0, LOSS_MEAN] > 0
    if tape[0, LOSS] == CROSS_ENTROPY:
        return cross_entropy_probabilities(losses, gradient, prediction, target, _class_weights(tape),
                                           as_double(tape[0, LABEL_SMOOTHING]), mean)  # fmt: skip
    return elementwise_loss(gradient, prediction, target, tape[0, LOSS], mean)


def _by_target(of_labels, of_rows):
    """Targets are labels (B,) int64 or rows (B, O); each is compiled for what it is. The target comes last."""
    return by_type(lambda *arguments: of_labels if arguments[-1].ndim == 1 else of_rows)


_loss = _by_target(_loss_of_labels, _loss_of_rows)


@kernel(inlined=True)
def loss(tape, losses, gradient, prediction, target):
    """The network's loss; overwrites gradient (B, O) and, for a cross-entropy, losses (B,)."""
    return _loss(tape, losses, gradient, prediction, target)


def _hits_of_labels(tape, prediction, target):
    width = prediction.shape[1]
    hits = counted = 0
    for i in range(target.size):
        if target[i] != tape[0, IGNORE_INDEX]:
            counted += 1
            hits += first_largest(vector(flat(prediction), i * width, width)) == target[i]
    return hits, counted


def _hits_of_rows(tape, prediction, target):
    rows, width = target.shape
    hits = 0
    if tape[0, LOSS] == CROSS_ENTROPY:
        for i in range(rows):
            at = i * width
            hits += first_largest(vector(flat(prediction), at, width)) == first_largest(vector(flat(target), at, width))
    elif tape[0, LOSS] != MSE:
        # Scores of hinge and logits part at 0, probabilities at 1/2; targets are -1 and 1, or 0 and 1.
        border = 0.0 if tape[0, LOSS] in SIGNED_SCORES else 0.5
        for i in range(rows):
            right = 0
            for j in range(width):
                right += (prediction[i, j] > border) == (target[i, j] > 0)
            hits += right == width
    return hits, rows


_hits = _by_target(_hits_of_labels, _hits_of_rows)


@kernel
def count_hits(tape, prediction, target):
    """Rows that are right in every output (0 for mse), and rows that count: all but those of an ignored label."""
    return _hits(tape, prediction, target)


def _weight_of_labels(tape, target):
    return label_weight(target, _class_weights(tape), tape[0, IGNORE_INDEX])


def _weight_of_rows(tape, target):
    return float(target.shape[0])


_weight = _by_target(_weight_of_labels, _weight_of_rows)


@kernel
def mean_weight(tape, target):
    """What one batch counts in a mean over many: its rows, or for labels the sum of their class weights."""
    return _weight(tape, target)


def _labels_in_range(tape, labels):
    for i in range(labels.size):
        if not 0 <= labels[i] < tape[0, OUTPUT_WIDTH] and labels[i] != tape[0, IGNORE_INDEX]:
            return False
    return True


def _any_rows(tape, target):
    return True


# targets_in_range(tape, target): whether every label is a class of the network's output, or the ignored one.
targets_in_range = _by_target(_labels_in_range, _any_rows)


@kernel(inlined=True)
def forward_and_loss(tape, params, x, y, workspace):
    """Forward and loss on one batch; leaves the gradient of the output at DOUTPUT_AT. Returns the loss in float64."""
    rows = x.shape[0]
    forward(tape, params, x, workspace)
    prediction = output(tape, workspace, rows)
    gradient = matrix(workspace, tape[0, DOUTPUT_AT], rows, prediction.shape[1])
    return _loss(tape, vector(workspace, tape[0, LOSSES_AT], rows), gradient, prediction, y)


@kernel(inlined=True)
def loss_and_gradient(tape, params, grads, x, y, workspace):
    """Forward, loss and backward on one batch; overwrites grads and returns the loss in float64."""
    value = forward_and_loss(tape, params, x, y, workspace)
    backward(tape, params, grads, x, workspace)
    return value


@kernel
def infer(out, tape, params, x, workspace):
    """out (N, O) = the network's output on x (N, I) for any N, CAPACITY rows at a time."""
    capacity, width = tape[0, CAPACITY], tape[0, OUTPUT_WIDTH]
    for at in range(0, x.shape[0], capacity):
        rows = min(capacity, x.shape[0] - at)
        forward(tape, params, matrix(flat(x), at * x.shape[1], rows, x.shape[1]), workspace)
        result = vector(workspace, tape[0, OUTPUT_AT], rows * width)
        target = vector(flat(out), at * width, rows * width)
        for j in range(rows * width):
            target[j] = result[j]
