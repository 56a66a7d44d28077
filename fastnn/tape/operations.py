"""Operations beside dense layers and activations, called by the kind that a row of the tape names.

An operation is three kernels on (tape, i, arrays, ...) that read the columns of row i, each of rows at..at+rows of the
batch, compiled when a network first uses it:

    forward(tape, i, params, x, workspace, at, rows, key, begin)  its values
    inward(tape, i, params, x, workspace, at, rows, key, begin)   the gradients of its inputs, where any is wanted
    gradient(tape, i, params, grads, first, x, workspace, at, rows)
                                                                  those of its parameters, summed over the rows, to
                                                                  grads[first:], laid out as the parameters are

params, grads, workspace are flat; x (N, width) are the network's rows, before which the batch has others, `begin` of
them to the operation. A row of the batch is POSITIONS rows to it. key is that of dropout. The gradient of its output
stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from numba import types

from fastnn.compiler.jit import kernel
from fastnn.compiler.table import Table
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import (
    ELEMENTWISE,
    FIRST_REGISTERED,
    SCRATCH_AT,
    SCRATCH_SIZE,
)


def _arrays(number: Any) -> tuple[Any, Any, Any, Any]:
    """tape, flat, x, flat"""
    return types.int64[:, ::1], number[::1], number[:, ::1], number[::1]


def _of_rows(number: Any) -> tuple[Any, ...]:
    tape, params, x, workspace = _arrays(number)
    return tape, types.intp, params, x, workspace, types.intp, types.intp, types.intp, types.intp


def _of_parameters(number: Any) -> tuple[Any, ...]:
    tape, params, x, workspace = _arrays(number)
    return tape, types.intp, params, params, types.intp, x, workspace, types.intp, types.intp


forward_operation = Table("forward", _of_rows, of=2)
inward_operation = Table("inward", _of_rows, of=2)
gradient_operation = Table("gradient", _of_parameters, of=2)


# What of an operation threads may share by rows: its values, its gradients. Each row's must be its own, and made
# without scratch and without threads.
VALUES, GRADIENTS = 1, 2
BY_ROWS = {ELEMENTWISE: VALUES | GRADIENTS}


def register(forward: Any, inward: Any, gradient: Any = None, by_rows: int = 0) -> int:
    """A new kind of operations. forward, inward, gradient: late kernels; None of an operation without parameters.
    by_rows: VALUES, GRADIENTS, both or 0."""
    kind = FIRST_REGISTERED + len(forward_operation.kernels)
    BY_ROWS[kind] = by_rows
    forward_operation.register(kind, forward)
    inward_operation.register(kind, inward)
    if gradient is not None:
        gradient_operation.register(kind, gradient)
    return kind


def bind(kinds: Collection[int], itemsize: int, gradients: bool) -> None:
    """Compiles or loads what a network calls, so that its threads find it; kinds of the walker's own have nothing."""
    tables = (forward_operation, inward_operation, gradient_operation) if gradients else (forward_operation,)
    for table in tables:
        for kind in table.kernels.keys() & kinds:
            table.bind(kind, itemsize)


@kernel(inlined=True, views=True)
def values_at(place, width, x, workspace, at, rows):
    """(rows, width): the values at a place of the workspace, or for -1 those of x, of the rows from `at` on."""
    if place < 0:
        return matrix(flat(x), at * width, rows, width)
    return matrix(workspace, place + at * width, rows, width)


@kernel(inlined=True, views=True)
def scratch_behind(tape, workspace, used):
    """Scratch behind so many elements, such as the gradients of parameters, which may wait there for their update."""
    return vector(workspace, tape[0, SCRATCH_AT] + used, tape[0, SCRATCH_SIZE] - used)


@kernel(late=True)
def nothing(tape, i, params, x, workspace, at, rows, key, begin):
    """Of a row that has no gradient."""
