"""Recurrent layers: a step for each position of a sequence, from the state that the one before it left.

    B rows   T positions   H units   G gates, 1 of an RNN, 3 of a GRU, 4 of an LSTM; see fastnn.kernels.cells
    z (B, T, G H)   w (H, G H)   b (G H,)   h, c (B, H) the state   y (B, T, H), or (B, H), the last state alone
    and a gradient of the same shape beside each

    gates[t] = cell(z[t] + h[t-1] @ w)

z is the product of the inputs of all positions with their weight, which a dense layer makes at once; so are, backward,
the gradients of what it reads. What is left for each step is the product of the state, whose sums go on from z; w is
copied to panels once, which stay in cache. Threads own rows of the batch for all positions: none waits for another, and
each row has the bits that it would have alone. A first state of zeros is not multiplied.

Where lengths are given, positions from a row's length on are not there: its state stays, its outputs and the gradients
of its sums are 0. Backwards in time (`reverse`) a row begins with its last position that is there.

Kept for the backward pass: gates (B, T, G H), then before (B, T, H), the states that steps begin with; of an LSTM
cells (B, T, H), c the same, and of an LSTM or GRU inner (B, T, H), see fastnn.kernels.cells. Arrays are flat, and
no two share memory.
Reference: fastnn.reference.recurrent.
"""

from __future__ import annotations

from typing import NamedTuple

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.cells import (
    four,
    gru_forward,
    lstm_forward,
    new_forward,
    reset_forward,
    rnn_forward,
    three,
)
from fastnn.kernels.residual import copy
from fastnn.products.blocks import VECTOR_BYTES, stripe_width
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.few_rows import grow
from fastnn.simd.pack import copy_block, transpose_block
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.tile import stripe
from fastnn.simd.views import vector

# Cells. A GRU resets after the product with the weight, as PyTorch's, or before.
RNN_TANH, RNN_RELU, LSTM_CELL, GRU_AFTER, GRU_BEFORE = range(5)
GATES = (1, 1, 4, 3, 3)


class Recurrence(NamedTuple):
    """Sizes, and 0 or 1: reverse, from the last position to the first; last, y is the last state; given, the first
    state is, and may be other than zeros. reach: steps, from the first on, that a gradient goes back through together,
    and beyond none; 0 for all."""

    rows: int
    positions: int
    units: int
    cell: int
    reverse: int
    last: int
    given: int
    reach: int = 0


class Kept(NamedTuple):
    """What a forward pass leaves, flat; see above."""

    gates: object
    before: object
    cells: object
    inner: object


@kernel(inlined=True)
def gates_of(cell):
    """Of a cell."""
    return GATES[cell]


@kernel(inlined=True)
def kept_sizes(of):
    """Elements of gates, before, cells and inner, a row."""
    each = of.positions * of.units
    none = 0 * each
    cells, inner = each if of.cell == LSTM_CELL else none, each if of.cell >= LSTM_CELL else none
    return gates_of(of.cell) * each, each, cells, inner


@kernel
def pack_panels(panels, w, rows, columns, ldw, turned):
    """w (rows, columns), or its transpose, in panels as wide as a stripe, one behind the other."""
    lanes = VECTOR_BYTES // w.itemsize
    terms, width = (columns, rows) if turned else (rows, columns)
    j = 0 * rows
    while j < width:
        each = stripe_width(width - j, lanes)
        if turned:
            transpose_block(panels, j * terms, each, w, j * ldw, ldw, each, terms)
        else:
            copy_block(panels, j * terms, each, w, j, ldw, terms, each)
        j += each


@kernel
def state_product(rows, columns, terms, y, y_at, ldy, begin, begin_at, ldb, x, x_at, ldx, panels, first, last):
    """y = begin + x @ terms first..last of the panels, of `terms` in all."""
    lanes = VECTOR_BYTES // y.itemsize
    j = 0 * rows
    while j < columns:
        width = stripe_width(columns - j, lanes)
        stripe(rows, width, y, y_at + j, ldy, begin, begin_at + j if begin_at >= 0 else -1, ldb, x, x_at, ldx, 1,
               panels, j * terms + first * width, width, panels, -1, last - first)  # fmt: skip
        j += width


