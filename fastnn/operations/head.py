"""A product with a table of embeddings, turned round, on a tape: logits of all tokens."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.products.blocks import NN, NT, TN
from fastnn.products.matmul import matmul
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, SCRATCH_AT, SCRATCH_SIZE, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import register, values_at

# Where the table begins, of as many rows as there are outputs.
WEIGHT = OWN


@kernel(inlined=True, views=True)
def _scratch(tape, workspace):
    return vector(workspace, tape[0, SCRATCH_AT], tape[0, SCRATCH_SIZE])


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    """y = x @ weight.T"""
    n, k = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    source = flat(values_at(tape[i, INPUT], k, x, workspace, at, rows))
    y, w = vector(workspace, tape[i, OUTPUT] + at * n, rows * n), vector(params, tape[i, WEIGHT], n * k)
    matmul(y, n, source, k, w, k, vector(y, 0 * i, 0 * i), _scratch(tape, workspace), NT, rows, n, k)


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    """dx = dy @ weight"""
    n, k = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    dx, dy = (
        vector(workspace, tape[i, DINPUT] + at * k, rows * k), vector(workspace, tape[i, DOUTPUT] + at * n, rows * n),
    )  # fmt: skip
    w = vector(params, tape[i, WEIGHT], n * k)
    matmul(dx, k, dy, n, w, k, vector(dy, 0 * i, 0 * i), _scratch(tape, workspace), NN, rows, k, n)


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    """dweight = dy.T @ x; a table that is shared is never updated while its gradient waits in scratch."""
    n, k = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    source = flat(values_at(tape[i, INPUT], k, x, workspace, at, rows))
    dy, dw = vector(workspace, tape[i, DOUTPUT] + at * n, rows * n), vector(grads, first + tape[i, WEIGHT], n * k)
    matmul(dw, k, dy, n, source, k, vector(dy, 0 * i, 0 * i), _scratch(tape, workspace), TN, n, k, rows)


HEAD = register(forward, inward, gradient)
