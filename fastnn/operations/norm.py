"""Layer norm and RMS norm on a tape; fastnn.kernels.norm."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.norm import norm_forward, norm_gradient, norm_inward
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# NORMAL and INVERSE are where the normalised rows, and what each was multiplied by, are kept; CENTRED: a layer norm.
WEIGHT, BIAS, BIAS_SIZE, NORMAL, INVERSE, EPSILON, CENTRED, WEIGHT_SIZE = range(OWN, OWN + 8)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    normal = matrix(workspace, tape[i, NORMAL] + at * width, rows, width)
    inverse = vector(workspace, tape[i, INVERSE] + at, rows)
    w, b = vector(params, tape[i, WEIGHT], tape[i, WEIGHT_SIZE]), vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
    norm_forward(y, normal, inverse, source, w, b, as_double(tape[i, EPSILON]), tape[i, CENTRED] > 0)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    normal = matrix(workspace, tape[i, NORMAL] + at * width, rows, width)
    inverse = vector(workspace, tape[i, INVERSE] + at, rows)
    w = vector(params, tape[i, WEIGHT], tape[i, WEIGHT_SIZE])
    norm_inward(dx, dy, normal, inverse, w, tape[i, CENTRED] > 0)


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    width = tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    normal = matrix(workspace, tape[i, NORMAL] + at * width, rows, width)
    dw, db = vector(grads, first + tape[i, WEIGHT], width), vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE])
    norm_gradient(dw, db, dy, normal)


NORM = register(forward, inward, gradient, by_rows=VALUES | GRADIENTS)