@kernel
def _sums(r0, rows, t, multiplies, kept, z, h, panels, of):
    """What the gates of a step are of, but for their biases, of rows r0..r0+rows."""
    units, gates = of.units, gates_of(of.cell)
    own = 2 if of.cell >= GRU_AFTER else gates  # gates whose sums go on from z
    ld, at = of.positions * gates * units, (r0 * of.positions + t) * gates * units
    if multiplies:
        state_product(rows, own * units, units, kept.gates, at, ld, z, at, ld, h, r0 * units, units, panels, 0, units)
    else:
        for r in range(rows):
            copy(vector(kept.gates, at + r * ld, own * units), vector(z, at + r * ld, own * units))
    if of.cell == GRU_AFTER:
        inner, ldi = (r0 * of.positions + t) * units, of.positions * units
        if multiplies:
            new = vector(panels, 2 * units * units, units * units)
            state_product(rows, units, units, kept.inner, inner, ldi, z, -1, ldi, h, r0 * units, units, new, 0, units)
        else:
            for r in range(rows):
                vector(kept.inner, inner + r * ldi, units)[:] = 0


@kernel
def _sums_of_reset(r0, rows, t, multiplies, kept, z, panels, of):
    """Of a GRU that resets before the product: a_n with the product of r h', which are in `inner`."""
    units = of.units
    ld, at = of.positions * 3 * units, (r0 * of.positions + t) * 3 * units + 2 * units
    inner, ldi = (r0 * of.positions + t) * units, of.positions * units
    new = vector(panels, 2 * units * units, units * units)
    if multiplies:
        state_product(rows, units, units, kept.gates, at, ld, z, at, ld, kept.inner, inner, ldi, new, 0, units)
    else:
        for r in range(rows):
            copy(vector(kept.gates, at + r * ld, units), vector(z, at + r * ld, units))


@kernel(inlined=True)
def is_there(lengths, r, t):
    return lengths.size == 0 or t < lengths[r]


@kernel(inlined=True)
def _step_of_row(place, state, h, c, kept, z, b, of):
    """place: of a position of a row; state: where its state begins."""
    units, at = of.units, place * gates_of(of.cell) * of.units
    own = vector(h, state, units)
    if of.cell == LSTM_CELL:
        inner = vector(kept.inner, place * units, units)
        lstm_forward(own, vector(c, state, units), vector(kept.cells, place * units, units), inner,
                     four(kept.gates, at, units), four(b, 0 * units, units))  # fmt: skip
    elif of.cell == GRU_AFTER:
        inner, sums = vector(kept.inner, place * units, units), vector(z, at + 2 * units, units)
        gru_forward(own, inner, three(kept.gates, at, units), three(b, 0 * units, units), sums)
    elif of.cell == GRU_BEFORE:
        new_forward(own, three(kept.gates, at, units), three(b, 0 * units, units))
    else:
        rnn_forward(own, vector(kept.gates, at, units), b, of.cell == RNN_RELU)


