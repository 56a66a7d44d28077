"""The end of a residual block on a tape: the values of the way around are added to those of the chain."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# The values of the way around, -1 for those of x. Their gradient is that of the output itself.
SIDE = OWN


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    around = values_at(tape[i, SIDE], width, x, workspace, at, rows)
    add(vector(workspace, tape[i, OUTPUT] + at * width, rows * width), flat(source), flat(around))


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    """The chain gets a copy, to work in."""
    if tape[i, DINPUT] < 0:
        return
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    copy(vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size))


ADD = register(forward, inward, by_rows=VALUES | GRADIENTS)
