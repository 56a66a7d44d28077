"""Batch norm on a tape; fastnn.kernels.batch_norm.

Where it trains, by its key, it keeps mean and variance of its rows, and how many they are; 0 says that it used the
running ones. The gradient of a running statistic is what it moves by, times those rows, and that of their count is
that number: so those of several spans add up to the mean over all rows; see fastnn.learning.training.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.batch_norm import (
    batch_norm,
    batch_norm_gradient,
    batch_norm_inward,
    batch_statistics,
    statistics_gradient,
)
from fastnn.kernels.dropout import NO_KEY
from fastnn.kernels.residual import copy
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, INWARD, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import register, scratch_behind, values_at

# Parameters, and what is kept: MEAN and VARIANCE of the rows, SLOPES the gradients of weight and bias, COUNTED.
(CHANNELS, WEIGHT, BIAS, RUNNING_MEAN, RUNNING_VARIANCE, TRACKED, MEAN, VARIANCE, SLOPES, COUNTED, EPSILON,
 MOMENTUM) = range(OWN, OWN + 12)  # fmt: skip


@kernel(inlined=True, views=True)
def _parameter(params, first, tape, i, column):
    return vector(params, first + tape[i, column], tape[i, CHANNELS])


@kernel(inlined=True, views=True)
def _kept(workspace, tape, i, column, at):
    """Of each row of the batch there is room for all that is kept; that of the first is used."""
    return vector(workspace, tape[i, column] + at * tape[i, CHANNELS], tape[i, CHANNELS])


@kernel(inlined=True)
def _slopes(workspace, tape, i, at):
    """dw, db"""
    channels = tape[i, CHANNELS]
    place = tape[i, SLOPES] + at * 2 * channels
    return vector(workspace, place, channels), vector(workspace, place + channels, channels)


@kernel(inlined=True)
def _used(params, tape, i, workspace, at):
    """The mean and the variance that the forward pass took."""
    if workspace[tape[i, COUNTED] + at] > 0:
        return _kept(workspace, tape, i, MEAN, at), _kept(workspace, tape, i, VARIANCE, at)
    none = 0 * i
    return _parameter(params, none, tape, i, RUNNING_MEAN), _parameter(params, none, tape, i, RUNNING_VARIANCE)


@kernel(inlined=True, views=True)
def _values(workspace, place, tape, i, at, rows):
    return vector(workspace, place + at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN])


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    scratch, none = scratch_behind(tape, workspace, 0 * i), 0 * i
    workspace[tape[i, COUNTED] + at] = 0 if key == NO_KEY else source.size // tape[i, CHANNELS]
    mean, variance = _used(params, tape, i, workspace, at)
    if key != NO_KEY:
        batch_statistics(mean, variance, source, scratch)
    weight, bias = _parameter(params, none, tape, i, WEIGHT), _parameter(params, none, tape, i, BIAS)
    y = _values(workspace, tape[i, OUTPUT], tape, i, at, rows)
    batch_norm(y, source, mean, variance, weight, bias, as_double(tape[i, EPSILON]), scratch)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    dx, dy = (_values(workspace, tape[i, DINPUT], tape, i, at, rows),
              _values(workspace, tape[i, DOUTPUT], tape, i, at, rows))  # fmt: skip
    counted, epsilon = int(workspace[tape[i, COUNTED] + at]), as_double(tape[i, EPSILON])
    mean, variance = _used(params, tape, i, workspace, at)
    scratch, weight = scratch_behind(tape, workspace, 0 * i), _parameter(params, 0 * i, tape, i, WEIGHT)
    dw, db = _slopes(workspace, tape, i, at)
    if counted > 0:
        batch_norm_gradient(dw, db, dy, source, mean, variance, epsilon, scratch)
    batch_norm_inward(dx, dy, source, mean, variance, weight, dw, db, counted, epsilon, scratch)


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    dy, none = _values(workspace, tape[i, DOUTPUT], tape, i, at, rows), 0 * i
    counted, epsilon = int(workspace[tape[i, COUNTED] + at]), as_double(tape[i, EPSILON])
    mean, variance = _used(params, tape, i, workspace, at)
    dw, db = _parameter(grads, first, tape, i, WEIGHT), _parameter(grads, first, tape, i, BIAS)
    if counted > 0 and tape[i, INWARD] > 0:
        copy(dw, _slopes(workspace, tape, i, at)[0])
        copy(db, _slopes(workspace, tape, i, at)[1])
    else:
        batch_norm_gradient(dw, db, dy, source, mean, variance, epsilon, scratch_behind(tape, workspace, 0 * i))
    statistics_gradient(
        _parameter(grads, first, tape, i, RUNNING_MEAN), _parameter(grads, first, tape, i, RUNNING_VARIANCE),
        _parameter(params, none, tape, i, RUNNING_MEAN), _parameter(params, none, tape, i, RUNNING_VARIANCE),
        mean, variance, counted, as_double(tape[i, MOMENTUM]),
    )  # fmt: skip
    grads[first + tape[i, TRACKED]] = counted


BATCH_NORM = register(forward, inward, gradient)
