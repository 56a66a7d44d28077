"""Losses on the device: a thread takes a row, its loss and its gradient. Formulas: fastnn.kernels.loss.

    z, gradient  vectors that hold the row's C numbers from z_at, g_at on, each `step` after the last
    y            labels (B,) int64, or target rows (B, C)

The gradient is that of the sum over rows: what a mean divides by is known only when all rows are done, and whoever
sums their gradients divides. A row adds four float64 numbers to a tally: LOSS, DIVISOR (what it counts in the mean),
HITS and COUNTED.
"""

from __future__ import annotations

import math

from fastnn.cuda.functions import exp, shared
from fastnn.cuda.target import device
from fastnn.kernels import loss as cpu
from fastnn.kernels.loss import BINARY_CROSS_ENTROPY, BINARY_CROSS_ENTROPY_WITH_LOGITS, CROSS_ENTROPY, HINGE, MSE
from fastnn.tape.objective import SIGNED_SCORES

LOSS, DIVISOR, HITS, COUNTED = range(4)
TALLY = 4

SIGNED_HINGE, SIGNED_LOGITS = SIGNED_SCORES

bce_value, bce_slope = shared(cpu.binary_cross_entropy_value), shared(cpu.binary_cross_entropy_slope)
logits_value = shared(cpu.binary_cross_entropy_with_logits_value)
logits_slope = shared(cpu.binary_cross_entropy_with_logits_slope)
mse_value, mse_slope = shared(cpu.mse_value), shared(cpu.mse_slope)
hinge_value, hinge_slope = shared(cpu.hinge_value), shared(cpu.hinge_slope)
perceptron_value, perceptron_slope = shared(cpu.perceptron_value), shared(cpu.perceptron_slope)


@device
def first_largest(z, at, count, step):
    """The first of the largest elements; of NaN, the first NaN."""
    best = 0
    for j in range(1, count):
        if z[at + j * step] > z[at + best * step] or (
            z[at + j * step] != z[at + j * step] and z[at + best * step] == z[at + best * step]
        ):
            best = j
    return best


@device
def _weight_of(weights, weights_at, j):
    """The weight of a class; 1 without weights, where weights_at is -1."""
    return weights[weights_at + j] if weights_at >= 0 else 1.0


@device
def _exponentials(gradient, g_at, z, z_at, classes, step):
    """gradient = exp(z - max z); returns that maximum and the sum in float64."""
    top = z[z_at + first_largest(z, z_at, classes, step) * step]
    total = 0.0
    for j in range(classes):
        e = exp(z[z_at + j * step] - top)
        gradient[g_at + j * step] = e
        total += e
    return top, total


@device
def _label_row(gradient, g_at, z, z_at, classes, step, label, weights, weights_at, smoothing):
    """The loss of one row, float64."""
    number = type(z[z_at])
    top, total = _exponentials(gradient, g_at, z, z_at, classes, step)
    log_total = math.log(total) if total > 0.0 else math.nan
    hard, soft = (1 - smoothing) * _weight_of(weights, weights_at, label), smoothing / classes
    loss, mass = hard * (log_total - (z[z_at + label * step] - top)), hard
    if soft > 0:
        for j in range(classes):
            weight = soft * _weight_of(weights, weights_at, j)
            loss += weight * (log_total - (z[z_at + j * step] - top))
            mass += weight
    factor = number(mass / total)
    for j in range(classes):
        gradient[g_at + j * step] *= factor
        if soft > 0:
            gradient[g_at + j * step] -= number(soft * _weight_of(weights, weights_at, j))
    gradient[g_at + label * step] -= number(hard)
    return loss


