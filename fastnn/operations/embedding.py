"""Embeddings of tokens and of positions on a tape; fastnn.kernels.embedding."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.embedding import embedding_forward, embedding_gradient, positions_forward, positions_gradient
from fastnn.kernels.residual import copy
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN
from fastnn.tape.operations import nothing, register, values_at

# Where the table begins, its rows and their width.
WEIGHT, VOCABULARY, WIDTH = range(OWN, OWN + 3)


@kernel(late=True)
def forward_tokens(tape, i, params, x, workspace, at, rows, key, begin):
    tokens, width = tape[i, WIDTH_IN], tape[i, WIDTH]
    ids = flat(values_at(tape[i, INPUT], tokens, x, workspace, at, rows))
    y = matrix(workspace, tape[i, OUTPUT] + at * tokens * width, rows * tokens, width)
    embedding_forward(y, ids, matrix(params, tape[i, WEIGHT], tape[i, VOCABULARY], width))


@kernel(late=True)
def inward_tokens(tape, i, params, x, workspace, at, rows, key, begin):
    """Numbers of rows have no gradient."""
    width = tape[i, WIDTH_IN]
    vector(workspace, tape[i, DINPUT] + at * width, rows * width)[:] = 0


@kernel(late=True)
def gradient_of_tokens(tape, i, params, grads, first, x, workspace, at, rows):
    tokens, width = tape[i, WIDTH_IN], tape[i, WIDTH]
    ids = flat(values_at(tape[i, INPUT], tokens, x, workspace, at, rows))
    dy = matrix(workspace, tape[i, DOUTPUT] + at * tokens * width, rows * tokens, width)
    embedding_gradient(matrix(grads, first + tape[i, WEIGHT], tape[i, VOCABULARY], width), dy, ids)


@kernel(late=True)
def forward_positions(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_IN]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    table = vector(params, tape[i, WEIGHT], tape[i, VOCABULARY] * tape[i, WIDTH])
    positions_forward(y, values_at(tape[i, INPUT], width, x, workspace, at, rows), table)


@kernel(late=True)
def inward_positions(tape, i, params, x, workspace, at, rows, key, begin):
    first, size = at * tape[i, WIDTH_IN], rows * tape[i, WIDTH_IN]
    copy(vector(workspace, tape[i, DINPUT] + first, size), vector(workspace, tape[i, DOUTPUT] + first, size))


@kernel(late=True)
def gradient_of_positions(tape, i, params, grads, first, x, workspace, at, rows):
    width = tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    positions_gradient(vector(grads, first + tape[i, WEIGHT], tape[i, VOCABULARY] * tape[i, WIDTH]), dy)


@kernel(late=True)
def step_positions(tape, i, params, x, workspace, at, rows, key, begin):
    """One position of rows at..at+rows: `begin` is which."""
    width = tape[i, WIDTH]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    table = vector(params, tape[i, WEIGHT] + begin * width, width)
    positions_forward(y, values_at(tape[i, INPUT], width, x, workspace, at, rows), table)


EMBEDDING = register(forward_tokens, inward_tokens, gradient_of_tokens)
POSITIONS = register(forward_positions, inward_positions, gradient_of_positions)
POSITIONS_STEP = register(step_positions, nothing)
