"""Dropout on a tape; fastnn.kernels.dropout."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.dropout import dropout
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# NUMBER is that of the layer in its network: the rows of a tape may be others where there are no gradients.
RATE, NUMBER = range(OWN, OWN + 2)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)
    y = vector(workspace, tape[i, OUTPUT] + first, size)
    dropout(y, flat(source), as_double(tape[i, RATE]), key, tape[i, NUMBER], first + begin * tape[i, WIDTH_IN])


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    """Drops from the gradient what it dropped from the values, and asks anew which that was."""
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    dx, dy = (vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size))
    dropout(dx, dy, as_double(tape[i, RATE]), key, tape[i, NUMBER], first + begin * tape[i, WIDTH_IN])


DROPOUT = register(forward, inward, by_rows=VALUES | GRADIENTS)
