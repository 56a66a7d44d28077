"""Gated activations on a tape; fastnn.kernels.gated."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.gated import gated_forward, gated_inward
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import GRADIENTS, VALUES, register, values_at

# What one half goes through, and its constant.
FUNCTION, CONSTANT = range(OWN, OWN + 2)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    z = values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * tape[i, WIDTH_OUT], rows, tape[i, WIDTH_OUT])
    gated_forward(y, z, tape[i, FUNCTION], as_double(tape[i, CONSTANT]))


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    z = values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)
    dz = matrix(workspace, tape[i, DINPUT] + at * tape[i, WIDTH_IN], rows, tape[i, WIDTH_IN])
    dy = matrix(workspace, tape[i, DOUTPUT] + at * tape[i, WIDTH_OUT], rows, tape[i, WIDTH_OUT])
    gated_inward(dz, dy, z, tape[i, FUNCTION], as_double(tape[i, CONSTANT]))


GATED = register(forward, inward, by_rows=VALUES | GRADIENTS)
