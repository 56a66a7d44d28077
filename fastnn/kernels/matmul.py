"""Products of row-major matrices, in the three forms that training needs, behind one interface.

    M rows of y, N columns of y, K terms of each sum
    NN  y (M, N) = start + x (M, K) @ w (K, N)         forward
    NT  y (M, N) = start + x (M, K) @ w (N, K).T       gradient of the input
    TN  y (M, N) = start + x (K, M).T @ w (K, N)       gradient of the weight

Matrices are flat arrays with a leading dimension (elements from one row to the next). Every element is one chain of
fused multiply-adds in the order of k, begun at start[column], or at 0 where `start` is empty: the bits are those of
three plain loops, for any blocking, batch and number of threads.
"""

from __future__ import annotations

from numba import prange

from fastnn._jit import kernel
from fastnn.simd.host import UNIT
from fastnn.simd.pool import release_pool, take_pool, thread_count
from fastnn.simd.scalar import fma
from fastnn.simd.tile import tile
from fastnn.simd.views import vector

NN, NT, TN = 0, 1, 2

ROWS = UNIT.tile_rows
VECTORS = 3
VECTOR_BYTES = UNIT.bytes
# Rows of w in flight: they stay in L1 and L2 while the tiles above them run. GFLOP/s on Zen 4 with 64, 128, 256, 512:
# 105, 110, 112, 114 at 32x512x512, 90, 98, 99, 96 at 256x1024x1024; whole steps take the same time with 128 and 256.
BLOCK_K = 128
# Two threads against one on Zen 4: 0.89 times as fast at 131,000 multiply-adds, 1.17 at 262,000, 1.34 at 393,000, 1.88
# at 8.4 million; by itself, on an idle machine. Weights that change cores, and a busy machine, want some more.
PARALLEL_MACS = 400_000
# Up to this many multiply-adds three scalar loops beat the tiles: a step of 3-4-2 takes 639 ns with 100, 685 with 50;
# of 64-16-10 at 4 rows 1.6 us with 100, 3.3 with 400.
TINY_MACS = 100
# Side of the squares that a transposition moves; 8 and 32 measure the same to 5 %.
SQUARE = 16


@kernel
def _transposes_w(m, n, k):
    """Whether NT transposes w rather than x and y, whichever moves less; M, the batch, decides."""
    return n * k <= m * (n + k)


@kernel
def scratch_size(form, m, n, k):
    """Elements of scratch that matmul needs."""
    if form != NT:
        return 0
    return n * k if _transposes_w(m, n, k) else m * (n + k)


@kernel
def _stripe(columns, y, y_at, ldy, begin, begin_at, ldb, x, x_at, row_x, column_x, w, w_at, ldw, m, k):
    """All m rows of y, at most one tile wide: tiles of ROWS rows, then single rows."""
    vectors = (columns * y.itemsize + VECTOR_BYTES - 1) // VECTOR_BYTES
    whole = m - m % ROWS
    for i in range(0, whole, ROWS):
        yi, bi, xi = y_at + i * ldy, begin_at + i * ldb, x_at + i * row_x
        if vectors == VECTORS:
            tile(ROWS, VECTORS, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)
        elif vectors == 2:
            tile(ROWS, 2, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)
        else:
            tile(ROWS, 1, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)
    for i in range(whole, m):
        yi, bi, xi = y_at + i * ldy, begin_at + i * ldb, x_at + i * row_x
        if vectors == VECTORS:
            tile(1, VECTORS, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)
        elif vectors == 2:
            tile(1, 2, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)
        else:
            tile(1, 1, columns, y, yi, ldy, begin, bi, ldb, x, xi, row_x, column_x, w, w_at, ldw, k)


