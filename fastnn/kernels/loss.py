"""Losses, each fused with its gradient.

    B rows   C classes or outputs   logits, prediction, target (B, C)   labels (B,) int64

Cross-entropy follows torch.nn.functional.cross_entropy: with class weights w and label smoothing s, a row of label t
costs

    (1 - s) w[t] (lse - z[t]) + s/C sum_c w[c] (lse - z[c]),   lse = log sum exp z

its mean divides by the sum of w[t] over the rows whose label is not ignore_index, and that of probability rows q by B,
with q smoothed to (1 - s) q + s/C. The others are means over all B*C elements. Row losses are kept in the dtype of the
logits, totals in float64. Reference: fastnn.reference.loss.
"""

from __future__ import annotations

import numpy as np
from numba import float64

from fastnn.compiler.jit import kernel
from fastnn.kernels.softmax import (
    CHUNK_ELEMENTS,
    exponentials,
    exponentials_of_rows,
    rows_together,
    total_of_row,
)
from fastnn.simd.rows import row_sum, scale_row
from fastnn.simd.vecmath import log, log1p, log1p_exp_nonpositive, sigmoid
from fastnn.simd.views import flat, matrix, on_stack, vector

NAMES = ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse", "hinge", "perceptron")
CROSS_ENTROPY, BINARY_CROSS_ENTROPY, BINARY_CROSS_ENTROPY_WITH_LOGITS, MSE, HINGE, PERCEPTRON = range(len(NAMES))

# torch clamps the logarithm of a probability here, so that a certain mistake costs 100 and not infinity.
LOG_FLOOR = -100.0


@kernel
def label_weight(labels, class_weight, ignore_index):
    """Sum of the weights of the labels that count: the divisor of the mean. Empty class_weight: 1 each."""
    total = 0.0
    for i in range(labels.size):
        if labels[i] != ignore_index:
            total += class_weight[labels[i]] if class_weight.size > 0 else 1.0
    return total


@kernel
def _smoothing_cost(row, top, log_total, class_weight):
    """sum_c w[c] (lse - z[c])"""
    total = 0.0
    for j in range(row.size):
        weight = class_weight[j] if class_weight.size > 0 else 1.0
        total += weight * (log_total - (row[j] - top))
    return total


@kernel(inlined=True)
def _row_of_label(gradient, row, top, total, label, class_weight, hard, soft, weight_sum, scale):
    """Loss of one row, hard on its label and soft on every class; exp(row - top) becomes the gradient times scale."""
    number = row.dtype.type
    log_total = log(total)
    if class_weight.size > 0:
        hard *= class_weight[label]
    loss = hard * (log_total - (row[label] - top))
    factor = number((hard + soft * weight_sum) * scale / total)
    scale_row(gradient, factor)
    if soft > 0:
        loss += soft * _smoothing_cost(row, top, log_total, class_weight)
        for j in range(row.size):
            gradient[j] -= number(soft * scale * (class_weight[j] if class_weight.size > 0 else 1.0))
    gradient[label] -= number(hard * scale)
    return loss


@kernel
def _rows_of_labels(losses, gradients, logits, labels, ignore_index, scale):
    """Losses without weights and smoothing of rows of at most a chunk. Returns their sum.

    losses hold the maxima, gradients exp(logits - maximum). Logarithms and quotients of all rows are taken together, by
    whole vectors: 256 rows of 2 classes take 1.4 us, 3.2 row by row, of 10 classes 2.1 and 3.9.
    """
    rows, classes = logits.shape
    number = logits.dtype.type
    totals, logarithms = on_stack(CHUNK_ELEMENTS, 0.0), on_stack(CHUNK_ELEMENTS, 0.0)
    for i in range(rows):
        totals[i] = row_sum(vector(flat(gradients), i * classes, classes))
    for i in range(rows):
        logarithms[i] = log(totals[i])
        totals[i] = scale / totals[i]
    total = 0.0
    for i in range(rows):
        gradient, label = vector(flat(gradients), i * classes, classes), labels[i]
        if label == ignore_index:
            losses[i] = 0
            for j in range(classes):
                gradient[j] = 0
        else:
            loss = logarithms[i] - (logits[i, label] - losses[i])
            scale_row(gradient, number(totals[i]))
            gradient[label] -= number(scale)
            losses[i] = loss
            total += loss
    return total


@kernel(late=True, returns=float64)
def _rows_of_weighted_labels(losses, dlogits, logits, labels, class_weight, ignore_index, begin, count, wide_total,
                             total, hard, soft, weight_sum, scale):  # fmt: skip
    """Rows begin..begin+count one by one: of classes with weights, of smoothed labels, and wide ones. Adds to total."""
    classes = logits.shape[1]
    for i in range(begin, begin + count):
        gradient = vector(flat(dlogits), i * classes, classes)
        if labels[i] == ignore_index:
            losses[i] = 0
            for j in range(classes):
                gradient[j] = 0
        else:
            row = vector(flat(logits), i * classes, classes)
            row_total = total_of_row(gradient, wide_total)
            loss = _row_of_label(
                gradient, row, losses[i], row_total, labels[i], class_weight, hard, soft, weight_sum, scale
            )
            losses[i] = loss
            total += loss
    return total