@kernel(late=True)
def _forward_rows(r0, r1, y, h, c, gates, before, cells, inner, z, b, panels, lengths, of):
    """All steps of some rows."""
    kept, rows, units = Kept(gates, before, cells, inner), r1 - r0, of.units
    for s in range(of.positions):
        t = of.positions - 1 - s if of.reverse > 0 else s
        multiplies = of.given > 0 or s > 0
        for r in range(r0, r1):
            copy(vector(before, (r * of.positions + t) * units, units), vector(h, r * units, units))
        _sums(r0, rows, t, multiplies, kept, z, h, panels, of)
        if of.cell == GRU_BEFORE:
            for r in range(r0, r1):
                place = r * of.positions + t
                reset_forward(vector(h, r * units, units), vector(inner, place * units, units),
                              three(gates, place * 3 * units, units), three(b, 0 * units, units))  # fmt: skip
            _sums_of_reset(r0, rows, t, multiplies, kept, z, panels, of)
        for r in range(r0, r1):
            place = r * of.positions + t
            there = is_there(lengths, r, t)
            if there:
                _step_of_row(place, r * units, h, c, kept, z, b, of)
            if of.last == 0:
                out = vector(y, place * units, units)
                if there:
                    copy(out, vector(h, r * units, units))
                else:
                    out[:] = 0
    if of.last > 0:
        copy(vector(y, r0 * units, rows * units), vector(h, r0 * units, rows * units))


@kernel(parallel=True, late=True)
def _forward_parallel(parts, y, h, c, gates, before, cells, inner, z, b, panels, lengths, of):
    for part in prange(parts):
        r0, r1 = part * of.rows // parts, (part + 1) * of.rows // parts
        _forward_rows(r0, r1, y, h, c, gates, before, cells, inner, z, b, panels, lengths, of)
        part_done()


@kernel(inlined=True)
def threads_of(of):
    macs = of.rows * of.positions * of.units * gates_of(of.cell) * of.units
    return min(thread_count(), of.rows) if macs >= PARALLEL_MACS else 1


@kernel
def panels_size(of):
    """Elements of scratch for `recurrent_forward`."""
    return of.units * gates_of(of.cell) * of.units


@kernel(late=True)
def recurrent_forward(y, h, c, gates, before, cells, inner, z, w, b, lengths, scratch, of):
    """Overwrites y, what is kept, and scratch (see panels_size); h and c, the first states, are then the last."""
    units, width = of.units, gates_of(of.cell) * of.units
    panels, zero = vector(scratch, 0 * units, panels_size(of)), 0 * units
    if of.positions > 1 or of.given > 0:
        first = 2 * units if of.cell >= GRU_AFTER else width
        pack_panels(panels, w, units, first, width, False)
        if of.cell >= GRU_AFTER:
            behind = vector(w, first, w.size - first)
            pack_panels(vector(panels, units * first, units * units), behind, units, units, width, False)
    parts = threads_of(of)
    if parts > 1 and take_pool():
        _forward_parallel(parts, y, h, c, gates, before, cells, inner, z, b, panels, lengths, of)
        release_pool()
    else:
        _forward_rows(zero, of.rows, y, h, c, gates, before, cells, inner, z, b, panels, lengths, of)


@kernel(late=True)
def recurrent_step(h, c, gates, inner, before, z, w, b, of):
    """One position: h and c are the state before, and then the next one; the bits of `recurrent_forward`. Overwrites
    gates (B, G H), inner and before (B, H). given: 0 where the state is zeros, which is not read then."""
    units, width, zero = of.units, gates_of(of.cell) * of.units, 0 * of.units
    own = 2 * units if of.cell >= GRU_AFTER else width
    kept = Kept(gates, before, before, inner)
    copy(gates, z)
    if of.given == 0:
        h[:] = 0
        c[:] = 0
    else:
        grow(gates, zero, width, h, zero, units, w, zero, width, of.rows, units, own)
    if of.cell == GRU_AFTER:
        inner[:] = 0
        if of.given > 0:
            grow(inner, zero, units, h, zero, units, w, own, width, of.rows, units, units)
    if of.cell == GRU_BEFORE:
        for r in range(of.rows):
            reset_forward(vector(h, r * units, units), vector(inner, r * units, units),
                          three(gates, r * width, units), three(b, zero, units))  # fmt: skip
        if of.given > 0:
            grow(gates, own, width, inner, zero, units, w, own, width, of.rows, units, units)
    for r in range(of.rows):
        _step_of_row(r, r * units, h, c, kept, z, b, of)