@kernel
def _block(i0, i1, j0, j1, y, ldy, x, row_x, column_x, w, ldw, start, k):
    """Rows i0..i1 and columns j0..j1 of y; k in blocks, each over all columns."""
    width = VECTORS * (VECTOR_BYTES // y.itemsize)
    for p in range(0, max(k, 1), BLOCK_K):
        begin = start if p == 0 else y
        ldb = 0 if p == 0 else ldy
        for j in range(j0, j1, width):
            y_at = i0 * ldy + j
            first_at = j if start.size > 0 else -1
            begin_at = first_at if p == 0 else y_at
            _stripe(min(width, j1 - j), y, y_at, ldy, begin, begin_at, ldb, x, i0 * row_x + p * column_x, row_x,
                    column_x, w, p * ldw + j, ldw, i1 - i0, min(BLOCK_K, k - p))  # fmt: skip


@kernel
def _share(part, parts, size):
    """Begin and end of one of `parts` shares of a size. The whole is _share(0, 1, size): a literal 0 would compile a
    second _block, which takes 0.5 s."""
    return part * size // parts, (part + 1) * size // parts


@kernel(parallel=True)
def _parallel(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k):
    """Each thread makes its share of the output: of its columns or its rows, whichever are more."""
    parts = thread_count()
    for part in prange(parts):
        i0, i1 = _share(part, parts, m) if m >= n else _share(0, 1, m)
        j0, j1 = _share(part, parts, n) if m < n else _share(0, 1, n)
        _block(i0, i1, j0, j1, y, ldy, x, row_x, column_x, w, ldw, start, k)


@kernel
def _tiled(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k):
    """y = start + x @ w by tiles, where x[i, p] lies at i * row_x + p * column_x."""
    if m * n * k >= PARALLEL_MACS and thread_count() > 1 and take_pool():
        _parallel(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)
        release_pool()
    else:
        i0, i1 = _share(0, 1, m)
        j0, j1 = _share(0, 1, n)
        _block(i0, i1, j0, j1, y, ldy, x, row_x, column_x, w, ldw, start, k)


@kernel(inlined=True)
def _tiny(y, ldy, x, row_x, column_x, w, row_w, column_w, start, m, n, k):
    """y = start + x @ w by three loops, either operand transposed or not by its two strides."""
    for i in range(m):
        for j in range(n):
            total = start[j] if start.size > 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[i * row_x + p * column_x], w[p * row_w + j * column_w], total)
            y[i * ldy + j] = total


@kernel
def _transpose(t, a, lda, rows, columns, ldt):
    """t (columns, rows) = a (rows, columns).T, in squares that stay in L1."""
    for i0 in range(0, rows, SQUARE):
        for j0 in range(0, columns, SQUARE):
            for j in range(j0, min(j0 + SQUARE, columns)):
                for i in range(i0, min(i0 + SQUARE, rows)):
                    t[j * ldt + i] = a[i * lda + j]


@kernel(inlined=True)
def matmul(y, ldy, x, ldx, w, ldw, start, scratch, form, m, n, k):
    """y = start + the product of the given form; overwrites y, and scratch_size(form, m, n, k) elements of scratch.

    start has n elements, the row that each row of the sum begins from, or none; with NT always none.
    """
    row_x, column_x = (1, ldx) if form == TN else (ldx, 1)
    if m * n * k <= TINY_MACS:
        row_w, column_w = (1, ldw) if form == NT else (ldw, 1)
        _tiny(y, ldy, x, row_x, column_x, w, row_w, column_w, start, m, n, k)
    elif form != NT:
        _tiled(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)
    elif _transposes_w(m, n, k):
        _transpose(scratch, w, ldw, n, k, n)
        _tiled(y, ldy, x, row_x, column_x, scratch, n, start, m, n, k)
    else:
        xt, yt = vector(scratch, 0, k * m), vector(scratch, k * m, n * m)
        _transpose(xt, x, ldx, m, k, m)
        _tiled(yt, m, w, ldw, column_x, xt, m, start, n, m, k)
        _transpose(y, yt, m, n, m, ldy)
