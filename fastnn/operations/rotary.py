"""Rotary positions on a tape; fastnn.kernels.rotary."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.rotary import rotary_table, rotate
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, SCRATCH_AT, WIDTH_IN
from fastnn.tape.operations import nothing, register, values_at

# Positions of a row, heads that are turned and the width of one, features that stay, and the base of the angles.
LENGTH, HEADS, SIZE, REST, BASE = range(OWN, OWN + 5)


@kernel(inlined=True)
def _rotate(tape, i, y, x, workspace, rows, first, way):
    """Of so many rows of the batch, from position `first` on; angles are made in scratch."""
    positions, size = tape[i, LENGTH], tape[i, SIZE]
    table = vector(workspace, tape[0, SCRATCH_AT], positions * size)
    rotary_table(table, first, positions, size, as_double(tape[i, BASE]))
    rotate(y, x, table, rows * positions, positions, tape[i, HEADS], size, tape[i, REST], way)


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    source = flat(values_at(tape[i, INPUT], width, x, workspace, at, rows))
    y = vector(workspace, tape[i, OUTPUT] + at * width, rows * width)
    _rotate(tape, i, y, source, workspace, rows, 0 * i, 1)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    dy = vector(workspace, tape[i, DOUTPUT] + at * width, rows * width)
    dx = vector(workspace, tape[i, DINPUT] + at * width, rows * width)
    _rotate(tape, i, dx, dy, workspace, rows, 0 * i, -1)


@kernel(late=True)
def step(tape, i, params, x, workspace, at, rows, key, begin):
    """One position of each row: `begin` is which."""
    width = tape[i, WIDTH_IN]
    source = flat(values_at(tape[i, INPUT], width, x, workspace, at, rows))
    y = vector(workspace, tape[i, OUTPUT] + at * width, rows * width)
    _rotate(tape, i, y, source, workspace, rows, begin, 1)


ROTARY = register(forward, inward)
ROTARY_STEP = register(step, nothing)
