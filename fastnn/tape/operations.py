"""Operations beside dense layers and activations: norms, dropout, and what joins the branches of a residual block.

They stand apart from the walker's loop so that networks without them pay for one comparison an operation.
"""

from __future__ import annotations

from fastnn._jit import kernel
from fastnn.kernels.dropout import dropout
from fastnn.kernels.norm import norm_forward, norm_gradient, norm_inward
from fastnn.kernels.optimizer import KEEP, update_part
from fastnn.kernels.residual import add, copy
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import (
    ADD,
    ALPHA,
    BIAS,
    BIAS_SIZE,
    DINPUT,
    DOUTPUT,
    DROPOUT,
    FORK,
    INPUT,
    KIND,
    LAYER_NORM,
    NORMS,
    OUTPUT,
    PRE,
    SCRATCH_AT,
    SIDE,
    WEIGHT,
    WIDTH_IN,
)


@kernel(inlined=True, views=True)
def values_at(place, width, x, workspace, at, rows):
    """(rows, width): the values at a place of the workspace, or for -1 those of x, of the rows from `at` on."""
    if place < 0:
        return matrix(flat(x), at * width, rows, width)
    return matrix(workspace, place + at * width, rows, width)


@kernel(late=True)
def forward_operation(tape, i, params, x, workspace, at, rows, key):
    """Operation i on rows at..at+rows. A fork does nothing: those behind it read what it reads."""
    kind, width = tape[i, KIND], tape[i, WIDTH_IN]
    if kind == FORK:
        return
    source = values_at(tape[i, INPUT], width, x, workspace, at, rows)
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    if kind == ADD:
        add(flat(y), flat(source), flat(values_at(tape[i, SIDE], width, x, workspace, at, rows)))
    elif kind == DROPOUT:
        dropout(flat(y), flat(source), as_double(tape[i, ALPHA]), key, i, at * width)
    else:
        normal = matrix(workspace, tape[i, PRE] + at * width, rows, width)
        inverse = vector(workspace, tape[i, SIDE] + at, rows)
        w, b = vector(params, tape[i, WEIGHT], width), vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
        norm_forward(y, normal, inverse, source, w, b, as_double(tape[i, ALPHA]), kind == LAYER_NORM)


@kernel(late=True)
def inward_operation(tape, i, params, workspace, at, rows, key):
    """The gradient of operation i's input in rows at..at+rows, where it is wanted; that of its output stays."""
    if tape[i, DINPUT] < 0:
        return
    kind, width = tape[i, KIND], tape[i, WIDTH_IN]
    dx = matrix(workspace, tape[i, DINPUT] + at * width, rows, width)
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    if kind == ADD:
        copy(flat(dx), flat(dy))
    elif kind == FORK:
        add(flat(dx), flat(dy), vector(workspace, tape[i, SIDE] + at * width, rows * width))
    elif kind == DROPOUT:
        dropout(flat(dx), flat(dy), as_double(tape[i, ALPHA]), key, i, at * width)
    else:
        normal = matrix(workspace, tape[i, PRE] + at * width, rows, width)
        inverse = vector(workspace, tape[i, SIDE] + at, rows)
        norm_inward(dx, dy, normal, inverse, vector(params, tape[i, WEIGHT], width), kind == LAYER_NORM)


@kernel(late=True)
def gradient_operation(tape, i, gradient, weight_at, bias_at, workspace, at, rows):
    """The gradient of operation i's weight and bias, summed over rows at..at+rows, to places of `gradient`."""
    if tape[i, KIND] in NORMS:
        width = tape[i, WIDTH_IN]
        dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
        normal = matrix(workspace, tape[i, PRE] + at * width, rows, width)
        dw, db = vector(gradient, weight_at, width), vector(gradient, bias_at, tape[i, BIAS_SIZE])
        norm_gradient(dw, db, dy, normal)


@kernel(late=True)
def backward_operation(tape, i, params, grads, state, workspace, rows, key, update, rule):
    """All of operation i's backward pass; the gradient of its parameters to grads, or to scratch for their update."""
    at, width, keeps = 0 * rows, tape[i, WIDTH_IN], update == KEEP
    inward_operation(tape, i, params, workspace, at, rows, key)
    if tape[i, KIND] not in NORMS:
        return
    dw_at = tape[i, WEIGHT] if keeps else tape[0, SCRATCH_AT]
    db_at = tape[i, BIAS] if keeps else tape[0, SCRATCH_AT] + width
    gradient_operation(tape, i, grads if keeps else workspace, dw_at, db_at, workspace, at, rows)
    if not keeps:
        # One call in the source: two take 1.4 s more of 64 to compile everything in one dtype.
        for k in range(2):
            place, g_at, size = (tape[i, BIAS], db_at, tape[i, BIAS_SIZE]) if k else (tape[i, WEIGHT], dw_at, width)
            update_part(params, place, workspace, g_at, state, size, update, rule)
