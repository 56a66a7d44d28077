"""Scales and a scaled tanh on a tape; fastnn.kernels.images.scale."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.scale import (
    scale_forward,
    scale_gradient,
    scale_inward,
    scaled_tanh_forward,
    scaled_tanh_inward,
)
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# Where the parameters of a scale lie; the constants of a tanh.
WEIGHT, BIAS = range(OWN, OWN + 2)
SCALE_BITS, SLOPE_BITS = range(OWN, OWN + 2)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    scale_forward(y, source, vector(params, tape[i, WEIGHT], width), vector(params, tape[i, BIAS], width))


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    scale_inward(dx, dy, vector(params, tape[i, WEIGHT], width))


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    dw, db = vector(grads, first + tape[i, WEIGHT], width), vector(grads, first + tape[i, BIAS], width)
    scale_gradient(dw, db, dy, source)


@kernel(late=True)
def forward_tanh(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = vector(workspace, tape[i, OUTPUT] + at * width, rows * width)
    scaled_tanh_forward(y, flat(source), as_double(tape[i, SCALE_BITS]), as_double(tape[i, SLOPE_BITS]))


@kernel(late=True)
def inward_tanh(tape, i, params, x, workspace, at, rows, key, begin):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    dx, dy = vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size)
    y = vector(workspace, tape[i, OUTPUT] + first, size)
    scaled_tanh_inward(dx, dy, y, as_double(tape[i, SCALE_BITS]), as_double(tape[i, SLOPE_BITS]))


SCALE = register(forward, inward, gradient, by_rows=VALUES | GRADIENTS)
SCALED_TANH = register(forward_tanh, inward_tanh, by_rows=VALUES | GRADIENTS)
