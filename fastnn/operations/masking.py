"""Lengths of rows that were filled up, on a tape; fastnn.kernels.masking."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.masking import lengths_of, row_lengths_of
from fastnn.simd.views import vector
from fastnn.tape.columns import INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import nothing, register, values_at

# The positions that are asked about, and what fills the others; features of a position, 0 of ids.
FIRST, LAST, FILLER, FEATURES = range(OWN, OWN + 4)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    lengths = vector(workspace, tape[i, OUTPUT] + at, rows)
    given = values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)
    if tape[i, FEATURES]:
        row_lengths_of(lengths, given, tape[i, FEATURES], tape[i, FILLER])
    else:
        lengths_of(lengths, given, tape[i, FIRST], tape[i, LAST], tape[i, FILLER])


LENGTHS = register(forward, nothing)
