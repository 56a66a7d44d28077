"""Parameters that several operations have: rows of a tape around each but the last, by which gradients add up.

The gradient of an operation overwrites. Backward the last operation comes first; around each other one, what its shared
parameters have so far is set aside before it, and added after it.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.simd.views import vector
from fastnn.tape.columns import OWN
from fastnn.tape.operations import register

# Where the parameters lie, how many they are, and where in the workspace their gradient waits.
OFFSET, SIZE, ASIDE = range(OWN, OWN + 3)


@kernel(late=True)
def set_aside(tape, i, params, grads, first, x, workspace, at, rows):
    size = tape[i, SIZE]
    copy(vector(workspace, tape[i, ASIDE], size), vector(grads, first + tape[i, OFFSET], size))


@kernel(late=True)
def add_again(tape, i, params, grads, first, x, workspace, at, rows):
    size = tape[i, SIZE]
    total = vector(grads, first + tape[i, OFFSET], size)
    add(total, total, vector(workspace, tape[i, ASIDE], size))


@kernel(late=True)
def nothing(tape, i, params, x, workspace, at, rows, key, begin):
    """Such a row has no values."""


SET_ASIDE = register(nothing, nothing, set_aside)
ADD_AGAIN = register(nothing, nothing, add_again)
