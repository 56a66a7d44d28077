"""Upsampling on a tape; fastnn.kernels.images.upsampling."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.upsampling import bilinear, bilinear_inward, nearest, nearest_inward
from fastnn.simd.views import flat, images
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# The sides of the images that come in, and by what they become larger, down and across.
HEIGHT, WIDTH, CHANNELS, FACTOR_DOWN, FACTOR_ACROSS = range(OWN, OWN + 5)


@kernel(inlined=True)
def _factors(tape, i):
    return tape[i, FACTOR_DOWN], tape[i, FACTOR_ACROSS]


@kernel(inlined=True, views=True)
def _small(values, place, tape, i, rows):
    return images(values, place, rows, tape[i, HEIGHT], tape[i, WIDTH], tape[i, CHANNELS])


@kernel(inlined=True, views=True)
def _large(workspace, place, tape, i, at, rows):
    """From row `at` on."""
    down, across = tape[i, HEIGHT] * tape[i, FACTOR_DOWN], tape[i, WIDTH] * tape[i, FACTOR_ACROSS]
    size = down * across * tape[i, CHANNELS]
    return images(workspace, place + at * size, rows, down, across, tape[i, CHANNELS])


@kernel(late=True)
def forward_nearest(tape, i, params, x, workspace, at, rows, key, begin):
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    y = _large(workspace, tape[i, OUTPUT], tape, i, at, rows)
    nearest(y, _small(source, 0 * rows, tape, i, rows), _factors(tape, i))


@kernel(late=True)
def inward_nearest(tape, i, params, x, workspace, at, rows, key, begin):
    dx = _small(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], tape, i, rows)
    nearest_inward(dx, _large(workspace, tape[i, DOUTPUT], tape, i, at, rows), _factors(tape, i))


@kernel(late=True)
def forward_bilinear(tape, i, params, x, workspace, at, rows, key, begin):
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    y = _large(workspace, tape[i, OUTPUT], tape, i, at, rows)
    bilinear(y, _small(source, 0 * rows, tape, i, rows), _factors(tape, i))


@kernel(late=True)
def inward_bilinear(tape, i, params, x, workspace, at, rows, key, begin):
    dx = _small(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], tape, i, rows)
    bilinear_inward(dx, _large(workspace, tape[i, DOUTPUT], tape, i, at, rows), _factors(tape, i))


NEAREST = register(forward_nearest, inward_nearest, by_rows=VALUES | GRADIENTS)
BILINEAR = register(forward_bilinear, inward_bilinear, by_rows=VALUES | GRADIENTS)
