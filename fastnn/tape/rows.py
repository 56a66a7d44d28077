"""One operation that is no dense layer on the rows of a batch, which threads share where rows are independent and none
of its own kernels asks for threads.

A span that goes through its network alone, as where a layer is joint, would leave all but its products to one thread
otherwise: a step of a residual network of ten layers with batch norms takes 14 ms so at batch 32 on two threads, and
took 16.8, half of that by the sums of the norms (fastnn.kernels.batch_norm).
"""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.activation import activation_backward, activation_forward
from fastnn.kernels.optimizer import KEEP, update_part
from fastnn.products.matmul import share
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import (
    ACTIVATION,
    ALPHA,
    BY_ROWS,
    DINPUT,
    DOUTPUT,
    ELEMENTWISE,
    INPUT,
    INWARD,
    KIND,
    OUTPUT,
    PARAMETERS,
    PARAMETERS_SIZE,
    POSITIONS,
    SCRATCH_AT,
    WIDTH_IN,
)
from fastnn.tape.operations import (
    GRADIENTS,
    VALUES,
    forward_operation,
    gradient_operation,
    inward_operation,
    values_at,
)

# The least numbers that come in for which threads are started: 25 to 50 us of an activation.
SHARED_VALUES = 100_000


@kernel(late=True)
def _values(tape, i, params, x, workspace, at, rows, key, begin):
    if tape[i, KIND] != ELEMENTWISE:
        forward_operation(tape[i, KIND], tape, i, params, x, workspace, at, rows, key, begin * tape[i, POSITIONS])
        return
    width = tape[i, WIDTH_IN]
    z = flat(values_at(tape[i, INPUT], width, x, workspace, at, rows))
    y = vector(workspace, tape[i, OUTPUT] + at * width, rows * width)
    activation_forward(y, z, tape[i, ACTIVATION], as_double(tape[i, ALPHA]))


@kernel(late=True)
def _gradients(tape, i, params, x, workspace, at, rows, key, begin):
    if tape[i, KIND] != ELEMENTWISE:
        inward_operation(tape[i, KIND], tape, i, params, x, workspace, at, rows, key, begin * tape[i, POSITIONS])
        return
    width = tape[i, WIDTH_IN]
    first, size = at * width, rows * width
    z = flat(values_at(tape[i, INPUT], width, x, workspace, at, rows))
    dx, dy = vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size)
    y = vector(workspace, tape[i, OUTPUT] + first, size)
    activation_backward(dx, dy, z, y, tape[i, ACTIVATION], as_double(tape[i, ALPHA]))


@kernel(inlined=True)
def _part(what, tape, i, params, x, workspace, at, rows, key, begin):
    """what: VALUES or GRADIENTS."""
    if what == VALUES:
        _values(tape, i, params, x, workspace, at, rows, key, begin)
    else:
        _gradients(tape, i, params, x, workspace, at, rows, key, begin)


@kernel(parallel=True, late=True)
def _parallel(parts, what, tape, i, params, x, workspace, at, rows, key, begin):
    for part in prange(parts):
        first, last = share(part, parts, rows, tape[i, POSITIONS])
        _part(what, tape, i, params, x, workspace, at + first, last - first, key, begin)
        part_done()


@kernel(late=True)
def _of_rows(what, tape, i, params, x, workspace, at, rows, key, begin):
    """By at most a thread for each row of the batch."""
    shared = tape[i, BY_ROWS] & what > 0 and rows * tape[i, WIDTH_IN] >= SHARED_VALUES
    threads = min(thread_count(), rows // tape[i, POSITIONS]) if shared else 1
    if threads > 1 and take_pool():
        _parallel(threads, what, tape, i, params, x, workspace, at, rows, key, begin)
        release_pool()
    else:
        _part(what, tape, i, params, x, workspace, at, rows, key, begin)


@kernel(inlined=True)
def forward_of(tape, i, params, x, workspace, at, rows, key, begin):
    """The values of rows at..at+rows of operation i."""
    _of_rows(VALUES + 0 * i, tape, i, params, x, workspace, at, rows, key, begin)


@kernel(inlined=True)
def inward_of(tape, i, params, x, workspace, at, rows, key, begin):
    """The gradients of its inputs, where any is wanted."""
    if tape[i, INWARD] > 0:
        _of_rows(GRADIENTS + 0 * i, tape, i, params, x, workspace, at, rows, key, begin)


@kernel(late=True)
def backward_operation(tape, i, params, grads, state, x, workspace, rows, key, begin, update, rule):
    """All of operation i's backward pass; the gradient of its parameters to grads, or to scratch for their update."""
    at, size = 0 * rows, tape[i, PARAMETERS_SIZE]
    inward_of(tape, i, params, x, workspace, at, rows, key, begin)
    if size == 0:
        return
    if update == KEEP:
        gradient_operation(tape[i, KIND], tape, i, params, grads, 0 * i, x, workspace, at, rows)
        return
    scratch_at = tape[0, SCRATCH_AT]
    waiting = vector(workspace, scratch_at, size)
    waiting[:] = 0  # between parameters, which stay 0 there
    first = scratch_at - tape[i, PARAMETERS]
    gradient_operation(tape[i, KIND], tape, i, params, workspace, first, x, workspace, at, rows)
    update_part(params, tape[i, PARAMETERS], workspace, scratch_at, state, size, update, rule)
