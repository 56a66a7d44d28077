"""One training step and one epoch as single nopython calls.

params, grads, state   flat vectors (parameters, gradient, optimizer moments)
control                float64 vector: what the optimizer is told, and the number of steps it has made
x (N, I), y            data: labels int64 (N,) or (N, T), or target rows (N, O) or (N, T O); or a pair of one of them
                       and what each row weighs, float64 (N,)
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64

from fastnn.compiler.jit import by_type, kernel
from fastnn.kernels.dropout import NO_KEY, key_of
from fastnn.kernels.optimizer import (
    apply_rule,
    clip_norm,
    decayed,
    learning_rate_at,
    rule_of,
    squared_norm,
    update_part,
)
from fastnn.simd.views import addressed, matrix, vector
from fastnn.tape import (
    backward_and_update,
    backward_with,
    count_hits,
    forward_and_loss,
    forward_with,
    gather,
    goes_by_spans,
    goes_in_chunks,
    gradient_by_spans,
    mean_weight,
    no_order,
    output,
    rows_in_penalty,
    targets_in_range,
)
from fastnn.tape.columns import (
    BATCH_AT,
    BLOCKS,
    CAPACITY,
    COLUMNS,
    GROUPED,
    LOSS_MEAN,
    OUTPUT_ROWS,
    SPAN_ROWS,
    TIED,
)
from fastnn.tape.parameters import block_of, statistic_of
from fastnn.tape.targets import is_weighted, part_of_target

# Slots of control. FACTOR is the momentum or beta1; CLIP_NORM 0 does not clip; SPAN, SHAPE and FLOOR belong to the
# schedule (see learning_rate_at); SEED and STEP, the steps that were made, tell what dropout drops in the next; L2 is
# the penalty of weights (see join_penalty); EPSILON_HAT 1 adds Adam's epsilon to the root of a second moment that is
# not corrected yet. DECAY_MATRICES 1 spares all but matrices from weight decay.
(OPTIMIZER, LEARNING_RATE, FACTOR, BETA2, EPSILON, WEIGHT_DECAY, CLIP_NORM, SCHEDULE, SPAN, SHAPE, FLOOR, STEP, SEED,
 L2, EPSILON_HAT, DECAY_MATRICES) = range(16)  # fmt: skip
CONTROL_SIZE = 16

# From so many parameters on the update is fused with the gradient. At batch 1, fused and not: 26 parameters 311 and 213
# ns, 1,210 0.81 and 0.82 us, 9,610 2.5 and 2.9, 669,706 174 and 202, 10 million 4.6 and 8.0 ms.
FUSED_PARAMETERS = 2_000

# Slots of an epoch's report.
LOSS_SUM, WEIGHT_SUM, ROWS, HITS, STEPS, PENALTY = range(6)
REPORT_SIZE = 6


@kernel(inlined=True)
def learning_rate(control):
    """The rate of the next step."""
    return learning_rate_at(
        int(control[SCHEDULE]), control[LEARNING_RATE], control[STEP], control[SPAN], control[SHAPE], control[FLOOR]
    )


@kernel(inlined=True)
def key_of_step(control):
    """What dropout draws by in the next step."""
    return key_of(int(control[SEED]), int(control[STEP]))


@kernel(inlined=True)
def _next_rule(control):
    """Counts a step, and returns its kind of update and the scalars of it."""
    rate = learning_rate(control)
    control[STEP] += 1
    return _rule_at(control, rate, control[WEIGHT_DECAY])


@kernel(inlined=True)
def _rule_at(control, rate, weight_decay):
    """The kind of update of a step that is counted, and the scalars of it."""
    kind, epsilon = int(control[OPTIMIZER]), control[EPSILON]
    if control[EPSILON_HAT] > 0:
        epsilon /= math.sqrt(1 - control[BETA2] ** control[STEP])
    return kind, rule_of(kind, control[STEP], rate, control[FACTOR], control[BETA2], epsilon,
                         weight_decay)  # fmt: skip


@kernel(inlined=True)
def apply_gradient(params, grads, state, control):
    """One optimizer update of all parameters alike; clips grads in place where the control says so, counts the step."""
    if control[CLIP_NORM] > 0:
        clip_norm(grads, control[CLIP_NORM])
    kind, rule = _next_rule(control)
    apply_rule(params, grads, state, kind, rule)


@kernel(late=True)
def join_penalty(tape, params, grads, control, rows):
    """grads += l2 / rows * params, of weights alone: the gradient of half of l2 times their squares, over the rows."""
    if rows == 0:  # all of weight 0, of a sum
        return
    factor = params.dtype.type(control[L2] / rows)
    for k in range(tape[0, BLOCKS]):
        at, size, decays, _ = block_of(tape, k)
        if decays:
            for j in range(at, at + size):
                grads[j] = decayed(grads[j], params[j], factor)


@kernel(late=True, returns=float64)
def squared_weights(tape, params):
    """The sum of the squares of all weights, without biases, in float64."""
    total = 0.0
    for k in range(tape[0, BLOCKS]):
        at, size, decays, _ = block_of(tape, k)
        if decays:
            total += squared_norm(vector(params, at, size))
    return total


@kernel(late=True, returns=float64)
def train_step(tape, params, grads, state, control, x, y, workspace):
    """Forward, loss, backward, update on one batch of at most CAPACITY rows; returns the loss before the update.

    A step whose loss is not finite changes no parameter, no moment and no count. What stands in grads afterwards is the
    gradient only where it must be clipped as a whole or joined by a penalty, which the loss is without; else weights
    may be updated while their gradient is in cache.
    """
    if goes_by_spans(tape, x.shape[0]):
        return _step_by_spans(tape, params, grads, state, control, x, y, no_order(tape), workspace)
    key = key_of_step(control)
    value = forward_and_loss(tape, params, x, y, workspace, key)
    if not math.isfinite(value):
        return value
    if _needs_whole_gradient(tape, control) or params.size < FUSED_PARAMETERS or goes_in_chunks(tape, x.shape[0]):
        backward_with(tape, params, grads, x, workspace, key)
        apply_whole(tape, params, grads, state, control, rows_in_penalty(y, x.shape[0]))
    else:
        kind, rule = _next_rule(control)
        backward_and_update(tape, params, state, x, workspace, key, kind, rule)
    return value


@kernel(inlined=True)
def _needs_whole_gradient(tape, control):
    """Whether an update cannot begin before the gradient ends, or is not of all parameters alike."""
    apart = control[DECAY_MATRICES] > 0 or tape[0, TIED] > 0 or tape[0, GROUPED] > 0
    return control[CLIP_NORM] > 0 or control[L2] > 0 or apart


@kernel(inlined=True)
def apply_whole(tape, params, grads, state, control, rows):
    """One optimizer update from the gradient of so many rows, to which the penalty joins; counts the step."""
    if control[L2] > 0:
        join_penalty(tape, params, grads, control, rows)
    apply_update(tape, params, grads, state, control)


@kernel(inlined=True)
def apply_update(tape, params, grads, state, control):
    """One optimizer update from a gradient, by the blocks of the tape where they differ; counts the step."""
    if control[DECAY_MATRICES] > 0 or tape[0, GROUPED] > 0:
        apply_by_blocks(tape, params, grads, state, control)
    else:
        apply_gradient(params, grads, state, control)


@kernel(late=True)
def move_statistics(tape, params, grads):
    """Running statistics move by their gradients over the rows that were counted, and steps are counted; those
    gradients become 0. One that is frozen stays, and so do all of which nothing was counted, since nothing trained."""
    counted = params.dtype.type(0)
    for k in range(tape[0, BLOCKS] - 1, -1, -1):  # a count is behind what it is of
        at, size, _, times = block_of(tape, k)
        is_statistic, is_count = statistic_of(tape, k)
        if is_count:
            counted = grads[at]
        for j in range(at, at + size if is_statistic else at):
            if counted > 0 and times > 0:
                params[j] += 1 if is_count else -grads[j] / counted
            grads[j] = 0


@kernel(late=True)
def apply_by_blocks(tape, params, grads, state, control):
    """`apply_gradient` where blocks of parameters differ: in their rate, 0 for one that is frozen, or their decay, or
    are no optimizer's."""
    move_statistics(tape, params, grads)
    for k in range(tape[0, BLOCKS]):
        at, size, _, times = block_of(tape, k)
        if times == 0:
            for j in range(at, at + size):
                grads[j] = 0  # and nothing in the norm
    if control[CLIP_NORM] > 0:
        clip_norm(grads, control[CLIP_NORM])
    rate, decay = learning_rate(control), control[WEIGHT_DECAY]
    control[STEP] += 1
    for k in range(tape[0, BLOCKS]):
        at, size, decays, times = block_of(tape, k)
        if rate * times == 0 or statistic_of(tape, k)[0]:
            continue
        kind, rule = _rule_at(control, rate * times, decay if decays or control[DECAY_MATRICES] == 0 else 0.0)
        update_part(params, at, grads, at, state, size, kind, rule)


