"""The objective of a tape: its loss, what counts in a mean of losses, and which rows are right; see targets.py.

The loss of a row counts as often as the row weighs, in sums, means and gradients; where it weighs 0, in none.
"""

from __future__ import annotations

import numpy as np

from fastnn.compiler.jit import by_type, kernel
from fastnn.kernels.loss import (
    BINARY_CROSS_ENTROPY_WITH_LOGITS,
    CROSS_ENTROPY,
    HINGE,
    MSE,
    cross_entropy_probabilities_sum,
    cross_entropy_sum,
    elementwise_loss_sum,
    known_elements,
    known_loss_sum,
    label_weight,
    mean_of,
)
from fastnn.kernels.softmax import first_largest
from fastnn.simd.scalar import as_double
from fastnn.simd.views import doubles, flat, matrix, vector
from fastnn.tape.columns import (
    COLUMNS,
    IGNORE_INDEX,
    LABEL_SMOOTHING,
    LOSS,
    LOSS_CONSTANTS,
    LOSS_MEAN,
    OUTPUT_ROWS,
    OUTPUT_WIDTH,
    PIECE,
)
from fastnn.tape.losses import FIRST_REGISTERED_LOSS, sum_of_registered
from fastnn.tape.targets import by_target, is_weighted, part_of_alone

SIGNED_SCORES = (HINGE, BINARY_CROSS_ENTROPY_WITH_LOGITS)


@kernel(views=True)
def _class_weights(tape):
    at = tape[0, LOSS_CONSTANTS]
    return doubles(flat(tape), at * COLUMNS, tape[0, OUTPUT_WIDTH] if at > 0 else 0)


def _loss_of_labels(tape, losses, gradient, prediction, target, divisor):
    return cross_entropy_sum(losses, gradient, prediction, flat(target), _class_weights(tape), tape[0, IGNORE_INDEX],
                             as_double(tape[0, LABEL_SMOOTHING]), divisor)  # fmt: skip


