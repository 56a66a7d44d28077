"""Some channels on a tape; fastnn.kernels.images.channels."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.channels import gather, gather_inward
from fastnn.simd.views import flat, matrix, vector
from fastnn.tape.columns import COLUMNS, DINPUT, DOUTPUT, INPUT, OUTPUT, OWN, WIDTH_IN, WIDTH_OUT
from fastnn.tape.operations import register, values_at

# As many constants as what comes out has channels, from the row TABLE on: which each is of what comes in.
TABLE = OWN


@kernel(inlined=True, views=True)
def _chosen(tape, i):
    return vector(flat(tape), tape[i, TABLE] * COLUMNS, tape[i, WIDTH_OUT])


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    width = tape[i, WIDTH_OUT]
    y = matrix(workspace, tape[i, OUTPUT] + at * width, rows, width)
    gather(y, values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows), _chosen(tape, i))


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    width, whole = tape[i, WIDTH_OUT], tape[i, WIDTH_IN]
    dy = matrix(workspace, tape[i, DOUTPUT] + at * width, rows, width)
    gather_inward(matrix(workspace, tape[i, DINPUT] + at * whole, rows, whole), dy, _chosen(tape, i))


CHANNELS = register(forward, inward)
