"""Products that are added to what is there: y += the product of a form of fastnn.products.matmul, NN or TN.

The chain of each sum goes on from the number in y, so that a product whose terms come in parts has the bits of one that
has them all.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.products.blocks import VECTOR_BYTES, block, direct
from fastnn.products.matmul import SHARED_ROWS, panel_of, pays_threads, pieces_of, share
from fastnn.simd.pool import next_piece, part_done, release_pool, take_pool, thread_count
from fastnn.simd.views import vector


@kernel(late=True)
def _rectangle(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, panel, m, n, k):
    none = vector(panel, 0 * m, 0 * m)
    if panel.size == 0:
        direct(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, none, k, True)
    else:
        block(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, none, panel, m, n, k, True)


@kernel(parallel=True, late=True)
def _parallel(parts, form, y, ldy, x, ldx, w, ldw, scratch, needed, m, n, k):
    lanes, pieces = VECTOR_BYTES // y.itemsize, pieces_of(parts, m, n, k)
    for part in prange(parts):
        panel = vector(scratch, part * needed, needed)
        piece = next_piece() if pieces > parts else np.int64(part)
        while piece < pieces:
            i0, i1 = share(piece, pieces, m, SHARED_ROWS) if m > n else (0 * m, m)
            j0, j1 = share(piece, pieces, n, lanes) if m <= n else (0 * n, n)
            _rectangle(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, panel, m, n, k)
            piece = next_piece() if pieces > parts else pieces
        part_done()


@kernel(late=True)
def matmul_onto(y, ldy, x, ldx, w, ldw, scratch, form, m, n, k):
    """y += x @ w (NN), or x.T @ w (TN), m x n of k terms; overwrites scratch, which is of use from
    fastnn.products.matmul.scratch_size on."""
    needed = panel_of(form, m, n, k, y.itemsize)
    needed = needed if needed <= scratch.size else 0 * needed  # x and w are then read where they lie
    parts = 1 + 0 * m
    if pays_threads(m, m * n * k):
        parts = thread_count() if needed == 0 else min(thread_count(), scratch.size // needed)
    if parts > 1 and take_pool():
        _parallel(parts, form, y, ldy, x, ldx, w, ldw, scratch, needed, m, n, k)
        release_pool()
    else:
        zero = 0 * m
        _rectangle(form, zero, m, zero, n, y, ldy, x, ldx, w, ldw, vector(scratch, zero, needed), m, n, k)
