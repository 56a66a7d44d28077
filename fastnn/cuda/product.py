"""Products of matrices in the device's memory: a block makes a tile, each thread a few of its rows and columns.

Terms of the sums are staged in shared memory, some at a time, in two halves of it: while threads multiply what lies in
one, the next terms are on their way to registers, and go to the other. A thread reads `vector` neighbouring rows, or
columns, at once. Each sum is one chain of fused multiply-adds in the order of its terms.
"""

from __future__ import annotations

from typing import Any

from fastnn.cuda.functions import fma
from fastnn.cuda.geometry import Geometry
from fastnn.cuda.target import cuda, device, place

# Bytes at which arrays in shared memory begin, so that threads can read four numbers at once.
ALIGNMENT = 16
# Elements more in a staged row: those that neighbours write lie in different banks, and rows begin on 16 bytes.
PADDING = 4


def make_places(g: Geometry) -> tuple[Any, Any]:
    """Device functions: the row, and the column, in its tile of a thread's sums; (a, b) is sums[a * columns + b]."""
    vector, down, across = g.vector, g.tile_down, g.tile_across

    @device
    def row_of(a):
        return (a // vector) * (down * vector) + cuda.threadIdx.y * vector + a % vector

    @device
    def column_of(b):
        return (b // vector) * (across * vector) + cuda.threadIdx.x * vector + b % vector

    return row_of, column_of


def _make_staging(number: Any, g: Geometry, size: int, by_terms: bool) -> tuple[Any, Any, int]:
    """Device functions that load, and store, what a thread brings of `size` rows (or columns) to shared memory, and how
    many elements those are.

    by_terms: terms of a row lie side by side in the matrix, else rows of a term do. Neighbours read neighbours.
    """
    terms, across, row = g.tile_terms, g.tile_across, size + PADDING
    turns = terms * size // g.threads
    term_turn, row_turn = (0, g.threads // terms) if by_terms else (g.threads // size, 0)

    @device
    def own_place():
        """Term and row of the thread's first element; those of its next lie term_turn and row_turn further on."""
        own = cuda.threadIdx.y * across + cuda.threadIdx.x
        return (own % terms, own // terms) if by_terms else (own // size, own % size)

    @device
    def load(held, a, at, step, first, end, begin, last):
        """held[turn] = the turn's element, of rows from `first` and terms from `begin` on: 0 for rows from `end` and
        terms from `last` on. In the matrix, which begins at a[at], rows (or terms) are `step` apart."""
        p, r = own_place()
        source = at + (first + r) * step + begin + p if by_terms else at + (begin + p) * step + first + r
        stride = (row_turn + term_turn) * step
        if first + size <= end and begin + terms <= last:
            for turn in range(turns):
                held[turn] = a[place(source + turn * stride)]
        else:
            for turn in range(turns):
                inside = first + r + turn * row_turn < end and begin + p + turn * term_turn < last
                held[turn] = a[place(source + turn * stride)] if inside else number(0)

    @device
    def store(staged, half, held):
        """staged[half + p * row + r]"""
        p, r = own_place()
        for turn in range(turns):
            staged[place(half + (p + turn * term_turn) * row + r + turn * row_turn)] = held[turn]

    return load, store, turns


def make_tile(number: Any, g: Geometry, x_by_terms: bool, w_by_terms: bool) -> Any:
    """The device function that adds the products of x, whose rows lie in memory one after the other where x_by_terms,
    else its columns, and w, whose columns do where w_by_terms."""
    rows, columns = g.tile
    vector, terms, unrolled = g.vector, g.tile_terms, 2
    down, across = g.tile_down, g.tile_across
    x_row, w_row = g.tile_rows + PADDING, g.tile_columns + PADDING
    x_half, w_half = terms * x_row, terms * w_row
    load_x, store_x, x_turns = _make_staging(number, g, g.tile_rows, x_by_terms)
    load_w, store_w, w_turns = _make_staging(number, g, g.tile_columns, w_by_terms)
    x_size, w_size = 2 * x_half, 2 * w_half

    @device
    def tile(sums, x, x_at, x_step, w, w_at, w_step, i0, m, j0, n, k0, k1):
        """sums[a * columns + b] += terms k0..k1 of row i0 + row_of(a) and column j0 + column_of(b) of x @ w."""
        # A line each: the simulator knows an array by the line that makes it.
        xs = cuda.shared.array(x_size, number, alignment=ALIGNMENT)
        ws = cuda.shared.array(w_size, number, alignment=ALIGNMENT)
        next_x = cuda.local.array(x_turns, number)
        next_w = cuda.local.array(w_turns, number)
        factors = cuda.local.array(rows, number)
        elements = cuda.local.array(columns, number)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        if k0 < k1:
            load_x(next_x, x, x_at, x_step, i0, m, k0, k1)
            load_w(next_w, w, w_at, w_step, j0, n, k0, k1)
            store_x(xs, 0, next_x)
            store_w(ws, 0, next_w)
        cuda.syncthreads()
        half = 0
        for begin in range(k0, k1, terms):
            if begin + terms < k1:
                load_x(next_x, x, x_at, x_step, i0, m, begin + terms, k1)
                load_w(next_w, w, w_at, w_step, j0, n, begin + terms, k1)
            # Two terms a turn: 149 instructions for 128 multiply-adds, 162 of one at a time.
            for turn in range(0, terms, unrolled):
                for u in range(unrolled):
                    x_from = half * x_half + (turn + u) * x_row + ty * vector
                    w_from = half * w_half + (turn + u) * w_row + tx * vector
                    for a in range(rows):
                        factors[a] = xs[place(x_from + (a // vector) * (down * vector) + a % vector)]
                    for b in range(columns):
                        elements[b] = ws[place(w_from + (b // vector) * (across * vector) + b % vector)]
                    for a in range(rows):
                        for b in range(columns):
                            sums[a * columns + b] = fma(factors[a], elements[b], sums[a * columns + b])
            half = 1 - half
            if begin + terms < k1:
                store_x(xs, half * x_half, next_x)
                store_w(ws, half * w_half, next_w)
            cuda.syncthreads()

    return tile
