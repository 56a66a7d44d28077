"""Recurrent layers on a tape; fastnn.kernels.recurrent."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.recurrent import (
    Recurrence,
    gates_of,
    kept_sizes,
    panels_size,
    recurrent_forward,
    recurrent_step,
)
from fastnn.kernels.recurrent_backward import recurrent_gradient, recurrent_inward, slopes_size
from fastnn.kernels.residual import copy
from fastnn.simd.views import flat, vector
from fastnn.tape.columns import (
    DINPUT,
    DOUTPUT,
    INPUT,
    OUTPUT,
    OWN,
    PARAMETERS_SIZE,
    WIDTH_IN,
    WIDTH_OUT,
)
from fastnn.tape.operations import nothing, register, scratch_behind, values_at

# Positions of a row, units, the cell; REVERSE, LAST and REACH as Recurrence has them. Where states, their gradients
# after the forward pass, and what is kept lie. LENGTHS is where a number of each row says how many positions are there,
# which is kept at THERE, and -1 where all are.
(STEPS, UNITS, CELL, REVERSE, LAST, WEIGHT, BIAS, BIAS_SIZE, STATE, CARRY, GATES, BEFORE, CELLS, INNER, SLOPES,
 LENGTHS, THERE, REACH) = range(OWN, OWN + 18)  # fmt: skip


@kernel(inlined=True)
def _sizes(tape, i, rows, given):
    return Recurrence(
        rows, tape[i, STEPS], tape[i, UNITS], tape[i, CELL], tape[i, REVERSE], tape[i, LAST], given, tape[i, REACH]
    )  # fmt: skip


@kernel(inlined=True, views=True)
def _rows_of(workspace, place, at, rows, each):
    return vector(workspace, place + at * each, rows * each)


@kernel(inlined=True, views=True)
def _weight(values, first, tape, i):
    return vector(values, first + tape[i, WEIGHT], panels_size(_sizes(tape, i, 0 * i, 0 * i)))


@kernel(inlined=True, views=True)
def _lengths(tape, i, place, workspace, at, rows):
    """Those that lie at a place; of rows that are whole none."""
    return vector(workspace, max(place, 0) + at, rows if tape[i, LENGTHS] >= 0 else 0 * rows)


@kernel(inlined=True, views=True)
def _biases(tape, i, params, scratch):
    """Its own, or zeros."""
    if tape[i, BIAS_SIZE] > 0:
        return vector(params, tape[i, BIAS], tape[i, BIAS_SIZE])
    zeros = vector(scratch, 0 * i, gates_of(tape[i, CELL]) * tape[i, UNITS])
    zeros[:] = 0
    return zeros


@kernel(late=True)
def forward(tape, i, params, x, workspace, at, rows, key, begin):
    of = _sizes(tape, i, rows, 0 * i)
    units, (gates, before, cells, inner) = of.units, kept_sizes(of)
    scratch = scratch_behind(tape, workspace, 0 * i)
    b = _biases(tape, i, params, scratch)
    h, c = _rows_of(workspace, tape[i, STATE], at, rows, units), _rows_of(workspace, tape[i, CARRY], at, rows, units)
    h[:] = 0
    c[:] = 0
    lengths = _lengths(tape, i, tape[i, THERE], workspace, at, rows)
    copy(lengths, _lengths(tape, i, tape[i, LENGTHS], workspace, at, rows))
    recurrent_forward(
        _rows_of(workspace, tape[i, OUTPUT], at, rows, tape[i, WIDTH_OUT]), h, c,
        _rows_of(workspace, tape[i, GATES], at, rows, gates), _rows_of(workspace, tape[i, BEFORE], at, rows, before),
        _rows_of(workspace, tape[i, CELLS], at, rows, cells), _rows_of(workspace, tape[i, INNER], at, rows, inner),
        flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)), _weight(params, 0 * i, tape, i), b,
        lengths, scratch_behind(tape, workspace, gates_of(of.cell) * units), of,
    )  # fmt: skip


@kernel(late=True)
def inward(tape, i, params, x, workspace, at, rows, key, begin):
    of = _sizes(tape, i, rows, 0 * i)
    units, (gates, before, cells, inner) = of.units, kept_sizes(of)
    dh, dc = _rows_of(workspace, tape[i, STATE], at, rows, units), _rows_of(workspace, tape[i, CARRY], at, rows, units)
    dh[:] = 0
    dc[:] = 0
    recurrent_inward(
        _rows_of(workspace, tape[i, DINPUT], at, rows, tape[i, WIDTH_IN]),
        _rows_of(workspace, tape[i, DOUTPUT], at, rows, tape[i, WIDTH_OUT]), dh, dc,
        _rows_of(workspace, tape[i, SLOPES], at, rows, slopes_size(of)),
        _rows_of(workspace, tape[i, GATES], at, rows, gates), _rows_of(workspace, tape[i, BEFORE], at, rows, before),
        _rows_of(workspace, tape[i, CELLS], at, rows, cells), _rows_of(workspace, tape[i, INNER], at, rows, inner),
        _weight(params, 0 * i, tape, i), _lengths(tape, i, tape[i, THERE], workspace, at, rows),
        scratch_behind(tape, workspace, 0 * i), of,
    )  # fmt: skip


@kernel(late=True)
def gradient(tape, i, params, grads, first, x, workspace, at, rows):
    """Scratch lies behind the gradient of the parameters, which may wait there for its update."""
    of = _sizes(tape, i, rows, 0 * i)
    _, before, _, inner = kept_sizes(of)
    recurrent_gradient(
        _weight(grads, first, tape, i), vector(grads, first + tape[i, BIAS], tape[i, BIAS_SIZE]),
        _rows_of(workspace, tape[i, DINPUT], at, rows, tape[i, WIDTH_IN]),
        _rows_of(workspace, tape[i, SLOPES], at, rows, slopes_size(of)),
        _rows_of(workspace, tape[i, BEFORE], at, rows, before), _rows_of(workspace, tape[i, INNER], at, rows, inner),
        scratch_behind(tape, workspace, tape[i, PARAMETERS_SIZE]), of,
    )  # fmt: skip


@kernel(late=True)
def step(tape, i, params, x, workspace, at, rows, key, begin):
    """One position of rows at..at+rows: `begin` is which. STATE and CARRY hold the state from one to the next."""
    units, width = tape[i, UNITS], gates_of(tape[i, CELL]) * tape[i, UNITS]
    of = _sizes(tape, i, rows, min(begin, 1))
    h = _rows_of(workspace, tape[i, STATE], at, rows, units)
    b = _biases(tape, i, params, scratch_behind(tape, workspace, 0 * i))
    recurrent_step(
        h, _rows_of(workspace, tape[i, CARRY], at, rows, units), _rows_of(workspace, tape[i, GATES], at, rows, width),
        _rows_of(workspace, tape[i, INNER], at, rows, units), _rows_of(workspace, tape[i, BEFORE], at, rows, units),
        flat(values_at(tape[i, INPUT], tape[i, WIDTH_IN], x, workspace, at, rows)), _weight(params, 0 * i, tape, i), b,
        of,
    )  # fmt: skip
    copy(_rows_of(workspace, tape[i, OUTPUT], at, rows, units), h)


RECURRENT = register(forward, inward, gradient)
RECURRENT_STEP = register(step, nothing)
