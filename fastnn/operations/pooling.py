"""Pooling and flattening on a tape; fastnn.kernels.images.pooling."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.pooling import avg_pool2d, avg_pool2d_inward, max_pool2d, max_pool2d_inward
from fastnn.kernels.residual import copy
from fastnn.simd.views import flat, images, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# The sides of the images and of what comes out, in pixels; of the window, its step and the border around an image, down
# and across. COUNT_PADDING of an average is 1 where the border counts; WINNERS is where a maximum keeps what won.
(HEIGHT, WIDTH, CHANNELS, DOWN, ACROSS, WINDOW_HEIGHT, WINDOW_WIDTH, STRIDE_DOWN, STRIDE_ACROSS, PADDING_DOWN,
 PADDING_ACROSS, COUNT_PADDING, WINNERS) = range(OWN, OWN + 13)  # fmt: skip


@kernel(inlined=True)
def _geometry(tape, i):
    """window, stride, padding"""
    window = tape[i, WINDOW_HEIGHT], tape[i, WINDOW_WIDTH]
    return window, (tape[i, STRIDE_DOWN], tape[i, STRIDE_ACROSS]), (tape[i, PADDING_DOWN], tape[i, PADDING_ACROSS])


@kernel(inlined=True, views=True)
def _before(values, tape, i, rows):
    """Flat values as images that come in."""
    return images(values, 0 * rows, rows, tape[i, HEIGHT], tape[i, WIDTH], tape[i, CHANNELS])


@kernel(inlined=True, views=True)
def _after(workspace, place, tape, i, at, rows):
    """Those that go out, at a place of the workspace, from row `at` on."""
    down, across, channels = tape[i, DOWN], tape[i, ACROSS], tape[i, CHANNELS]
    return images(workspace, place + at * down * across * channels, rows, down, across, channels)


@kernel(late=True)
def forward_max(tape, i, params, x, workspace, at, rows, key, begin):
    window, stride, padding = _geometry(tape, i)
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    y = _after(workspace, tape[i, OUTPUT], tape, i, at, rows)
    winners = _after(workspace, tape[i, WINNERS], tape, i, at, rows)
    max_pool2d(y, winners, _before(source, tape, i, rows), window, stride, padding)


@kernel(late=True)
def inward_max(tape, i, params, x, workspace, at, rows, key, begin):
    window, stride, padding = _geometry(tape, i)
    dx = _before(vector(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]), tape, i, rows)
    dy = _after(workspace, tape[i, DOUTPUT], tape, i, at, rows)
    max_pool2d_inward(dx, dy, _after(workspace, tape[i, WINNERS], tape, i, at, rows), window, stride, padding)


@kernel(late=True)
def forward_average(tape, i, params, x, workspace, at, rows, key, begin):
    window, stride, padding = _geometry(tape, i)
    source = flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows))
    y = _after(workspace, tape[i, OUTPUT], tape, i, at, rows)
    avg_pool2d(y, _before(source, tape, i, rows), window, stride, padding, tape[i, COUNT_PADDING] > 0)


@kernel(late=True)
def inward_average(tape, i, params, x, workspace, at, rows, key, begin):
    window, stride, padding = _geometry(tape, i)
    dx = _before(vector(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]), tape, i, rows)
    dy = _after(workspace, tape[i, DOUTPUT], tape, i, at, rows)
    avg_pool2d_inward(dx, dy, window, stride, padding, tape[i, COUNT_PADDING] > 0)


@kernel(late=True)
def forward_flat(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    copy(vector(workspace, tape[i, OUTPUT] + at * width, rows * width), flat(source))


@kernel(late=True)
def inward_flat(tape, i, params, x, workspace, at, rows, key, begin):
    """The gradient of its input is that of its output, in its place."""


MAX_POOL2D = register(forward_max, inward_max, by_rows=VALUES | GRADIENTS)
AVG_POOL2D = register(forward_average, inward_average, by_rows=VALUES | GRADIENTS)
FLATTEN = register(forward_flat, inward_flat, by_rows=VALUES)
