"""Products of matrices in the device's memory: a block makes a tile, each thread a few of its rows and columns.

Terms of the sums are staged in shared memory, some at a time, in two halves of it: while threads multiply what lies in
one, the next terms are on their way to registers, and go to the other. A Tiling says how a tile is multiplied: here
number by number, each sum one chain of fused multiply-adds in the order of its terms; in fastnn.cuda.tensor otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastnn.cuda.functions import fma
from fastnn.cuda.geometry import Geometry, Tile
from fastnn.cuda.staging import Words, make_staging, number_itself
from fastnn.cuda.target import cuda, device, place

# Bytes at which arrays in shared memory begin, so that threads can read four numbers at once.
ALIGNMENT = 16
# Elements more in a staged row, which so begins on 16 bytes.
PADDING = 4
# Terms that the inner loop takes at once: 143 instructions for 128 multiply-adds, 158 of one at a time. Its `while` is
# no range, which the compiler cannot follow as well.
UNROLLED = 2


@dataclass(frozen=True)
class Tiling:
    """rows, columns: of a block's tile. kept: rows and columns of a thread's sums. row_of, column_of: device functions,
    the places in the tile of sums[a * kept[1] + b]. x, w: words as they lie in shared memory, of `word`. multiply: the
    device function that adds to the sums the products of a half of them."""

    rows: int
    columns: int
    kept: tuple[int, int]
    row_of: Any
    column_of: Any
    word: Any
    x: Words
    w: Words
    multiply: Callable[..., None]


def scalar_tiling(number: Any, g: Geometry, t: Tile) -> Tiling:
    """Threads read `vector` neighbouring rows, or columns, at once and multiply each with each."""
    rows, columns = t.kept
    vector, down, across, terms = g.vector, t.down, t.across, t.terms
    sizes = down * rows, across * columns
    x_row, w_row = (size + PADDING for size in sizes)

    @device
    def row_of(a):
        return (a // vector) * (down * vector) + cuda.threadIdx.y * vector + a % vector

    @device
    def column_of(b):
        return (b // vector) * (across * vector) + cuda.threadIdx.x * vector + b % vector

    @device
    def multiply(sums, xs, x_half, ws, w_half):
        factors = cuda.local.array(rows, number)
        elements = cuda.local.array(columns, number)
        p = 0
        while p < terms:
            for u in range(UNROLLED):
                x_from, w_from = x_half + (p + u) * x_row, w_half + (p + u) * w_row
                for a in range(rows):
                    factors[a] = xs[place(x_from + row_of(a))]
                for b in range(columns):
                    elements[b] = ws[place(w_from + column_of(b))]
                for a in range(rows):
                    for b in range(columns):
                        sums[a * columns + b] = fma(factors[a], elements[b], sums[a * columns + b])
            p += UNROLLED

    x, w = (
        Words(size, row, terms, 1, terms, t.threads, across, number_itself)
        for size, row in zip(sizes, (x_row, w_row), strict=True)
    )
    return Tiling(*sizes, t.kept, row_of, column_of, number, x, w, multiply)


def make_tile(number: Any, tiling: Tiling, x_by_terms: bool, w_by_terms: bool) -> Any:
    """The device function that makes a thread's sums of a tile: of x, whose rows lie in memory one after the other
    where x_by_terms, else its columns, and w, whose columns do where w_by_terms."""
    word, multiply, terms = tiling.word, tiling.multiply, tiling.x.terms
    x_half, w_half, x_held, w_held = tiling.x.half, tiling.w.half, tiling.x.held, tiling.w.held
    x_size, w_size = 2 * x_half, 2 * w_half
    load_x, store_x = make_staging(number, tiling.x, x_by_terms)
    load_w, store_w = make_staging(number, tiling.w, w_by_terms)

    @device
    def tile(sums, x, x_at, x_step, w, w_at, w_step, i0, m, j0, n, k0, k1):
        """sums += terms k0..k1 of the block's rows from i0 and columns from j0 on of x @ w, which has m and n."""
        # A line each: the simulator knows an array by the line that makes it.
        xs = cuda.shared.array(x_size, word, alignment=ALIGNMENT)
        ws = cuda.shared.array(w_size, word, alignment=ALIGNMENT)
        next_x = cuda.local.array(x_held, number)
        next_w = cuda.local.array(w_held, number)
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
            multiply(sums, xs, half * x_half, ws, half * w_half)
            half = 1 - half
            if begin + terms < k1:
                store_x(xs, half * x_half, next_x)
                store_w(ws, half * w_half, next_w)
            cuda.syncthreads()

    return tile
