"""The objective of a tape: its loss, what counts in a mean of losses, and which rows are right."""

from __future__ import annotations

from numba import types

from fastnn._jit import by_type, kernel
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
from fastnn.kernels.softmax import first_largest
from fastnn.simd.scalar import as_double
from fastnn.simd.views import doubles, flat, matrix, vector
from fastnn.tape.columns import (
    CLASS_WEIGHTS,
    COLUMNS,
    IGNORE_INDEX,
    LABEL_SMOOTHING,
    LOSS,
    LOSS_MEAN,
    OUTPUT_WIDTH,
)

SIGNED_SCORES = (HINGE, BINARY_CROSS_ENTROPY_WITH_LOGITS)


@kernel(views=True)
def _class_weights(tape):
    at = tape[0, CLASS_WEIGHTS]
    return doubles(flat(tape), at * COLUMNS, tape[0, OUTPUT_WIDTH] if at > 0 else 0)


def _loss_of_labels(tape, losses, gradient, prediction, target):
    return cross_entropy(losses, gradient, prediction, flat(target), _class_weights(tape), tape[0, IGNORE_INDEX],
                         as_double(tape[0, LABEL_SMOOTHING]), tape[0, LOSS_MEAN] > 0)  # fmt: skip


@kernel(inlined=True, views=True)
def _as_rows(tape, target):
    """(rows, OUTPUT_WIDTH) of a target, however many axes it has."""
    width = tape[0, OUTPUT_WIDTH]
    return matrix(flat(target), 0, target.size // width, width)


def _loss_of_rows(tape, losses, gradient, prediction, target):
    mean = tape[0, LOSS_MEAN] > 0
    target = _as_rows(tape, target)
    if tape[0, LOSS] == CROSS_ENTROPY:
        return cross_entropy_probabilities(losses, gradient, prediction, target, _class_weights(tape),
                                           as_double(tape[0, LABEL_SMOOTHING]), mean)  # fmt: skip
    return elementwise_loss(gradient, prediction, target, tape[0, LOSS], mean)


def _by_target(of_labels, of_rows):
    """Targets are labels, whole numbers, or rows of numbers; each is compiled for what it is. The target comes last.

    Labels (B,) or (B, T), rows (B, O) or (B, T O): the axes are for who calls, and order alone counts.
    """
    return by_type(lambda *arguments: of_labels if isinstance(arguments[-1].dtype, types.Integer) else of_rows)


_loss = _by_target(_loss_of_labels, _loss_of_rows)


@kernel(inlined=True)
def loss(tape, losses, gradient, prediction, target):
    """The network's loss; overwrites gradient (B, O) and, for a cross-entropy, losses (B,)."""
    return _loss(tape, losses, gradient, prediction, target)


def _hits_of_labels(tape, prediction, target):
    width = prediction.shape[1]
    hits = counted = 0
    labels = flat(target)
    for i in range(labels.size):
        if labels[i] != tape[0, IGNORE_INDEX]:
            counted += 1
            hits += first_largest(vector(flat(prediction), i * width, width)) == labels[i]
    return hits, counted


def _hits_of_rows(tape, prediction, target):
    target = _as_rows(tape, target)
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
    return label_weight(flat(target), _class_weights(tape), tape[0, IGNORE_INDEX])


def _weight_of_rows(tape, target):
    return float(target.size // tape[0, OUTPUT_WIDTH])


_weight = _by_target(_weight_of_labels, _weight_of_rows)


@kernel
def mean_weight(tape, target):
    """What one batch counts in a mean over many: its rows, or for labels the sum of their class weights."""
    return _weight(tape, target)


def _labels_in_range(tape, target):
    labels = flat(target)
    for i in range(labels.size):
        if not 0 <= labels[i] < tape[0, OUTPUT_WIDTH] and labels[i] != tape[0, IGNORE_INDEX]:
            return False
    return True


def _any_rows(tape, target):
    return True


# targets_in_range(tape, target): whether every label is a class of the network's output, or the ignored one.
targets_in_range = _by_target(_labels_in_range, _any_rows)