@device
def labels_row(
    tally, t_at, gradient, g_at, z, z_at, classes, step, y, row, kind, ignored, weights, weights_at, smoothing
):
    """Cross-entropy against a label."""
    label = y[row]
    tally[t_at + LOSS] = tally[t_at + DIVISOR] = tally[t_at + HITS] = tally[t_at + COUNTED] = 0.0
    if label == ignored:
        for j in range(classes):
            gradient[g_at + j * step] = 0
        return
    tally[t_at + HITS] = 1.0 if first_largest(z, z_at, classes, step) == label else 0.0
    tally[t_at + COUNTED] = 1.0
    tally[t_at + DIVISOR] = _weight_of(weights, weights_at, label)
    tally[t_at + LOSS] = _label_row(gradient, g_at, z, z_at, classes, step, label, weights, weights_at, smoothing)


@device
def _probability_row(gradient, g_at, z, z_at, classes, step, y, row, weights, weights_at, smoothing):
    number = type(z[z_at])
    top, total = _exponentials(gradient, g_at, z, z_at, classes, step)
    log_total = math.log(total) if total > 0.0 else math.nan
    loss = mass = 0.0
    for j in range(classes):
        share = ((1 - smoothing) * y[row, j] + smoothing / classes) * _weight_of(weights, weights_at, j)
        # 0 * inf: a class of probability 0 costs nothing however unlikely the logits make it.
        if share != 0:
            loss += share * (log_total - (z[z_at + j * step] - top))
        mass += share
    factor = number(mass / total)
    for j in range(classes):
        share = ((1 - smoothing) * y[row, j] + smoothing / classes) * _weight_of(weights, weights_at, j)
        gradient[g_at + j * step] = gradient[g_at + j * step] * factor - number(share)
    return loss


@device
def _element_value(z, t, kind):
    if kind == MSE:
        return mse_value(z, t)
    if kind == BINARY_CROSS_ENTROPY_WITH_LOGITS:
        return logits_value(z, t)
    if kind == BINARY_CROSS_ENTROPY:
        return bce_value(z, t)
    if kind == HINGE:
        return hinge_value(z, t)
    return perceptron_value(z, t)


@device
def _element_slope(z, t, kind):
    if kind == MSE:
        return mse_slope(z, t)
    if kind == BINARY_CROSS_ENTROPY_WITH_LOGITS:
        return logits_slope(z, t)
    if kind == BINARY_CROSS_ENTROPY:
        return bce_slope(z, t)
    if kind == HINGE:
        return hinge_slope(z, t)
    return perceptron_slope(z, t)


@device
def _is_right(z, z_at, classes, step, y, row, kind):
    """Whether a row is right in every output; see fastnn.tape.count_hits."""
    if kind == CROSS_ENTROPY:
        best = 0
        for j in range(1, classes):
            if y[row, j] > y[row, best]:
                best = j
        return first_largest(z, z_at, classes, step) == best
    border = 0.0 if kind in (SIGNED_HINGE, SIGNED_LOGITS) else 0.5
    middle = 0.0 if kind == SIGNED_HINGE else 0.5
    right = 0
    for j in range(classes):
        if (z[z_at + j * step] > border) == (y[row, j] > middle):
            right += 1
    return right == classes and kind != MSE


@device
def targets_row(
    tally, t_at, gradient, g_at, z, z_at, classes, step, y, row, kind, ignored, weights, weights_at, smoothing
):
    """Any loss against a row of targets."""
    tally[t_at + HITS] = 1.0 if _is_right(z, z_at, classes, step, y, row, kind) else 0.0
    tally[t_at + COUNTED] = 1.0
    if kind == CROSS_ENTROPY:
        tally[t_at + DIVISOR] = 1.0
        tally[t_at + LOSS] = _probability_row(
            gradient, g_at, z, z_at, classes, step, y, row, weights, weights_at, smoothing
        )
        return
    total = 0.0
    for j in range(classes):
        total += _element_value(z[z_at + j * step], y[row, j], kind)
        gradient[g_at + j * step] = _element_slope(z[z_at + j * step], y[row, j], kind)
    tally[t_at + DIVISOR] = float(classes)
    tally[t_at + LOSS] = total