@kernel(late=True, returns=float64)
def cross_entropy_sum(losses, dlogits, logits, labels, class_weight, ignore_index, label_smoothing, divisor):
    """Overwrites losses (B,) and dlogits, the gradient of their sum over divisor; returns the sum.

    The gradient row of an ignored label is 0.
    """
    rows, classes = logits.shape
    weight_sum = row_sum(class_weight) if class_weight.size > 0 else float(classes)
    hard, soft, scale = 1 - label_smoothing, label_smoothing / classes, 1 / divisor
    together = rows_together(classes)
    total = 0.0
    for begin in range(0, rows, together):
        count = min(together, rows - begin)
        gradients = matrix(flat(dlogits), begin * classes, count, classes)
        part = matrix(flat(logits), begin * classes, count, classes)
        wide_total = exponentials_of_rows(gradients, vector(losses, begin, count), part, logits.dtype.type(1))
        if classes <= CHUNK_ELEMENTS and class_weight.size == 0 and label_smoothing == 0:
            own_losses, own_labels = vector(losses, begin, count), vector(labels, begin, count)
            total += _rows_of_labels(own_losses, gradients, part, own_labels, ignore_index, scale)
            continue
        total = _rows_of_weighted_labels(losses, dlogits, logits, labels, class_weight, ignore_index, begin, count,
                                         wide_total, total, hard, soft, weight_sum, scale)  # fmt: skip
    return total


@kernel(inlined=True)
def mean_of(total, divisor):
    """What a sum of losses is over what divides it; NaN where nothing was left to average, as in torch."""
    return total / divisor if divisor != 0 else np.nan


@kernel
def cross_entropy(losses, dlogits, logits, labels, class_weight, ignore_index, label_smoothing, mean):
    """Overwrites losses (B,) and dlogits, the gradient of the mean (or of the sum); returns that mean (or sum).

    The gradient row of an ignored label is 0. With nothing left to average the mean is NaN, as in torch.
    """
    divisor = label_weight(labels, class_weight, ignore_index) if mean else 1.0
    total = cross_entropy_sum(
        losses, dlogits, logits, labels, class_weight, ignore_index, label_smoothing, divisor
    )  # fmt: skip
    return mean_of(total, divisor)


@kernel
def _row_of_probabilities(gradient, row, target, class_weight, label_smoothing, scale):
    number = row.dtype.type
    classes = row.size
    top, total = exponentials(gradient, row, number(1))
    log_total = log(total)
    loss = mass = 0.0
    for j in range(classes):
        share = (1 - label_smoothing) * target[j] + label_smoothing / classes
        weighted = share * (class_weight[j] if class_weight.size > 0 else 1.0)
        # 0 * inf: a class of probability 0 costs nothing however unlikely the logits make it.
        loss += weighted * (log_total - (row[j] - top)) if weighted != 0 else 0.0
        mass += weighted
    factor = number(mass * scale / total)
    for j in range(classes):
        share = (1 - label_smoothing) * target[j] + label_smoothing / classes
        weighted = share * (class_weight[j] if class_weight.size > 0 else 1.0)
        gradient[j] = gradient[j] * factor - number(weighted * scale)
    return loss


@kernel(late=True, returns=float64)
def cross_entropy_probabilities_sum(losses, dlogits, logits, target, class_weight, label_smoothing, divisor):
    """Cross-entropy against probability rows; the same outputs as cross_entropy_sum."""
    rows, classes = logits.shape
    total = 0.0
    for i in range(rows):
        loss = _row_of_probabilities(
            vector(flat(dlogits), i * classes, classes), vector(flat(logits), i * classes, classes),
            vector(flat(target), i * classes, classes), class_weight, label_smoothing, 1 / divisor,
        )  # fmt: skip
        losses[i] = loss
        total += loss
    return total


@kernel
def cross_entropy_probabilities(losses, dlogits, logits, target, class_weight, label_smoothing, mean):
    """Cross-entropy against probability rows; the same outputs as cross_entropy."""
    divisor = float(logits.shape[0]) if mean else 1.0
    return (
        cross_entropy_probabilities_sum(losses, dlogits, logits, target, class_weight, label_smoothing, divisor)
        / divisor
    )


@kernel
def binary_cross_entropy_value(p, t):
    floor = type(p)(LOG_FLOOR)
    log_p, log_q = log(p), log1p(-p)
    log_p = floor if log_p < floor else log_p
    log_q = floor if log_q < floor else log_q
    return (t - type(p)(1)) * log_q - t * log_p