@kernel(late=True, returns=float64)
def _step_by_spans(tape, params, grads, state, control, x, y, order, workspace):
    """A step on more rows than a span: on x, or on x[order] where order is not empty."""
    value = gradient_by_spans(tape, params, grads, x, y, order, workspace, key_of_step(control))
    if math.isfinite(value):
        rows = order.size if order.size > 0 else x.shape[0]
        apply_whole(tape, params, grads, state, control, rows_in_penalty(y, rows))
    return value


# A frame: the addresses of tape, params, grads, state, control and workspace, then the elements of each, then the bytes
# of a number and the columns of x.
(TAPE, PARAMS, GRADS, STATE, CONTROL, WORKSPACE) = range(6)
SIZES, ITEMSIZE, INPUTS = 6, 12, 13


def _framed_step(frame, x, labels):
    """train_step on the arrays of a frame: one argument in place of six, each of which costs 80 ns from Python.

    NaN, and nothing changed, where x (rows, INPUTS) and labels, one a row of the loss, do not fit the frame, or a label
    is out of range.
    """
    rows = x.shape[0]
    if frame[ITEMSIZE] != x.itemsize or frame[INPUTS] != x.shape[1] or rows == 0:
        return math.nan
    whole, number, real = np.int64, x.dtype, np.float64
    tape = matrix(addressed(frame, TAPE, frame[SIZES + TAPE], whole), 0, frame[SIZES + TAPE] // COLUMNS, COLUMNS)
    if labels.size != rows * tape[0, OUTPUT_ROWS] or rows > tape[0, CAPACITY] or not targets_in_range(tape, labels):
        return math.nan
    params = addressed(frame, PARAMS, frame[SIZES + PARAMS], number)
    grads = addressed(frame, GRADS, frame[SIZES + GRADS], number)
    state = addressed(frame, STATE, frame[SIZES + STATE], number)
    control = addressed(frame, CONTROL, frame[SIZES + CONTROL], real)
    workspace = addressed(frame, WORKSPACE, frame[SIZES + WORKSPACE], number)
    return train_step(tape, params, grads, state, control, x, labels, workspace)


def _framed_forward(frame, x):
    """tape.forward on the arrays of a frame; False, and nothing done, where x (rows, INPUTS) does not fit it."""
    rows = x.shape[0]
    if frame[ITEMSIZE] != x.itemsize or frame[INPUTS] != x.shape[1] or rows == 0:
        return False
    tape = matrix(addressed(frame, TAPE, frame[SIZES + TAPE], np.int64), 0, frame[SIZES + TAPE] // COLUMNS, COLUMNS)
    if rows > tape[0, CAPACITY]:
        return False
    params = addressed(frame, PARAMS, frame[SIZES + PARAMS], x.dtype)
    workspace = addressed(frame, WORKSPACE, frame[SIZES + WORKSPACE], x.dtype)
    forward_with(tape, params, x, workspace, NO_KEY + 0 * rows)
    return True


# By the bytes of a number, each compiled for that alone.
framed_step = {4: kernel(_framed_step), 8: kernel(_framed_step)}
framed_forward = {4: kernel(_framed_forward), 8: kernel(_framed_forward)}


def _take_labels(target, y, order, at, rows):
    for i in range(rows):
        target[i] = y[order[at + i]]
    return vector(target, 0, rows)


def _take_rows(target, y, order, at, rows):
    width = y.shape[1]
    for i in range(rows):
        for j in range(width):
            target[i * width + j] = y[order[at + i], j]
    return matrix(target, 0, rows, width)


_take_alone = by_type(lambda target, y, *rest: _take_labels if y.ndim == 1 else _take_rows)


def _take_weighted(target, y, order, at, rows):
    room, room_for_weights = target
    alone, weights = y
    return _take_alone(room, alone, order, at, rows), _take_alone(room_for_weights, weights, order, at, rows)


# The targets of the batch order[at:at + rows], copied to the head of the flat `target`, or of a pair where they weigh.
_take = by_type(
    lambda target, y, *rest: _take_weighted if is_weighted(y) else _take_labels if y.ndim == 1 else _take_rows
)


@kernel(inlined=True)
def _step_on(tape, params, grads, state, control, x, y, order, at, rows, workspace):
    """A step on x[order[at:at + rows]], whose targets are y."""
    if rows > tape[0, SPAN_ROWS]:
        return _step_by_spans(tape, params, grads, state, control, x, y, vector(order, at, rows), workspace)
    batch = matrix(workspace, tape[0, BATCH_AT], rows, x.shape[1])
    gather(batch, x, order, at)
    return train_step(tape, params, grads, state, control, batch, y, workspace)


@kernel(inlined=True)
def _count_only(report, tape, params, control, x, y, order, at, rows, workspace):
    """A batch on which no step is made: its rows and right answers, a span at a time, as a step would see them."""
    most, key = tape[0, SPAN_ROWS], key_of_step(control)
    for first in range(0, rows, most):
        count = min(most, rows - first)
        batch = matrix(workspace, tape[0, BATCH_AT], count, x.shape[1])
        gather(batch, x, order, at + first)
        forward_with(tape, params, batch, workspace, key)
        hits, counted = count_hits(tape, output(tape, workspace, count), part_of_target(tape, y, first, count))
        report[HITS] += hits
        report[ROWS] += counted
    report[STEPS] += 1


@kernel(late=True)
def go_on(report, tape, params, grads, state, control, x, y, order, target, workspace, batch, steps):
    """run_epoch on more rows of an epoch: adds to report, whose sums are those of one call to the bit."""
    for at in range(0, order.size, batch):
        if report[STEPS] == steps:
            return
        rows = min(batch, order.size - at)
        y_batch = _take(target, y, order, at, rows)
        weight = mean_weight(tape, y_batch)
        if weight == 0 and tape[0, LOSS_MEAN] > 0:
            _count_only(report, tape, params, control, x, y_batch, order, at, rows, workspace)
            continue
        penalty = 0.5 * control[L2] * squared_weights(tape, params) if control[L2] > 0 else 0.0
        value = _step_on(tape, params, grads, state, control, x, y_batch, order, at, rows, workspace)
        if not math.isfinite(value):
            report[LOSS_SUM] = value
            return
        hits, counted = count_hits(tape, output(tape, workspace, rows), y_batch)
        report[HITS] += hits
        report[ROWS] += counted
        report[LOSS_SUM] += value * weight if tape[0, LOSS_MEAN] > 0 else value
        report[WEIGHT_SUM] += weight
        report[PENALTY] += penalty
        report[STEPS] += 1


@kernel(late=True)
def run_epoch(report, tape, params, grads, state, control, x, y, order, target, workspace, batch, steps):
    """Trains on x[order], y[order] in batches, the last one short, at most `steps` of them, in one call.

    target is room for one batch of y, flat; where y is a pair, a pair. Overwrites report: the sum of the batch losses
    times their weights, the sum of the weights (see mean_weight), rows that count and right answers (see count_hits),
    batches done, and half of L2 times the squared weights, summed over the batches. A batch whose labels all are
    ignored or weigh nothing has no mean: no step is made on it, and its right answers alone count. Stops before the
    update of a step whose loss is not finite, and reports that loss.
    """
    report[:] = 0
    go_on(report, tape, params, grads, state, control, x, y, order, target, workspace, batch, steps)
