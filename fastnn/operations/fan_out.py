"""Where several operations read a value: a row of a tape that adds the gradients that they have of it."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import COLUMNS, DINPUT, OWN, WIDTH_IN
from fastnn.tape.operations import GRADIENTS, register

# COUNT gradients, whose places are constants from the row TABLE on, in the order of the operations.
COUNT, TABLE = range(OWN, OWN + 2)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    """Nothing: who reads the value reads it where it lies."""


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    places, table = flat(tape), tape[i, TABLE] * COLUMNS
    total = vector(workspace, tape[i, DINPUT] + first, size)
    add(total, vector(workspace, places[table] + first, size), vector(workspace, places[table + 1] + first, size))
    for k in range(2, tape[i, COUNT]):
        add(total, total, vector(workspace, places[table + k] + first, size))


SUM = register(forward, inward, by_rows=GRADIENTS)
