"""Convolution on a tape; fastnn.kernels.convolution."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.border import place_in_border
from fastnn.kernels.convolution.forward import convolution_forward
from fastnn.kernels.convolution.gradient import convolution_gradient
from fastnn.kernels.convolution.inward import convolution_inward
from fastnn.kernels.convolution.sizes import Sizes, weight_size
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import (
    DINPUT,
    DOUTPUT,
    INPUT,
    OUTPUT,
    OWN,
    PARAMETERS_SIZE,
    WIDTH_IN,
    WIDTH_OUT,
)
from fastnn.tape.operations import register, scratch_behind, values_at

# The sides of the images and of what comes out, in pixels; of the window, its step, and how far its pixels are apart;
# the border above and left of an image, and its sides with it. BORDERED is where images are kept with it, -1 where
# there is none.
(HEIGHT, WIDTH, CHANNELS, DOWN, ACROSS, FILTERS, WINDOW_HEIGHT, WINDOW_WIDTH, STRIDE_DOWN, STRIDE_ACROSS, SPREAD_DOWN,
 SPREAD_ACROSS, GROUPS, TOP, LEFT, OUTER_HEIGHT, OUTER_WIDTH, BORDERED, WEIGHT, BIAS,
 BIAS_SIZE) = range(OWN, OWN + 21)  # fmt: skip


@kernel(inlined=True)
def _sizes(tape, i, rows):
    """As the kernels take them."""
    return Sizes(rows, tape[i, OUTER_HEIGHT], tape[i, OUTER_WIDTH], tape[i, CHANNELS], tape[i, WINDOW_HEIGHT],
                 tape[i, WINDOW_WIDTH], tape[i, FILTERS], tape[i, DOWN], tape[i, ACROSS], tape[i, STRIDE_DOWN],
                 tape[i, STRIDE_ACROSS], tape[i, SPREAD_DOWN], tape[i, SPREAD_ACROSS],
                 tape[i, GROUPS])  # fmt: skip


@kernel(inlined=True)
def _frame(tape, i):
    """The sides of images, and where they begin in their border."""
    return (tape[i, HEIGHT], tape[i, WIDTH]), (tape[i, TOP], tape[i, LEFT])


@kernel(inlined=True, views=True)
def _images(tape, i, x, workspace, at, rows):
    """Images with their border, flat: those that are kept, or, where there is none, what comes in."""
    if tape[i, BORDERED] < 0:
        return flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    of = _sizes(tape, i, rows)
    each = of.height * of.width * of.channels
    return vector(workspace, tape[i, BORDERED] + at * each, rows * each)


@kernel(inlined=True, views=True)
def _weight(values, first, tape, i):
    return vector(values, first + tape[i, WEIGHT], weight_size(_sizes(tape, i, 0 * i)))


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    of, (sides, padding) = _sizes(tape, i, rows), _frame(tape, i)
    images = _images(tape, i, x, workspace, at, rows)
    if tape[i, BORDERED] >= 0:
        source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
        place_in_border(images, source, rows, (of.height, of.width), sides, padding, of.channels)
    y = vector(workspace, tape[i, OUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    bias = vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
    convolution_forward(y, images, _weight(params, 0 * i, tape, i), bias, of)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    sides, padding = _frame(tape, i)
    dx = vector(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN])
    dy = vector(workspace, tape[i, DOUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    weight, scratch = _weight(params, 0 * i, tape, i), scratch_behind(tape, workspace, 0 * i)
    convolution_inward(dx, dy, weight, scratch, _sizes(tape, i, rows), sides, padding)


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    dy = vector(workspace, tape[i, DOUTPUT] + at * tape[i, WIDTH_OUT], rows * tape[i, WIDTH_OUT])
    db = vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE])
    images = _images(tape, i, x, workspace, at, rows)
    dw, scratch = _weight(grads, first, tape, i), scratch_behind(tape, workspace, tape[i, PARAMETERS_SIZE])
    convolution_gradient(dw, db, dy, images, scratch, _sizes(tape, i, rows))


CONVOLUTION = register(forward, inward, gradient)
