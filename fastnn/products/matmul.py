"""Products of row-major matrices, in the three forms that training needs, behind one interface.

    M rows of y, N columns of y, K terms of each sum
    NN  y (M, N) = start + x (M, K) @ w (K, N)         forward
    NT  y (M, N) = start + x (M, K) @ w (N, K).T       gradient of the input
    TN  y (M, N) = start + x (K, M).T @ w (K, N)       gradient of the weight

Matrices are flat arrays with a leading dimension (elements from one row to the next). Every element is one chain of
fused multiply-adds in the order of k, begun at start[column], or at 0 where `start` is empty: the bits are those of
three plain loops, for any blocking, batch and number of threads.

Regimes, by how often an element of w is used:
    tiny      three scalar loops
    few rows  w, or with TN and few terms y, passes by, row after row, at the speed of memory
    direct    register tiles that read w where it lies
    packed    a panel of w, as wide as a tile, is copied or transposed to scratch, and all rows pass over it there
    swapped   NT with no more rows than a tile has columns: y.T = w @ x.T
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.products.blocks import NT, PACKED_ROWS, TN, VECTOR_BYTES, block, block_size, direct
from fastnn.simd.dots import dots
from fastnn.simd.few_rows import grow, outer
from fastnn.simd.host import FAR_BYTES, TERMS, UNIT, VECTORS
from fastnn.simd.pack import transpose_block
from fastnn.simd.pool import next_piece, part_done, release_pool, take_pool, thread_count
from fastnn.simd.scalar import fma
from fastnn.simd.tile import stripe
from fastnn.simd.views import flat, on_stack, overlap, vector

# Up to so many rows w passes by row after row. NN, where w has both sides: on Zen 5 55 us against 219 by tiles at
# 1x1024x1024, 825 ns against 894 at 1x128x128, but 162 against 120 at 1x64x64. NT, against panels: 4.9 us and 10.4 with
# one row of 256x256, 9.9 and 12.9 with two, 14.8 and 15.4 with three.
FEW_ROWS_NN, FEW_ROWS_NT = 3, UNIT.few_rows_nt
# Sides of w from which on one row, and more.
ROW_SIDE, FEW_SIDE = UNIT.few_sides
# The same with NN where w is larger than FAR_BYTES.
FAR_ROWS = UNIT.far_rows
# TN, as few terms go by y row after row: 229 us by tiles at 1024x1024x1, 43 so, and 100 with three terms.
FEW_TERMS = 3
# NT is made as y.T = w @ x.T, so many rows of w at a time, where x and y are less to transpose than w. GFLOP/s on Zen 5
# by panels of w and so: 202 and 252 at 32x1024x1024, 169 and 192 at 16x512x512, but 83 and 48 at 4x512x512.
SWAPPED_SIDE, SWAPPED_ROWS = UNIT.swapped_side, 48
# Two threads against one on Zen 4: 0.89 times as fast at 131,000 multiply-adds, 1.17 at 262,000, 1.34 at 393,000, 1.88
# at 8.4 million; by itself, on an idle machine. Weights that change cores, and a busy machine, want some more.
PARALLEL_MACS = 400_000
# The same where a few rows pass by w once and its bytes decide: a step at batch 1 of 784-512-512-10, two layers of
# 400,000 and 260,000, takes 161 us on one thread and 232 on two; of 784-1024x3-10 773 and 784; of 784-2048x3-10, layers
# of 1.6 and 4.2 million, 4.0 ms and 2.4.
PARALLEL_FEW = 1_500_000
# One row with NT takes as long as so many with NN: on Zen 3 1x1024x1024 takes 75 us with NN, 135 with NT, and 85 to 93
# with NT on two threads; 1x784x1024 96 and 67.
ROWS_OF_NT = 2
# Pieces for each thread, no smaller than so many rows, columns and multiply-adds.
PIECES, PIECE_ROWS, PIECE_COLUMNS, PIECE_MACS = 4, 64, 192, 1_000_000
# Scratch that a call from Python takes from the stack: 4.7 us at 64 squared, NT, where the caller allocates it, 2.9 so.
STACK_ELEMENTS = 256 * 48
# Threads share rows in units of so many, columns in whole vectors.
SHARED_ROWS = 4
# Up to this many multiply-adds three scalar loops beat the tiles: a step of 3-4-2 takes 639 ns with 100, 685 with 50;
# of 64-16-10 at 4 rows 1.6 us with 100, 3.3 with 400.
TINY_MACS = 100


@kernel(inlined=True)
def pays_threads(rows, macs):
    """Whether so many multiply-adds on a batch of so many rows are worth starting threads for."""
    return macs >= (PARALLEL_MACS if rows > FEW_ROWS_NN else PARALLEL_FEW)


@kernel(inlined=True)
def is_few(form, m, n, k, itemsize):
    """Whether w passes by row after row, or, as the sum of a few terms, y."""
    if form == TN:
        return 0 < k <= FEW_TERMS and n >= FEW_SIDE
    if form == NT:
        return m <= FEW_ROWS_NT
    is_far = FAR_ROWS > 0 and n * k * itemsize > FAR_BYTES
    return m <= (FAR_ROWS if is_far else FEW_ROWS_NN) and min(n, k) >= (ROW_SIDE if m == 1 else FEW_SIDE)


@kernel(inlined=True)
def is_swapped(m, n, k, itemsize):
    """Whether a product of form NT is made as y.T = w @ x.T: where rows of y fill vectors, of a tile at the most."""
    lanes = VECTOR_BYTES // itemsize
    filled = (m + lanes - 1) // lanes * lanes
    return lanes <= m <= VECTORS * lanes and 4 * filled <= 5 * m and min(n, k) >= SWAPPED_SIDE


@kernel
def panel_of(form, m, n, k, itemsize):
    """Elements of scratch that one thread needs for its share of a product: of w, or, swapped, of x.T and y.T."""
    if form == NT and is_swapped(m, n, k, itemsize):
        return (k + SWAPPED_ROWS) * m
    needs = m > FEW_ROWS_NT if form == NT else m >= PACKED_ROWS
    return block_size(m, n, k, itemsize) if needs else 0 * k


@kernel
def most_panel_of(form, m, n, k, itemsize):
    """No less than panel_of for any number of rows up to m: for a workspace whose batches may come short."""
    lanes = VECTOR_BYTES // itemsize
    if form != NT or m <= FEW_ROWS_NT:
        return panel_of(form, m, n, k, itemsize)
    swaps = m >= lanes and min(n, k) >= SWAPPED_SIDE
    return max(block_size(m, n, k, itemsize), (k + SWAPPED_ROWS) * min(m, VECTORS * lanes) if swaps else 0)


@kernel
def scratch_size(form, m, n, k, itemsize, threads):
    """Elements of scratch with which matmul can use so many threads: see panel_of. With less it uses fewer."""
    macs = m * n * k
    return 0 if macs <= TINY_MACS else panel_of(form, m, n, k, itemsize) * min(threads, 1 + macs // PARALLEL_MACS)


@kernel(late=True)
def few_rows(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, k):
    """Rows i0..i1 and columns j0..j1 of y, each row by itself; with TN from no start."""
    if form == TN:
        outer(y, i0 * ldy + j0, ldy, x, i0, ldx, w, j0, ldw, k, i1 - i0, j1 - j0)
        return
    if form == NT:
        for i in range(i0, i1):
            dots(y, i * ldy + j0, x, i * ldx, w, j0 * ldw, ldw, k, j1 - j0)
        return
    for i in range(i0, i1):
        for j in range(j0, j1):
            y[i * ldy + j] = start[j] if start.size > 0 else y.dtype.type(0)
    grow(y, i0 * ldy + j0, ldy, x, i0 * ldx, ldx, w, j0, ldw, i1 - i0, k, j1 - j0)


@kernel
def hold_swapped(held, x, ldx, m, k):
    """held = x (m, k) transposed, for `swapped`."""
    transpose_block(held, 0, m, x, 0, ldx, m, k)


@kernel(late=True)
def swapped(j0, j1, y, ldy, w, ldw, held, m, k):
    """Columns j0..j1 of y = x @ w.T as rows of w @ x.T, which waits in scratch behind x.T, some rows at a time."""
    behind = k * m
    for j in range(j0, j1, SWAPPED_ROWS):
        rows = min(SWAPPED_ROWS, j1 - j)
        for p in range(0, k, TERMS):
            stripe(rows, m, held, behind, m, held, behind if p > 0 else -1, m, w, j * ldw + p, ldw, 1, held, p * m, m,
                   held, -1, min(TERMS, k - p))  # fmt: skip
        transpose_block(y, j, ldy, held, behind, m, rows, m)


@kernel(late=True)
def rectangle(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, panel, m, n, k):
    """Part of y, by the regime of the whole, m x n."""
    if is_few(form, m, n, k, y.itemsize) and (form != TN or start.size == 0):
        few_rows(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, k)
    elif form == NT and is_swapped(m, n, k, y.itemsize):
        hold_swapped(panel, x, ldx, m, k)
        swapped(j0, j1, y, ldy, w, ldw, panel, m, k)
    elif panel.size == 0 and form != NT:
        direct(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, k, False)
    else:
        block(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, panel, m, n, k, False)


@kernel(inlined=True)
def _whole(form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k):
    zero = 0 * m  # a literal would compile a twin of its own
    needed = panel_of(form, m, n, k, y.itemsize)
    panel = vector(scratch, zero, needed)
    rectangle(form, zero, m, zero, n, y, ldy, x, ldx, w, ldw, start, panel, m, n, k)


@kernel
def share(part, parts, size, unit):
    """Begin and end of one of `parts` shares of a size, in whole units but for the last."""
    units = (size + unit - 1) // unit
    return min(part * units // parts * unit, size), min((part + 1) * units // parts * unit, size)


@kernel(inlined=True)
def pieces_of(parts, m, n, k):
    """Pieces that so many threads take as they come: a few each, where they are worth it, or one."""
    if parts == 1:
        return parts
    most = m // PIECE_ROWS if m > n else n // PIECE_COLUMNS
    return max(1, min(PIECES, most // parts, m * n * k // (parts * PIECE_MACS))) * parts


@kernel(parallel=True, late=True)
def _parallel(parts, form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k):
    """Threads make pieces of the output: of its columns or its rows, whichever are more."""
    lanes, pieces = VECTOR_BYTES // y.itemsize, pieces_of(parts, m, n, k)
    needed = panel_of(form, m, n, k, y.itemsize)
    for part in prange(parts):
        panel = vector(scratch, part * needed, needed)
        piece = next_piece() if pieces > parts else np.int64(part)
        while piece < pieces:
            i0, i1 = share(piece, pieces, m, SHARED_ROWS) if m > n else (0 * m, m)
            j0, j1 = share(piece, pieces, n, lanes) if m <= n else (0 * n, n)
            rectangle(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, panel, m, n, k)
            piece = next_piece() if pieces > parts else pieces
        part_done()


@kernel(inlined=True)
def tiny(form, y, ldy, x, ldx, w, ldw, start, m, n, k):
    """The product of the given form by three loops."""
    row_x, column_x = (1, ldx) if form == TN else (ldx, 1)
    row_w, column_w = (1, ldw) if form == NT else (ldw, 1)
    for i in range(m):
        for j in range(n):
            total = start[j] if start.size > 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[i * row_x + p * column_x], w[p * row_w + j * column_w], total)
            y[i * ldy + j] = total


@kernel(late=True)
def _large(form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k):
    needed = panel_of(form, m, n, k, y.itemsize)
    parts = thread_count() if needed == 0 else min(thread_count(), scratch.size // needed)
    if parts > 1 and take_pool():
        _parallel(parts, form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k)
        release_pool()
    else:
        _whole(form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k)


@kernel(inlined=True)
def matmul(y, ldy, x, ldx, w, ldw, start, scratch, form, m, n, k):
    """y = start + the product of the given form; overwrites y and scratch (see scratch_size).

    start has n elements, the row that each row of the sum begins from, or none; with NT always none.
    """
    if m * n * k <= TINY_MACS:
        tiny(form, y, ldy, x, ldx, w, ldw, start, m, n, k)
    elif not pays_threads(m, m * n * k * (ROWS_OF_NT if form == NT and m <= FEW_ROWS_NT else 1)):
        _whole(form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k)
    else:
        _large(form, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k)


@kernel
def product(y, x, w, scratch, form):
    """matmul of whole matrices (C-contiguous)."""
    m, n = y.shape
    k = x.shape[0] if form == TN else x.shape[1]
    matmul(flat(y), n, flat(x), x.shape[1], flat(w), w.shape[1], vector(scratch, 0, 0), scratch, form, m, n, k)


@kernel
def try_product(y, x, w, form):
    """product(y, x, w, ...), where little scratch will do; False, and nothing done, where it will not or y misfits."""
    m, n = y.shape
    k = x.shape[0] if form == TN else x.shape[1]
    fits = (x.shape[1] if form == TN else x.shape[0]) == m
    fits &= (w.shape[0] if form == NT else w.shape[1]) == n and (w.shape[1] if form == NT else w.shape[0]) == k
    if not fits or overlap(y, x) or overlap(y, w):
        return False
    needed = scratch_size(form, m, n, k, y.itemsize, 1)
    if needed > STACK_ELEMENTS or (needed > 0 and pays_threads(m, m * n * k) and thread_count() > 1):
        return False
    product(y, x, w, vector(on_stack(STACK_ELEMENTS, y.dtype.type(0)), 0, needed), form)
    return True