@kernel
def binary_cross_entropy_slope(p, t):
    # torch bounds the denominator, so that the gradient at 0 and 1 is large and not infinite.
    spread = p * (type(p)(1) - p)
    least = type(p)(1e-12)
    return (p - t) / (least if spread < least else spread)


@kernel
def binary_cross_entropy_with_logits_value(z, t):
    positive = z if z > type(z)(0) else type(z)(0)
    return positive - z * t + log1p_exp_nonpositive(-abs(z))


@kernel
def binary_cross_entropy_with_logits_slope(z, t):
    return sigmoid(z) - t


@kernel
def mse_value(y, t):
    return (y - t) * (y - t)


@kernel
def mse_slope(y, t):
    return type(y)(2) * (y - t)


@kernel
def hinge_value(s, t):
    gap = type(s)(1) - t * s
    return type(s)(0) if gap < type(s)(0) else gap


@kernel
def hinge_slope(s, t):
    return -t if t * s < type(s)(1) else type(s)(0)


@kernel
def perceptron_value(y, t):
    """1 for a wrong answer of a step unit, 0 for a right one; its "gradient" is Rosenblatt's correction."""
    return abs(y - t)


@kernel
def perceptron_slope(y, t):
    return y - t


@kernel(late=True)
def elementwise_losses(losses, prediction, target, kind):
    """Overwrites losses, one an element; all arguments flat."""
    n = losses.size
    if kind == MSE:
        for i in range(n):
            losses[i] = mse_value(prediction[i], target[i])
    elif kind == BINARY_CROSS_ENTROPY_WITH_LOGITS:
        for i in range(n):
            losses[i] = binary_cross_entropy_with_logits_value(prediction[i], target[i])
    elif kind == BINARY_CROSS_ENTROPY:
        for i in range(n):
            losses[i] = binary_cross_entropy_value(prediction[i], target[i])
    elif kind == HINGE:
        for i in range(n):
            losses[i] = hinge_value(prediction[i], target[i])
    elif kind == PERCEPTRON:
        for i in range(n):
            losses[i] = perceptron_value(prediction[i], target[i])


@kernel(late=True)
def elementwise_gradient(dprediction, prediction, target, kind, scale):
    """dprediction = scale * derivative of the loss; all arrays flat."""
    n = prediction.size
    factor = prediction.dtype.type(scale)
    if kind == MSE:
        for i in range(n):
            dprediction[i] = mse_slope(prediction[i], target[i]) * factor
    elif kind == BINARY_CROSS_ENTROPY_WITH_LOGITS:
        for i in range(n):
            dprediction[i] = binary_cross_entropy_with_logits_slope(prediction[i], target[i]) * factor
    elif kind == BINARY_CROSS_ENTROPY:
        for i in range(n):
            dprediction[i] = binary_cross_entropy_slope(prediction[i], target[i]) * factor
    elif kind == HINGE:
        for i in range(n):
            dprediction[i] = hinge_slope(prediction[i], target[i]) * factor
    elif kind == PERCEPTRON:
        for i in range(n):
            dprediction[i] = perceptron_slope(prediction[i], target[i]) * factor


@kernel(late=True, returns=float64)
def known_loss_sum(dprediction, prediction, target, kind, divisor):
    """elementwise_loss_sum of the elements whose target is a number: NaN costs nothing and has no gradient."""
    gradient, goal = flat(dprediction), flat(target)
    elementwise_losses(gradient, flat(prediction), goal, kind)
    total = 0.0
    for i in range(goal.size):
        if goal[i] == goal[i]:
            total += gradient[i]
    elementwise_gradient(gradient, flat(prediction), goal, kind, 1 / divisor)
    for i in range(goal.size):
        if goal[i] != goal[i]:
            gradient[i] = 0
    return total


@kernel(late=True, returns=float64)
def known_elements(target):
    """How many are numbers, and not NaN."""
    goal, count = flat(target), 0.0
    for i in range(goal.size):
        count += goal[i] == goal[i]
    return count


@kernel
def elementwise_loss(dprediction, prediction, target, kind, mean):
    """Overwrites dprediction with the gradient of the mean (or the sum) over all elements; returns that mean (sum)."""
    divisor = float(prediction.size) if mean else 1.0
    return elementwise_loss_sum(dprediction, prediction, target, kind, divisor) / divisor


@kernel
def elementwise_loss_sum(dprediction, prediction, target, kind, divisor):
    """Overwrites dprediction with the gradient of the sum over divisor; returns the sum."""
    # The gradient's place holds the losses until they are summed.
    elementwise_losses(flat(dprediction), flat(prediction), flat(target), kind)
    total = row_sum(flat(dprediction))
    elementwise_gradient(flat(dprediction), flat(prediction), flat(target), kind, 1 / divisor)
    return total
