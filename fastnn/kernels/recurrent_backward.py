"""Recurrent layers backward: gradients of the sums of all steps, from the last to the first, and of the weight.

Arrays and letters are those of fastnn.kernels.recurrent.
"""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.cells import four, gru_backward, lstm_backward, new_backward, reset_backward, rnn_backward, three
from fastnn.kernels.recurrent import (
    GRU_AFTER,
    GRU_BEFORE,
    LSTM_CELL,
    RNN_RELU,
    Kept,
    gates_of,
    is_there,
    pack_panels,
    panels_size,
    state_product,
    threads_of,
)
from fastnn.products.blocks import TN
from fastnn.products.matmul import matmul, scratch_size
from fastnn.simd.few_rows import column_sums
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import vector


@kernel(inlined=True)
def _back_of_row(place, dz, dh, dc, slopes, kept, of):
    """Of a position that is there."""
    units, at = of.units, place * gates_of(of.cell) * of.units
    before = vector(kept.before, place * units, units)
    if of.cell == LSTM_CELL:
        inner = vector(kept.inner, place * units, units)
        lstm_backward(four(dz, at, units), dh, dc, vector(kept.cells, place * units, units), inner,
                      four(kept.gates, at, units))  # fmt: skip
    elif of.cell == GRU_AFTER:
        inner = vector(kept.inner, place * units, units)
        gru_backward(three(dz, at, units), dh, vector(slopes, place * units, units), inner,
                     three(kept.gates, at, units), before)  # fmt: skip
    elif of.cell == GRU_BEFORE:
        new_backward(three(dz, at, units), dh, three(kept.gates, at, units), before)
    else:
        rnn_backward(vector(dz, at, units), dh, vector(kept.gates, at, units), of.cell == RNN_RELU)


@kernel
def _nothing_of_row(place, dz, slopes, of):
    """Of a position that is not there."""
    units, gates = of.units, gates_of(of.cell)
    vector(dz, place * gates * units, gates * units)[:] = 0
    if of.cell == GRU_AFTER:
        vector(slopes, place * units, units)[:] = 0


@kernel
def _turn_back(r0, rows, t, dz, dh, slopes, panels, of):
    """dh += the gradients of the sums @ w.T, of rows r0..r0+rows at a position."""
    units, gates = of.units, gates_of(of.cell)
    width, at = gates * units, (r0 * of.positions + t) * gates * units
    own = 2 * units if of.cell >= GRU_AFTER else width
    state_product(rows, units, width, dh, r0 * units, units, dh, r0 * units, units, dz, at, of.positions * width,
                  panels, 0, own)  # fmt: skip
    if of.cell == GRU_AFTER:
        first = (r0 * of.positions + t) * units
        state_product(rows, units, width, dh, r0 * units, units, dh, r0 * units, units, slopes, first,
                      of.positions * units, panels, own, width)  # fmt: skip


@kernel(late=True)
def _backward_rows(r0, r1, dz, dy, dh, dc, slopes, turned, gates, before, cells, inner, panels, lengths, of):
    """All steps of some rows, from the last to the first."""
    kept, rows, units = Kept(gates, before, cells, inner), r1 - r0, of.units
    for s in range(of.positions - 1, -1, -1):
        cut = of.reach > 0 and s % of.reach == 0
        from_state = of.given > 0 or s > 0
        t = of.positions - 1 - s if of.reverse > 0 else s
        for r in range(r0, r1):
            place, own = r * of.positions + t, vector(dh, r * units, units)
            if not is_there(lengths, r, t):
                _nothing_of_row(place, dz, slopes, of)
                continue
            if of.last == 0:
                given = vector(dy, place * units, units)
                for j in range(units):
                    own[j] += given[j]
            _back_of_row(
                place, dz, own, vector(dc, r * units if of.cell == LSTM_CELL else 0 * r, units), slopes, kept, of
            )
        if of.cell == GRU_BEFORE:
            at = (r0 * of.positions + t) * 3 * units + 2 * units
            if from_state:
                state_product(rows, units, 3 * units, turned, r0 * units, units, turned, -1, units, dz, at,
                         of.positions * 3 * units, panels, 2 * units, 3 * units)  # fmt: skip
            else:
                vector(turned, r0 * units, rows * units)[:] = 0
            for r in range(r0, r1):
                place = r * of.positions + t
                if is_there(lengths, r, t):
                    reset_backward(three(dz, place * 3 * units, units), vector(dh, r * units, units),
                                   vector(turned, r * units, units), three(gates, place * 3 * units, units),
                                   vector(before, place * units, units))  # fmt: skip
        if from_state and not cut:
            _turn_back(r0, rows, t, dz, dh, slopes, panels, of)
        elif cut:
            vector(dh, r0 * units, rows * units)[:] = 0
            if of.cell == LSTM_CELL:
                vector(dc, r0 * units, rows * units)[:] = 0


