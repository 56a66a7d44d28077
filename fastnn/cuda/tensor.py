"""Tiles on tensor cores: a warp multiplies fragments of 16 rows and 8 columns, with operands of fewer bits.

A lane's part of a fragment of sums are rows g and g + 8 and columns 2 t and 2 t + 1, where g = lane // 4, t = lane % 4.
Warps lie side by side in the tile, each with several fragments either way.
"""

from __future__ import annotations

from typing import Any

from numba import float32, uint32

from fastnn.cuda.geometry import Geometry, Tile
from fastnn.cuda.mma import LEFT, PACKED, RIGHT, multiply_of, numbers_of, word_of
from fastnn.cuda.product import Tiling
from fastnn.cuda.staging import Words
from fastnn.cuda.target import SIMULATED, cuda, device, place

# Lanes that share a row of a fragment; each has two of its columns.
QUAD = 4
COLUMNS = 2 * QUAD
# Words more in a staged row, so that the 32 that a warp reads lie in different banks.
PADDING = 8
# Words of a row that an instruction takes.
DEPTH = 2 * QUAD


def tensor_tiling(g: Geometry, t: Tile, precision: str) -> Tiling:
    """float32 matrices, multiplied with that precision; see fastnn.cuda.mma."""
    groups = g.lanes // QUAD
    across, lanes, warps_across = t.across, g.lanes, t.warps[1]
    fragment_rows, fragment_columns = t.fragments
    warp_rows, warp_columns = fragment_rows * 2 * groups, fragment_columns * COLUMNS

    @device
    def corner():
        """Where the fragments of the thread's warp begin, row and column, and the lane's g and t."""
        own = cuda.threadIdx.y * across + cuda.threadIdx.x
        warp, lane = own // lanes, own % lanes
        return warp // warps_across * warp_rows, warp % warps_across * warp_columns, lane // QUAD, lane % QUAD

    @device
    def row_of(a):
        row, _, group, _ = corner()
        return row + a // 2 * (2 * groups) + a % 2 * groups + group

    @device
    def column_of(b):
        _, column, _, lane = corner()
        return column + b // 2 * COLUMNS + 2 * lane + b % 2

    rows, columns = t.warps[0] * warp_rows, t.warps[1] * warp_columns
    of = word_of(precision)
    x, w = (Words(size, size + PADDING, g.words, PACKED[precision], g.side, t.threads, across, of)
            for size in (rows, columns))  # fmt: skip
    kept = 2 * fragment_rows, 2 * fragment_columns
    if SIMULATED:
        multiply = _simulated_multiply(kept, precision, x, w, row_of, column_of)
    else:
        multiply = _make_multiply(t.fragments, groups, precision, x, w, corner)
    return Tiling(rows, columns, kept, row_of, column_of, uint32, x, w, multiply)


def _make_multiply(fragments: tuple[int, int], groups: int, precision: str, x: Words, w: Words, corner: Any) -> Any:
    fragment_rows, fragment_columns = fragments
    columns, words = 2 * fragment_columns, x.words
    x_row, w_row = x.row, w.row
    left_words, right_words = LEFT * fragment_rows, RIGHT * fragment_columns
    product = multiply_of(precision)

    @device
    def multiply(sums, xs, x_half, ws, w_half):
        left = cuda.local.array(left_words, uint32)
        right = cuda.local.array(right_words, uint32)
        row, column, group, lane = corner()
        for begin in range(0, words, DEPTH):
            x_from = x_half + (begin + lane) * x_row + row + group
            w_from = w_half + (begin + lane) * w_row + column + group
            for i in range(fragment_rows):
                at = x_from + i * 2 * groups
                left[i * LEFT] = xs[place(at)]
                left[i * LEFT + 1] = xs[place(at + groups)]
                left[i * LEFT + 2] = xs[place(at + QUAD * x_row)]
                left[i * LEFT + 3] = xs[place(at + QUAD * x_row + groups)]
            for j in range(fragment_columns):
                at = w_from + j * COLUMNS
                right[j * RIGHT] = ws[place(at)]
                right[j * RIGHT + 1] = ws[place(at + QUAD * w_row)]
            for i in range(fragment_rows):
                for j in range(fragment_columns):
                    u, v = i * LEFT, j * RIGHT
                    s0 = 2 * i * columns + 2 * j
                    s1 = s0 + columns
                    found = product((left[u], left[u + 1], left[u + 2], left[u + 3], right[v], right[v + 1],
                                     sums[s0], sums[s0 + 1], sums[s1], sums[s1 + 1]))  # fmt: skip
                    sums[s0], sums[s0 + 1], sums[s1], sums[s1 + 1] = found[0], found[1], found[2], found[3]

    return multiply


def _simulated_multiply(kept: tuple[int, int], precision: str, x: Words, w: Words, row_of: Any, column_of: Any) -> Any:
    """Of the same words, thread by thread."""
    rows, columns = kept

    def multiply(sums: Any, xs: Any, x_half: int, ws: Any, w_half: int) -> None:
        for p in range(x.words):
            for a in range(rows):
                left = numbers_of(xs[x_half + p * x.row + row_of(a)], precision)
                for b in range(columns):
                    right = numbers_of(ws[w_half + p * w.row + column_of(b)], precision)
                    sums[a * columns + b] += float32(left @ right)

    return multiply
