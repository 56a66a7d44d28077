"""Some channels, and sums of some, on a tape; fastnn.kernels.images.channels."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.channels import gather, scatter
from fastnn.simd.few_rows import column_sums
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import COLUMNS, DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# Constants from the row TABLE on: of each channel that comes out which it is of those that come in; or of each that
# comes in to which it is added. BIAS: of sums.
TABLE, BIAS = range(OWN, OWN + 2)


@kernel(inlined=True, views=True)
def _channels(tape, i, count):
    return vector(flat(tape), tape[i, TABLE] * COLUMNS, count)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_OUT]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    gather(y, values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows),
           _channels(tape, i, width))  # fmt: skip


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width, whole = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    dx, none = matrix(workspace, tape[i, DINPUT] + at * whole, rows, whole), vector(params, 0 * at, 0 * at)
    scatter(dx, dy, _channels(tape, i, width), none)


@kernel(late=True)
def forward_sums(tape, i, params, x, workspace, at, rows, key, begin):
    width, whole = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    source = values_at(tape[i, INPUT], whole, x, workspace, at, rows)
    scatter(y, source, _channels(tape, i, whole), vector(params, tape[i, BIAS], width))


@kernel(late=True)
def inward_sums(tape, i, params, x, workspace, at, rows, key, begin):
    width, whole = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    gather(matrix(workspace, tape[i, DINPUT] + at * whole, rows, whole), dy, _channels(tape, i, whole))


@kernel(late=True)
def gradient_of_sums(tape, i, params, grads, first, x, workspace, at, rows):
    width = tape[i, WIDTH_OUT]
    dy = vector(workspace, tape[i, DOUTPUT] + at * width, rows * width)
    column_sums(vector(grads, first + tape[i, BIAS], width), dy, width, rows, width)


CHANNELS = register(forward, inward, by_rows=VALUES | GRADIENTS)
CHANNEL_SUMS = register(forward_sums, inward_sums, gradient_of_sums, by_rows=VALUES | GRADIENTS)