@kernel(parallel=True, late=True)
def _backward_parallel(parts, dz, dy, dh, dc, slopes, turned, gates, before, cells, inner, panels, lengths, of):
    for part in prange(parts):
        r0, r1 = part * of.rows // parts, (part + 1) * of.rows // parts
        _backward_rows(r0, r1, dz, dy, dh, dc, slopes, turned, gates, before, cells, inner, panels, lengths, of)
        part_done()


@kernel
def inward_size(of):
    """Elements of scratch for `recurrent_inward`."""
    return panels_size(of) + (of.rows * of.units if of.cell == GRU_BEFORE else 0 * of.rows)


@kernel
def slopes_size(of):
    """Elements that a GRU keeps from `recurrent_inward` to `recurrent_gradient`, a row."""
    return of.positions * of.units if of.cell == GRU_AFTER else 0 * of.units


@kernel(late=True)
def recurrent_inward(dz, dy, dh, dc, slopes, gates, before, cells, inner, w, lengths, scratch, of):
    """Overwrites dz, slopes, the gradients of what the reset of a GRU multiplies, and scratch (see slopes_size,
    inward_size). dh, dc: gradients of the last states, and then of the first."""
    units, width = of.units, gates_of(of.cell) * of.units
    size = panels_size(of)
    panels = vector(scratch, 0 * units, size)
    turned = vector(scratch, size, of.rows * units if of.cell == GRU_BEFORE else 0 * units)
    if of.last > 0:
        for j in range(dh.size):
            dh[j] += dy[j]
    if of.positions > 1 or of.given > 0:
        pack_panels(panels, w, units, width, width, True)
    parts = threads_of(of)
    if parts > 1 and take_pool():
        _backward_parallel(parts, dz, dy, dh, dc, slopes, turned, gates, before, cells, inner, panels, lengths, of)
        release_pool()
    else:
        zero = 0 * units
        _backward_rows(zero, of.rows, dz, dy, dh, dc, slopes, turned, gates, before, cells, inner, panels, lengths, of)


@kernel
def gradient_size(of, itemsize, threads):
    """Elements of scratch for `recurrent_gradient`."""
    terms, width = of.rows * of.positions, gates_of(of.cell) * of.units
    return scratch_size(TN, of.units, width, terms, itemsize, threads)


@kernel(late=True)
def recurrent_gradient(dw, db, dz, slopes, before, inner, scratch, of):
    """Overwrites dw, db and scratch (see gradient_size), after `recurrent_inward`; one product over all positions."""
    units, gates, terms = of.units, gates_of(of.cell), of.rows * of.positions
    width, none = gates * units, vector(scratch, 0 * units, 0 * units)
    own = 2 * units if of.cell >= GRU_AFTER else width
    matmul(dw, width, before, units, dz, width, none, scratch, TN, units, own, terms)
    if of.cell >= GRU_AFTER:
        behind = vector(dw, own, dw.size - own)
        if of.cell == GRU_AFTER:
            matmul(behind, width, before, units, slopes, units, none, scratch, TN, units, units, terms)
        else:
            matmul(behind, width, inner, units, vector(dz, own, dz.size - own), width, none, scratch, TN, units, units,
                   terms)  # fmt: skip
    if db.size > 0:
        column_sums(db, dz, width, terms, width)
        if of.cell == GRU_AFTER:
            column_sums(vector(db, own, units), slopes, units, terms, units)
