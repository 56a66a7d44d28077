"""The dense layer: y = f(x @ w + b).

    B batch   I inputs   O outputs
    x (B, I)   w (I, O)   b (O,) or (0,)   z, y (B, O)   and a gradient of the same shape beside each

The backward pass goes through w once, a block of rows at a time: what a block needs, its columns of dx, its rows of dw
and their update, is done while the block is in cache. With an update dw is never written: it lives for a moment in
scratch. Threads share the rows of w, or, where nobody wants dx, its columns, as in the forward pass.
Reference: fastnn.reference.dense.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.activation import IDENTITY, STEP, activation_backward, activation_forward
from fastnn.kernels.optimizer import KEEP, SGD, update_part
from fastnn.products.blocks import NN, NT, TN
from fastnn.products.matmul import (
    FEW_ROWS_NN,
    FEW_TERMS,
    PARALLEL_MACS,
    TINY_MACS,
    hold_swapped,
    is_swapped,
    matmul,
    most_panel_of,
    panel_of,
    pays_threads,
    pieces_of,
    rectangle,
    share,
    swapped,
    tiny,
)
from fastnn.simd.few_rows import column_sums
from fastnn.simd.host import UNIT, VECTORS
from fastnn.simd.pool import next_piece, part_done, release_pool, take_pool, thread_count
from fastnn.simd.scalar import fma
from fastnn.simd.views import flat, vector

VECTOR_BYTES = UNIT.bytes
# Rows and columns of the gradients that wait in scratch for their update.
CHUNK, TALL_CHUNK, TALL_BATCH = UNIT.chunk, UNIT.tall_chunk, UNIT.tall_batch
# Of a few rows the gradients of so many elements wait, in L1, and w goes by in blocks of so many vectors of rows, fewer
# where these bytes, which wait in L2 for their update, are not enough. On Zen 5, microseconds of a step at batch 1 of
# 784-1024x3-10 with 1024 and 2 vectors: 417, 4096 and 2: 387, 4096 and 4: 377, as above 514; 335 with sgd on one row,
# whose gradients do not wait. Milliseconds of 784-6944x3-10 with 4, 2, 1 vectors: 28.9, 26.4, 25.0.
NEAR_ELEMENTS, FEW_BLOCK_VECTORS, FEW_BLOCK_BYTES = 4096, 4, 2**19
# Threads that share the columns of w share its rows: of narrow ones each fetches lines that the other has updated. So
# many outputs of the whole batch are worth it. Microseconds of a step on one thread and two, Zen 5: 784-64-10 at batch
# 8 (512 outputs) 12 and 26, at 16 (1024) 18 and 28, 333-177-91-7 at 8 (1416) 19 and 30, 784-300-100-10 at 8 (2400) 65
# and 65, 784-512-512-10 at 8 (4096) 178 and 152. With 2100, 784-128-10 at 16 (2048) takes 32 for 43, but wider layers
# lose: a forward pass of 400x5 at 4 (1600) 36 for 26, of 784-512-512-10 at 4 (2048) 35 for 25.
PARALLEL_OUTPUTS = 1500
# Threads share rows of x or of w in units of so many, columns in whole vectors.
SHARED_ROWS = 8


@kernel(inlined=True)
def _threads_for(macs, threads):
    """Threads that a pass of so many multiply-adds is worth."""
    return min(threads, macs // (PARALLEL_MACS // 2)) if macs >= PARALLEL_MACS else 1


@kernel(inlined=True)
def is_narrow(batch, outputs, by_columns):
    """Whether threads that share columns of w, not rows of it, would fetch each other's lines for too little work."""
    return by_columns and batch > FEW_ROWS_NN and batch * outputs < PARALLEL_OUTPUTS


@kernel(inlined=True)
def _chunk_of(batch):
    """Rows and columns of the gradients that wait for their update."""
    return TALL_CHUNK if batch >= TALL_BATCH else CHUNK


@kernel(inlined=True)
def _waiting(batch, outputs):
    """Elements that they take."""
    rows, columns = _chunk_of(batch)
    return max(CHUNK[0] * CHUNK[1], rows * min(columns, outputs))


