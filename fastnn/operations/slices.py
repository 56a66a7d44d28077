"""Some positions of rows on a tape; fastnn.kernels.slices."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.concatenate import take
from fastnn.kernels.slices import slice_backward
from fastnn.simd.views import matrix
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# The number of a row that is taken first.
FIRST = OWN


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_OUT]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    take(y, values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows), tape[i, FIRST])


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width, whole = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    slice_backward(matrix(workspace, tape[i, DINPUT] + at * whole, rows, whole), dy, tape[i, FIRST])


SLICE = register(forward, inward, by_rows=VALUES | GRADIENTS)
