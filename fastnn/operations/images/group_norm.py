"""Group norm on a tape; fastnn.kernels.images.group_norm."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.group_norm import group_norm_forward, group_norm_gradient, group_norm_inward
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import register, values_at

# NORMAL and INVERSE are where the normalised images, and what each group was multiplied by, are kept. PARAMETER_SIZE:
# of the weight and of the bias, 0 where there are none.
WEIGHT, BIAS, PARAMETER_SIZE, CHANNELS, GROUPS, NORMAL, INVERSE, EPSILON = range(OWN, OWN + 8)


@kernel(inlined=True, views=True)
def _kept(workspace, tape, i, at, rows):
    """normal and inverse"""
    width, groups = tape[i, WIDTH_IN], tape[i, GROUPS]
    normal = matrix(workspace, tape[i, NORMAL] + at * width, rows, width)
    return normal, matrix(workspace, tape[i, INVERSE] + at * groups, rows, groups)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width, size = tape[i, WIDTH_IN], tape[i, PARAMETER_SIZE]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    normal, inverse = _kept(workspace, tape, i, at, rows)
    w, b = vector(params, tape[i, WEIGHT], size), vector(params, tape[i, BIAS], size)
    group_norm_forward(y, normal, inverse, source, w, b, tape[i, CHANNELS], tape[i, GROUPS],
                       as_double(tape[i, EPSILON]))  # fmt: skip


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    normal, inverse = _kept(workspace, tape, i, at, rows)
    w = vector(params, tape[i, WEIGHT], tape[i, PARAMETER_SIZE])
    group_norm_inward(dx, dy, normal, inverse, w, tape[i, CHANNELS], tape[i, GROUPS])


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    width, size = tape[i, WIDTH_IN], tape[i, PARAMETER_SIZE]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    normal, _ = _kept(workspace, tape, i, at, rows)
    group_norm_gradient(vector(grads, first + tape[i, WEIGHT], size), vector(grads, first + tape[i, BIAS], size), dy,
                        normal)  # fmt: skip


GROUP_NORM = register(forward, inward, gradient, by_rows=True)