@kernel(inlined=True)
def chunk_shape(batch, outputs, columns):
    """Rows and columns of the gradients that wait together, of so many columns of the weight."""
    if batch <= FEW_TERMS:
        wide = min(columns, NEAR_ELEMENTS)
        return NEAR_ELEMENTS // wide, wide
    least, most = _chunk_of(batch)
    wide = min(columns, most)
    return max(least, _waiting(batch, outputs) // wide // least * least), wide


@kernel(inlined=True)
def chunk_scratch(batch, outputs, itemsize):
    """Elements of scratch for the gradients that wait, and for the product that makes them."""
    rows, columns = _chunk_of(batch)
    return _waiting(batch, outputs) + panel_of(TN, rows, min(columns, outputs), batch, itemsize)


@kernel(inlined=True)
def _scratch_of_one(batch, inputs, outputs, itemsize):
    """Elements that one thread needs for up to so many rows: a panel, and the gradients that wait."""
    forward = most_panel_of(NN, batch, outputs, inputs, itemsize)
    backward = most_panel_of(NT, batch, inputs, outputs, itemsize)
    return max(forward, backward + chunk_scratch(batch, outputs, itemsize))


@kernel
def dense_scratch(batch, inputs, outputs, itemsize, threads):
    """Elements of scratch with which the forward and the backward pass can use so many threads."""
    return _scratch_of_one(batch, inputs, outputs, itemsize) * _threads_for(2 * batch * inputs * outputs, threads)


@kernel(late=True)
def _forward_part(i0, i1, j0, j1, y, z, x, w, b, kind, alpha, panel, m, n, k):
    """Rows i0..i1 and columns j0..j1 of z and y."""
    rectangle(NN, i0, i1, j0, j1, z, n, x, k, w, n, b, panel, m, n, k)
    if kind == IDENTITY:
        return
    if j1 - j0 == n:
        activation_forward(vector(y, i0 * n, (i1 - i0) * n), vector(z, i0 * n, (i1 - i0) * n), kind, alpha)
    else:
        for i in range(i0, i1):
            at, size = i * n + j0, j1 - j0
            activation_forward(vector(y, at, size), vector(z, at, size), kind, alpha)


@kernel(parallel=True, late=True)
def _forward_parallel(parts, y, z, x, w, b, kind, alpha, scratch, needed, m, n, k):
    lanes, pieces = VECTOR_BYTES // z.itemsize, pieces_of(parts, m, n, k)
    for part in prange(parts):
        panel = vector(scratch, part * needed, needed)
        piece = next_piece() if pieces > parts else np.int64(part)
        while piece < pieces:
            i0, i1 = share(piece, pieces, m, SHARED_ROWS) if m > n else (0 * m, m)
            j0, j1 = share(piece, pieces, n, lanes) if m <= n else (0 * n, n)
            _forward_part(i0, i1, j0, j1, y, z, x, w, b, kind, alpha, panel, m, n, k)
            piece = next_piece() if pieces > parts else pieces
        part_done()


@kernel(late=True)
def _forward_large(y, z, x, w, b, kind, alpha, scratch, m, n, k):
    needed = panel_of(NN, m, n, k, z.itemsize)
    parts = 1
    if pays_threads(m, m * n * k) and not is_narrow(m, n, m <= n):
        parts = min(thread_count(), scratch.size // max(needed, 1))
    if parts > 1 and take_pool():
        _forward_parallel(parts, y, z, x, w, b, kind, alpha, scratch, needed, m, n, k)
        release_pool()
    else:
        zero = 0 * m
        _forward_part(zero, m, zero, n, y, z, x, w, b, kind, alpha, vector(scratch, zero, needed), m, n, k)


@kernel(inlined=True)
def dense_forward(y, z, x, w, b, kind, alpha, scratch):
    """Overwrites z = x @ w + b and y = f(z). Rows are independent. y may be z where f' needs no z (see NEEDS_Z)."""
    m, k = x.shape
    n = w.shape[1]
    if m * n * k <= TINY_MACS:
        tiny(NN, flat(z), n, flat(x), k, flat(w), n, b, m, n, k)
        if kind != IDENTITY:
            activation_forward(flat(y), flat(z), kind, alpha)
    else:
        _forward_large(flat(y), flat(z), flat(x), flat(w), b, kind, alpha, scratch, m, n, k)


@kernel
def _descend_row(p, g, factor, rate, weight_decay):
    """optimizer.sgd of p by the gradient factor * g, which stays in registers."""
    step, decay, zero = p.dtype.type(rate), p.dtype.type(weight_decay), p.dtype.type(0)
    for j in range(p.size):
        p[j] = fma(-step, fma(decay, p[j], fma(factor, g[j], zero)), p[j])


@kernel(inlined=True)
def _update_block(r0, r1, j0, j1, params, state, at, x, dz, scratch, batch, inputs, outputs, update, rule):
    """Updates rows r0..r1 and columns j0..j1 of the weight at params[at:] by its gradient, a chunk at a time."""
    if j0 == j1:  # the share of a thread that has no columns
        return
    if batch == 1 and update == SGD:
        for i in range(r0, r1):
            _descend_row(
                vector(params, at + i * outputs + j0, j1 - j0), vector(dz, j0, j1 - j0), x[i], rule[0], rule[4]
            )
        return
    waiting = _waiting(batch, outputs)
    chunk = vector(scratch, 0, waiting)
    panel = vector(scratch, waiting, chunk_scratch(batch, outputs, dz.itemsize) - waiting)
    rows, columns = chunk_shape(batch, outputs, j1 - j0)
    for r in range(r0, r1, rows):
        for j in range(j0, j1, columns):
            height, width = min(rows, r1 - r), min(columns, j1 - j)
            zero = 0 * r
            rectangle(TN, zero, height, zero, width, chunk, width, vector(x, r, x.size - r), inputs,
                      vector(dz, j, dz.size - j), outputs, chunk[:0], panel, height, width, batch)  # fmt: skip
            if width == outputs:
                update_part(params, at + r * outputs, chunk, zero, state, height * width, update, rule)
            else:
                for i in range(height):
                    update_part(params, at + (r + i) * outputs + j, chunk, i * width, state, width, update, rule)


@kernel(inlined=True)
def _keep_block(r0, r1, j0, j1, dw, x, dz, scratch, batch, inputs, outputs):
    """Rows r0..r1 and columns j0..j1 of the weight's gradient, as many columns at a time as there is scratch for."""
    _, most = _chunk_of(batch)
    most = min(most, outputs)
    panel = vector(scratch, 0 * r0, panel_of(TN, r1 - r0, most, batch, dz.itemsize))
    for j in range(j0, j1, most):
        rectangle(TN, r0, r1, j, min(j + most, j1), dw, outputs, x, inputs, dz, outputs, dw[:0], panel, r1 - r0, most,
                  batch)  # fmt: skip


@kernel(inlined=True)
def block_rows(batch, outputs, itemsize):
    """Rows of w that the backward pass takes together, in whole vectors of dx."""
    vectors = VECTORS
    if batch <= FEW_TERMS:
        vectors = min(FEW_BLOCK_VECTORS, max(1, FEW_BLOCK_BYTES // (VECTOR_BYTES * outputs)))
    elif batch >= TALL_BATCH:
        return TALL_CHUNK[0]
    return vectors * (VECTOR_BYTES // itemsize)


@kernel(late=True)
def _backward_part(r0, r1, j0, j1, dx, dw, params, state, at, x, dz, scratch, wants_dx, batch, inputs, outputs, update,
                   rule, taken):  # fmt: skip
    """Rows r0..r1 and columns j0..j1 of the weight's gradient or update, and columns r0..r1 of dx where wanted; or of
    these rows the blocks that are `taken`, as they come, by one thread of several."""
    needed = panel_of(NT, batch, inputs, outputs, dz.itemsize)
    panel, behind = vector(scratch, 0, needed), vector(scratch, needed, scratch.size - needed)
    w = vector(params, at, inputs * outputs)
    none = vector(scratch, 0, 0)
    rows = block_rows(batch, outputs, dz.itemsize)
    swaps = wants_dx and is_swapped(batch, inputs, outputs, dz.itemsize)
    if swaps:
        hold_swapped(panel, dz, outputs, batch, outputs)
    r = next_piece() * rows if taken else r0
    while r < r1:
        end = min(r + rows, r1)
        if swaps:
            swapped(r, end, dx, inputs, w, outputs, panel, batch, outputs)
        elif wants_dx:
            zero = 0 * r
            rectangle(
                NT, zero, batch, r, end, dx, inputs, dz, outputs, w, outputs, none, panel, batch, end - r, outputs
            )
        if update == KEEP:
            _keep_block(r, end, j0, j1, dw, x, dz, behind, batch, inputs, outputs)
        else:
            _update_block(r, end, j0, j1, params, state, at, x, dz, behind, batch, inputs, outputs, update, rule)
        r = next_piece() * rows if taken else end


@kernel(parallel=True, late=True)
def _backward_parallel(parts, dx, dw, params, state, at, x, dz, scratch, needed, wants_dx, batch, inputs, outputs,
                       update, rule):  # fmt: skip
    lanes = VECTOR_BYTES // dz.itemsize
    taken = parts > 1 and wants_dx and batch >= TALL_BATCH
    for part in prange(parts):
        r0, r1 = share(part, parts, inputs, SHARED_ROWS) if wants_dx and not taken else (0 * inputs, inputs)
        j0, j1 = (0 * outputs, outputs) if wants_dx else share(part, parts, outputs, lanes)
        own = vector(scratch, part * needed, needed)
        _backward_part(r0, r1, j0, j1, dx, dw, params, state, at, x, dz, own, wants_dx, batch, inputs, outputs, update,
                       rule, taken)  # fmt: skip
        part_done()


@kernel(late=True)
def _backward_large(dx, dw, params, state, at, x, dz, scratch, wants_dx, batch, inputs, outputs, update, rule):
    needed = _scratch_of_one(batch, inputs, outputs, dz.itemsize)
    parts = 1
    macs = batch * inputs * outputs * (2 if wants_dx else 1)
    if pays_threads(batch, macs) and not is_narrow(batch, outputs, not wants_dx):
        parts = min(thread_count(), scratch.size // needed)
    if parts > 1 and take_pool():
        _backward_parallel(parts, dx, dw, params, state, at, x, dz, scratch, needed, wants_dx, batch, inputs, outputs,
                           update, rule)  # fmt: skip
        release_pool()
    else:
        zero = 0 * batch
        _backward_part(zero, inputs, zero, outputs, dx, dw, params, state, at, x, dz, scratch, wants_dx, batch, inputs,
                       outputs, update, rule, False)  # fmt: skip


@kernel(inlined=True)
def _backward_tiny(dx, dw, params, state, at, x, dz, scratch, wants_dx, batch, inputs, outputs, update, rule):
    none = vector(scratch, 0, 0)
    if wants_dx:
        w = vector(params, at, inputs * outputs)
        tiny(NT, dx, inputs, dz, outputs, w, outputs, none, batch, inputs, outputs)
    keeps = update == KEEP
    gradient = dw if keeps else scratch
    tiny(TN, gradient, outputs, x, inputs, dz, outputs, none, inputs, outputs, batch)
    if not keeps:
        update_part(params, at, gradient, 0 * at, state, inputs * outputs, update, rule)


@kernel(inlined=True)
def dense_backward(dx, dw, db, params, state, at, bias_at, dy, x, z, y, kind, alpha, scratch, wants_dx, update, rule):
    """Turns dy into dz in place; overwrites dx, where wanted, and the rest as `update` says.

    KEEP: overwrites dw and db. An optimizer: updates the weight (I, O) at params[at:] and the bias at params[bias_at:]
    by `rule` (see optimizer.rule_of); overwrites db, and leaves dw alone, which may be empty.
    """
    batch, inputs = x.shape
    outputs = dy.shape[1]
    if kind not in (IDENTITY, STEP):
        activation_backward(flat(dy), flat(dy), flat(z), flat(y), kind, alpha)
    if db.size > 0:
        column_sums(db, flat(dy), outputs, batch, db.size)
        if update != KEEP:
            update_part(params, bias_at, db, 0 * bias_at, state, db.size, update, rule)
    arrays = flat(dx), flat(dw), params, state, at, flat(x), flat(dy), scratch
    if batch * inputs * outputs <= TINY_MACS:
        _backward_tiny(*arrays, wants_dx, batch, inputs, outputs, update, rule)
    else:
        _backward_large(*arrays, wants_dx, batch, inputs, outputs, update, rule)


@kernel(inlined=True)
def dense_inward(dx, dy, w, z, y, kind, alpha, scratch, wants_dx):
    """What rows of the backward pass do independently: turns dy into dz in place; overwrites dx where wanted."""
    batch, inputs = dx.shape
    outputs = dy.shape[1]
    if kind not in (IDENTITY, STEP):
        activation_backward(flat(dy), flat(dy), flat(z), flat(y), kind, alpha)
    if wants_dx:
        none = vector(scratch, 0, 0)
        matmul(flat(dx), inputs, flat(dy), outputs, flat(w), outputs, none, scratch, NT, batch, inputs, outputs)


@kernel(inlined=True)
def dense_gradient(dw, db, dz, x):
    """Overwrites dw and db from dz, on one thread."""
    batch, inputs = x.shape
    outputs = dz.shape[1]
    none, zero = flat(db)[:0], 0 * batch
    rectangle(TN, zero, inputs, zero, outputs, flat(dw), outputs, flat(x), inputs, flat(dz), outputs, none, none,
              inputs, outputs, batch)  # fmt: skip
    column_sums(db, flat(dz), outputs, batch, db.size)
