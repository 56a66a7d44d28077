"""Group norm on a tape; fastnn.kernels.images.group_norm."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.group_norm import (
    group_norm_forward,
    group_norm_gradient,
    group_norm_inward,
    group_norm_slopes,
)
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, INWARD, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# STATISTICS and SLOPES are where what the kernels call so is kept. PARAMETER_SIZE: of the weight and of the bias, 0
# where there are none.
WEIGHT, BIAS, PARAMETER_SIZE, CHANNELS, GROUPS, STATISTICS, SLOPES, EPSILON = range(OWN, OWN + 8)


@kernel(inlined=True, views=True)
def _kept(workspace, tape, i, at, rows):
    """statistics and slopes"""
    each, channels = 5 * tape[i, GROUPS], 2 * tape[i, CHANNELS]
    statistics = matrix(workspace, tape[i, STATISTICS] + at * each, rows, each)
    return statistics, matrix(workspace, tape[i, SLOPES] + at * channels, rows, channels)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width, size = tape[i, WIDTH_IN], tape[i, PARAMETER_SIZE]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    statistics, slopes = _kept(workspace, tape, i, at, rows)
    w, b = vector(params, tape[i, WEIGHT], size), vector(params, tape[i, BIAS], size)
    group_norm_forward(y, statistics, slopes, source, w, b, tape[i, CHANNELS], tape[i, GROUPS],
                       as_double(tape[i, EPSILON]))  # fmt: skip


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    statistics, slopes = _kept(workspace, tape, i, at, rows)
    w = vector(params, tape[i, WEIGHT], tape[i, PARAMETER_SIZE])
    group_norm_inward(dx, slopes, statistics, dy, source, w, tape[i, CHANNELS], tape[i, GROUPS])


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    """Of the slopes that `inward` left, or, where no gradient of the input was wanted, of its own."""
    width, size = tape[i, WIDTH_IN], tape[i, PARAMETER_SIZE]
    statistics, slopes = _kept(workspace, tape, i, at, rows)
    if tape[i, INWARD] == 0:
        source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
        dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
        group_norm_slopes(slopes, dy, source, statistics, tape[i, CHANNELS], tape[i, GROUPS])
    group_norm_gradient(vector(grads, first + tape[i, WEIGHT], size), vector(grads, first + tape[i, BIAS], size),
                        slopes)  # fmt: skip


GROUP_NORM = register(forward, inward, gradient, by_rows=VALUES | GRADIENTS)
