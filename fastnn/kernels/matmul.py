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
from fastnn.simd.tile import tile
from fastnn.simd.views import vector

NN, NT, TN = 0, 1, 2

ROWS = UNIT.tile_rows
VECTORS = 3
VECTOR_BYTES = UNIT.bytes
# Rows of w in flight: they stay in L1 and L2 while the tiles above them run.
BLOCK_K = 128
# Below this many multiply-adds a launch of the threads (2 us) costs more than it saves.
PARALLEL_MACS = 400_000
# Side of the squares that a transposition moves.
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
def _part(part, parts, y, ldy, x, row_x, column_x, w, ldw, start, m, n, k):
    """One of `parts` parts of y, cut by columns or by rows, whichever are more; k in blocks, each over all columns."""
    by_columns = n > m
    j0, j1 = (part * n // parts, (part + 1) * n // parts) if by_columns else (0, n)
    i0, i1 = (0, m) if by_columns else (part * m // parts, (part + 1) * m // parts)
    width = VECTORS * (VECTOR_BYTES // y.itemsize)
    for p in range(0, max(k, 1), BLOCK_K):
        begin = start if p == 0 else y
        ldb = 0 if p == 0 else ldy
        for j in range(j0, j1, width):
            y_at = i0 * ldy + j
            first_at = j if start.size > 0 else -1
            begin_at = first_at if p == 0 else y_at
            _stripe(min(width, j1 - j), y, y_at, ldy, begin, begin_at, ldb, x, i0 * row_x + p * column_x, row_x, column_x,
                    w, p * ldw + j, ldw, i1 - i0, min(BLOCK_K, k - p))  # fmt: skip


@kernel(parallel=True)
def _parallel(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k):
    parts = thread_count()
    for part in prange(parts):
        _part(part, parts, y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)


@kernel
def _product(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k):
    """y = start + x @ w, where x[i, p] lies at i * row_x + p * column_x."""
    if m * n * k >= PARALLEL_MACS and thread_count() > 1 and take_pool():
        _parallel(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)
        release_pool()
    else:
        for part in range(1):
            _part(part, part + 1, y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)


@kernel
def _transpose(t, a, lda, rows, columns, ldt):
    """t (columns, rows) = a (rows, columns).T, in squares that stay in L1."""
    for i0 in range(0, rows, SQUARE):
        for j0 in range(0, columns, SQUARE):
            for j in range(j0, min(j0 + SQUARE, columns)):
                for i in range(i0, min(i0 + SQUARE, rows)):
                    t[j * ldt + i] = a[i * lda + j]


@kernel
def matmul(y, ldy, x, ldx, w, ldw, start, scratch, form, m, n, k):
    """y = start + the product of the given form; overwrites y, and scratch_size(form, m, n, k) elements of scratch.

    start has n elements, the row that each row of the sum begins from, or none; with NT always none.
    """
    row_x, column_x = (1, ldx) if form == TN else (ldx, 1)
    if form != NT:
        _product(y, ldy, x, row_x, column_x, w, ldw, start, m, n, k)
    elif _transposes_w(m, n, k):
        _transpose(scratch, w, ldw, n, k, n)
        _product(y, ldy, x, row_x, column_x, scratch, n, start, m, n, k)
    else:
        xt, yt = vector(scratch, 0, k * m), vector(scratch, k * m, n * m)
        _transpose(xt, x, ldx, m, k, m)
        _product(yt, m, w, ldw, column_x, xt, m, start, n, m, k)
        _transpose(y, yt, m, n, m, ldy)
