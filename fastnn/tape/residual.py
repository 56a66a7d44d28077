"""The two operations of a residual block on a tape: where the way around it begins, and where its values are added."""

from __future__ import annotations

from fastnn._jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import register, values_at

# Of an add, the values that are added, -1 again for those of x; of a fork, the gradient of that add.
SIDE = OWN


@kernel(late=True)
def fork(tape, i, params, x, workspace, at, rows, key):
    """Nothing: those behind it read what it reads."""


@kernel(late=True)
def join_gradients(tape, i, params, x, workspace, at, rows, key):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    dy, around = vector(workspace, tape[i, DOUTPUT] + first, size), vector(workspace, tape[i, SIDE] + first, size)
    add(vector(workspace, tape[i, DINPUT] + first, size), dy, around)


@kernel(late=True)
def join(tape, i, params, x, workspace, at, rows, key):
    width = tape[i, WIDTH_IN]
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    around = values_at(tape[i, SIDE], width, x, workspace, at, rows)
    add(vector(workspace, tape[i, OUTPUT] + at * width, rows * width), flat(source), flat(around))


@kernel(late=True)
def pass_gradient(tape, i, params, x, workspace, at, rows, key):
    """The chain gets a copy, to work in."""
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    copy(vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size))


FORK = register(fork, join_gradients)
ADD = register(join, pass_gradient)
