"""The walker: forward and backward over the rows of any tape.

`key` is that of dropout, and NO_KEY where nothing is trained; see fastnn.kernels.dropout. `begin` is the row of the
batch that x, and the workspace, begin with: dropout alone asks.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.dense import dense_backward, dense_forward, dense_gradient, dense_inward
from fastnn.kernels.optimizer import KEEP, NO_RULE
from fastnn.simd.scalar import as_double
from fastnn.simd.views import matrix, vector
from fastnn.tape.columns import (
    ACTIVATION,
    ALPHA,
    BIAS,
    BIAS_SIZE,
    DBIAS_AT,
    DENSE,
    DINPUT,
    DOUTPUT,
    INPUT,
    KIND,
    OPERATIONS,
    OUTPUT,
    PARAMETERS_SIZE,
    PIECE,
    POSITIONS,
    PRE,
    SCRATCH_AT,
    SCRATCH_SIZE,
    WEIGHT,
    WIDTH_IN,
    WIDTH_OUT,
)
from fastnn.tape.operations import gradient_operation, values_at
from fastnn.tape.rows import backward_operation, forward_of, inward_of


@kernel(inlined=True)
def last_of(tape):
    """The last row that is walked."""
    return tape[0, OPERATIONS] - (1 if tape[0, PIECE] > 0 else 0)


@kernel(late=True)
def forward_rows(tape, params, x, workspace, key, begin, batch_at, batch_rows, scratch_at, scratch_size):
    """Runs rows batch_at..batch_at+batch_rows of x through the network, with a share of the scratch."""
    for i in range(1, last_of(tape) + 1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = values_at(tape[i, INPUT], inputs, x, workspace, at, rows)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            b = vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_forward(y, z, source, w, b, kind, alpha, vector(workspace, scratch_at, scratch_size))
        else:
            forward_of(tape, i, params, x, workspace, at, rows, key, begin)


@kernel(inlined=True)
def _backward(tape, params, grads, state, x, workspace, key, begin, update, rule):
    """Layer by layer, see `passes.backward_with` and `passes.backward_and_update`."""
    batch = x.shape[0]
    for i in range(last_of(tape), 0, -1):
        rows = batch * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        source = values_at(tape[i, INPUT], inputs, x, workspace, 0 * rows, rows)
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT], 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT], rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT], rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        # The others are asked for last: asked for first, every second process took 260 ns a step of 3-4-2 at batch 1
        # in an epoch and not 209.
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE], rows, outputs)
            keeps = update == KEEP
            dw = matrix(grads, tape[i, WEIGHT] if keeps else 0, inputs if keeps else 0, outputs)
            db = vector(
                grads if keeps else workspace, tape[i, BIAS] if keeps else tape[0, DBIAS_AT], tape[i, BIAS_SIZE]
            )
            scratch = vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])
            dense_backward(dx, dw, db, params, state, tape[i, WEIGHT], tape[i, BIAS], dy, source, z, y, kind, alpha,
                           scratch, wants_dx, update, rule)  # fmt: skip
        else:
            backward_operation(tape, i, params, grads, state, x, workspace, rows, key, begin, update, rule)


@kernel(late=True)
def gradient_by_layers(tape, params, grads, x, workspace, key, begin):
    """Without what an update needs: 3-4-2 at batch 1 takes 72 ns so, and 77 where one function serves both."""
    _backward(tape, params, grads, grads, x, workspace, key, begin, KEEP, NO_RULE)


@kernel(late=True)
def update_by_layers(tape, params, state, x, workspace, key, update, rule):
    _backward(tape, params, params, state, x, workspace, key, 0 * x.shape[0], update, rule)


@kernel(late=True)
def inward_rows(tape, params, x, workspace, key, begin, batch_at, batch_rows, scratch_at, scratch_size):
    """Gradients of all values in rows batch_at..batch_at+batch_rows, from that of the output: a dense layer's DOUTPUT
    becomes its dz."""
    for i in range(last_of(tape), 0, -1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
        wants_dx = tape[i, DINPUT] >= 0
        dx = matrix(workspace, max(tape[i, DINPUT] + at * inputs, 0), rows, inputs)
        y = matrix(workspace, tape[i, OUTPUT] + at * outputs, rows, outputs)
        dy = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
        kind, alpha = tape[i, ACTIVATION], as_double(tape[i, ALPHA])
        if tape[i, KIND] == DENSE:
            z = matrix(workspace, tape[i, PRE] + at * outputs, rows, outputs)
            w = matrix(params, tape[i, WEIGHT], inputs, outputs)
            dense_inward(dx, dy, w, z, y, kind, alpha, vector(workspace, scratch_at, scratch_size), wants_dx)
        else:
            inward_of(tape, i, params, x, workspace, at, rows, key, begin)


@kernel(late=True)
def gradient_of_rows(tape, params, grads, first, x, workspace, batch_at, batch_rows):
    """The gradients of all parameters, summed over rows batch_at..batch_at+batch_rows, to grads[first:]."""
    for i in range(last_of(tape), 0, -1):
        at, rows = batch_at * tape[i, POSITIONS], batch_rows * tape[i, POSITIONS]
        if tape[i, KIND] == DENSE:
            inputs, outputs = tape[i, WIDTH_IN], tape[i, WIDTH_OUT]
            source = values_at(tape[i, INPUT], inputs, x, workspace, at, rows)
            dz = matrix(workspace, tape[i, DOUTPUT] + at * outputs, rows, outputs)
            dw = matrix(grads, first + tape[i, WEIGHT], inputs, outputs)
            db = vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE])
            dense_gradient(dw, db, dz, source)
        elif tape[i, PARAMETERS_SIZE] > 0:
            gradient_operation(tape[i, KIND], tape, i, params, grads, first, x, workspace, at, rows)
