"""Positions as waves on a tape; fastnn.kernels.sinusoids."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.embedding import positions_forward
from fastnn.kernels.residual import copy
from fastnn.kernels.sinusoids import sinusoids
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, SCRATCH_AT, WIDTH_IN
from fastnn.tape.operations import nothing, register, values_at

# Features of a position, and the base of the wavelengths.
WIDTH, BASE = range(OWN, OWN + 2)


@kernel(inlined=True)
def _add(tape, i, x, workspace, at, rows, first):
    """Of rows of the batch, from position `first` on; the waves are made in scratch."""
    whole, width = tape[i, WIDTH_IN], tape[i, WIDTH]
    table = vector(workspace, tape[0, SCRATCH_AT], whole)
    sinusoids(table, first, whole // width, width, as_double(tape[i, BASE]))
    y = matrix(workspace, tape[i, OUTPUT] + at * whole, rows, whole)
    positions_forward(y, values_at(tape[i, INPUT], whole, x, workspace, at, rows), table)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    _add(tape, i, x, workspace, at, rows, 0 * i)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    copy(vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size))


@kernel(late=True)
def step(tape, i, params, x, workspace, at, rows, key, begin):
    """One position of each row: `begin` is which."""
    _add(tape, i, x, workspace, at, rows, begin)


SINUSOIDS = register(forward, inward)
SINUSOIDS_STEP = register(step, nothing)