@kernel(inlined=True, views=True)
def _as_rows(tape, target):
    """(rows, OUTPUT_WIDTH) of a target, however many axes it has."""
    width = tape[0, OUTPUT_WIDTH]
    return matrix(flat(target), 0, target.size // width, width)


def _loss_of_rows(tape, losses, gradient, prediction, target, divisor):
    rows = _as_rows(tape, target)
    if tape[0, LOSS] >= FIRST_REGISTERED_LOSS:
        return sum_of_registered(tape, losses, gradient, prediction, rows, divisor)
    if tape[0, LOSS] == CROSS_ENTROPY:
        return cross_entropy_probabilities_sum(losses, gradient, prediction, rows, _class_weights(tape),
                                               as_double(tape[0, LABEL_SMOOTHING]), divisor)  # fmt: skip
    if tape[0, IGNORE_INDEX] > 0:
        return known_loss_sum(gradient, prediction, rows, tape[0, LOSS], divisor)
    return elementwise_loss_sum(gradient, prediction, rows, tape[0, LOSS], divisor)


_loss_sum_alone = by_target(_loss_of_labels, _loss_of_rows, place=-2)


def _loss_of_weighted(tape, losses, gradient, prediction, target, divisor):
    alone, weights = target
    each, width = tape[0, OUTPUT_ROWS], prediction.shape[1]
    total = 0.0
    for i in range(weights.size):
        at = i * each
        own, own_losses = matrix(flat(gradient), at * width, each, width), vector(losses, at, each)
        if weights[i] == 0:
            flat(own)[:] = 0
            own_losses[:] = 0
            continue
        row = matrix(flat(prediction), at * width, each, width)
        own_target = part_of_alone(tape, alone, i, 1 + 0 * i)
        total += weights[i] * _loss_sum_alone(tape, own_losses, own, row, own_target, divisor / weights[i])
    return total


# loss_sum(tape, losses, gradient, prediction, target, divisor): the sum of the losses of all rows; overwrites gradient
# (B, O) with that of the sum over divisor, and for a cross-entropy losses (B,), whose weights count in the sum alone.
loss_sum = by_target(_loss_of_labels, _loss_of_rows, _loss_of_weighted, place=-2)


def _part_of_labels(tape, losses, gradient, prediction, target, at, divisor):
    own = vector(flat(target), at, prediction.shape[0])
    return _loss_sum_alone(tape, losses, gradient, prediction, own, divisor)


def _part_of_rows(tape, losses, gradient, prediction, target, at, divisor):
    rows, width = prediction.shape
    own = matrix(flat(target), at * width, rows, width)
    return _loss_sum_alone(tape, losses, gradient, prediction, own, divisor)


_part_alone = by_target(_part_of_labels, _part_of_rows, place=-3)


def _part_of_weighted(tape, losses, gradient, prediction, target, at, divisor):
    alone, weights = target
    each, (rows, width) = tape[0, OUTPUT_ROWS], prediction.shape
    total, done = 0.0, 0 * at
    while done < rows:
        row = (at + done) // each
        count = min(rows - done, (row + 1) * each - at - done)
        own, own_losses = matrix(flat(gradient), done * width, count, width), vector(losses, done, count)
        if weights[row] == 0:
            flat(own)[:] = 0
            own_losses[:] = 0
        else:
            part = matrix(flat(prediction), done * width, count, width)
            weight = weights[row]
            total += weight * _part_alone(tape, own_losses, own, part, alone, at + done, divisor / weight)
        done += count
    return total


# loss_of_part(tape, losses, gradient, prediction, target, at, divisor): loss_sum of the rows of the loss from `at` on,
# as many as prediction has.
loss_of_part = by_target(_part_of_labels, _part_of_rows, _part_of_weighted, place=-3)


def _weight_of_labels(tape, target):
    return label_weight(flat(target), _class_weights(tape), tape[0, IGNORE_INDEX])


@kernel(inlined=True)
def _leaves_out(tape):
    """Whether a loss of numbers leaves out those that are NaN."""
    return tape[0, LOSS] != CROSS_ENTROPY and tape[0, IGNORE_INDEX] > 0


def _weight_of_rows(tape, target):
    return known_elements(target) if _leaves_out(tape) else float(target.size // tape[0, OUTPUT_WIDTH])


_weight_alone = by_target(_weight_of_labels, _weight_of_rows)


def _over_rows(of_row):
    """A sum over rows of what each is alone, times what it weighs."""

    def total_of(tape, target):
        alone, weights = target
        total = 0.0
        for i in range(weights.size):
            total += weights[i] * of_row(tape, part_of_alone(tape, alone, i, 1 + 0 * i))
        return total

    return total_of


_weight = by_target(_weight_of_labels, _weight_of_rows, _over_rows(_weight_alone))


@kernel
def mean_weight(tape, target):
    """What one batch counts in a mean over many: its rows, for labels the sum of their class weights, and where some
    numbers are left out, those that are not; each times what its row weighs."""
    return _weight(tape, target)


def _divisor_of_labels(tape, target):
    return label_weight(flat(target), _class_weights(tape), tape[0, IGNORE_INDEX]) if tape[0, LOSS_MEAN] > 0 else 1.0


def _divisor_of_rows(tape, target):
    if tape[0, LOSS_MEAN] == 0:
        return 1.0
    if _leaves_out(tape):
        return known_elements(target)
    of_elements = CROSS_ENTROPY < tape[0, LOSS] < FIRST_REGISTERED_LOSS
    return float(target.size if of_elements else target.size // tape[0, OUTPUT_WIDTH])


_divisor_alone = by_target(_divisor_of_labels, _divisor_of_rows)


_divisor_of_rows_that_weigh = by_target(None, None, _over_rows(_divisor_alone))


def _divisor_of_weighted(tape, target):
    return _divisor_of_rows_that_weigh(tape, target) if tape[0, LOSS_MEAN] > 0 else 1.0


_divisor = by_target(_divisor_of_labels, _divisor_of_rows, _divisor_of_weighted)


# rows_in_penalty(target, rows): by how many rows l2 is divided; what they weigh together, as in scikit-learn.
rows_in_penalty = by_type(
    lambda target, rows: (lambda target, rows: target[1].sum()) if is_weighted(target) else (lambda target, rows: rows)
)


@kernel
def loss_divisor(tape, target):
    """What the sum of the losses of a batch is divided by, 1 where it stays a sum."""
    return _divisor(tape, target)


@kernel(inlined=True)
def loss(tape, losses, gradient, prediction, target):
    """The network's loss; overwrites gradient (B, O) and, for a cross-entropy, losses (B,). A mean over rows that all
    weigh nothing is NaN."""
    divisor = loss_divisor(tape, target)
    total = loss_sum(tape, losses, gradient, prediction, target, divisor)
    return mean_of(total, divisor)


@kernel(inlined=True)
def _guess(tape, prediction, i):
    """The most likely class of a row of the loss."""
    width = prediction.shape[1]
    row = vector(flat(prediction), i * width, width)
    return np.int64(row[0]) if tape[0, PIECE] > 0 else first_largest(row)


def _hits_of_labels(tape, prediction, target):
    hits = counted = 0
    labels = flat(target)
    for i in range(labels.size):
        if labels[i] != tape[0, IGNORE_INDEX]:
            counted += 1
            hits += _guess(tape, prediction, i) == labels[i]
    return hits, counted


def _hits_of_rows(tape, prediction, target):
    target = _as_rows(tape, target)
    rows, width = target.shape
    hits = 0
    if tape[0, LOSS] == CROSS_ENTROPY:
        for i in range(rows):
            hits += _guess(tape, prediction, i) == first_largest(vector(flat(target), i * width, width))
    elif tape[0, LOSS] != MSE and tape[0, LOSS] < FIRST_REGISTERED_LOSS:
        # Scores of hinge and logits part at 0, probabilities at 1/2; targets are -1 and 1, or between 0 and 1.
        border = 0.0 if tape[0, LOSS] in SIGNED_SCORES else 0.5
        middle = 0.0 if tape[0, LOSS] == HINGE else 0.5
        counted = 0
        for i in range(rows):
            right = known = 0
            for j in range(width):
                right += (prediction[i, j] > border) == (target[i, j] > middle)
                known += target[i, j] == target[i, j]
            counted += known == width
            hits += right == width and known == width
        return hits, counted
    return hits, rows


_hits_alone = by_target(_hits_of_labels, _hits_of_rows)
_hits = by_target(
    _hits_of_labels, _hits_of_rows, lambda tape, prediction, target: _hits_alone(tape, prediction, target[0])
)


@kernel
def count_hits(tape, prediction, target):
    """Rows that are right in every output (0 for mse), and rows that count: all but those of an ignored label, and
    those of classes some of which are NaN. A right row is one, whatever it weighs."""
    return _hits(tape, prediction, target)


def _labels_in_range(tape, target):
    labels = flat(target)
    for i in range(labels.size):
        if not 0 <= labels[i] < tape[0, OUTPUT_WIDTH] and labels[i] != tape[0, IGNORE_INDEX]:
            return False
    return True


def _any_rows(tape, target):
    return True


# targets_in_range(tape, target): whether every label is a class of the network's output, or the ignored one.
targets_in_range = by_target(_labels_in_range, _any_rows)
