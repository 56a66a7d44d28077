"""Values side by side on a tape, and their gradients back; fastnn.kernels.concatenate."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.concatenate import place, take
from fastnn.simd.views import flat, matrix
from fastnn.tape.columns import COLUMNS, DOUTPUT, OUTPUT, OWN, WIDTH_OUT
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# For each of BRANCHES inputs three constants from the row TABLE on: where its values lie, where its gradient goes (-1:
# not wanted), and its width.
BRANCHES, TABLE = range(OWN, OWN + 2)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    whole = tape[i, WIDTH_OUT]
    y = matrix(workspace, tape[i, OUTPUT] + at * whole, rows, whole)
    table, column = flat(tape), 0 * rows
    for k in range(tape[i, BRANCHES]):
        entry = tape[i, TABLE] * COLUMNS + 3 * k
        width = table[entry + 2]
        place(y, values_at(table[entry], width, x, workspace, at, rows), column)
        column += width


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    whole = tape[i, WIDTH_OUT]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * whole, rows, whole)
    table, column = flat(tape), 0 * rows
    for k in range(tape[i, BRANCHES]):
        entry = tape[i, TABLE] * COLUMNS + 3 * k
        width = table[entry + 2]
        if table[entry + 1] >= 0:
            take(matrix(workspace, table[entry + 1] + at * width, rows, width), dy, column)
        column += width


JOIN = register(forward, inward, by_rows=VALUES | GRADIENTS)
