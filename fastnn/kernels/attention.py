"""Attention: each query's mean of values, weighted by a softmax of its products with the keys.

    B sequences   Q queries, K keys of each   H heads, in groups that share keys and values: G of them   S width of one
    q, y (B, Q, H S)   k, v (B, K, G S)   kept (B, H, Q, 2)   and a gradient of the same shape beside each

    scores = q . k / sqrt(S)    p = softmax of the scores that a query sees    y = sum of p v

Causal queries see the keys of no later position. `begins` (B,) or (0,): the position of the first query among the keys;
by itself the last query is at the last key. `lengths` (B,) or (0,), whole numbers of any type: keys that are there; the
others are seen by none.
Who sees nothing gets 0, and gradient 0.
What is not seen is in no sum: neither forward, where a number that is not finite stays unseen, nor in another order:
the bits of a query's output are the same whatever comes after what it sees, so that a cache of keys and values gives
what the whole sequence gives.

Scores are made for QUERY_ROWS queries at a time, and again in the backward pass: of p only the maximum and the inverse
sum of each row are kept. Gradients are p (dp - y . dy), dp = dy . v, times k and q (Dao et al. 2022, arXiv 2205.14135).
A thread has whole groups of a sequence. Reference: fastnn.reference.attention.
"""

from __future__ import annotations

import math

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.softmax import PART_ELEMENTS, exponentials, exponentials_of
from fastnn.products.blocks import NN, VECTOR_BYTES, direct, stripe_width
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.pack import transpose_block
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.rows import row_dot, row_maximum, row_sum, scale_row, shift_row
from fastnn.simd.scalar import fma
from fastnn.simd.tile import stripe
from fastnn.simd.views import vector

# Queries whose scores are there at a time. Of few keys so many have sums that begin together, what is left for each is
# then little: forward and backward of 32 sequences of 16 positions, 4 heads of 16, take 49 and 124 us with 4 on Zen 5,
# 89 and 171 with 32; of 4 of 256, 6 heads of 64, 1.86 and 5.04 ms, and 1.57 and 3.78.
QUERY_ROWS, TOGETHER, FEW_KEYS = 32, 4, 64
# Terms that are added by a tile of one row, and not one by one.
TILED_TERMS = 8


@kernel(inlined=True)
def reach(query, begin, length, causal):
    """Keys that a query sees: the first so many."""
    return max(min(length, begin + query + 1), 0) if causal else length


@kernel(inlined=True)
def score_rows(queries):
    """Queries whose scores are there at a time."""
    return min(queries, QUERY_ROWS)


@kernel
def attention_scratch(queries, keys, size, backward):
    """Elements that one thread needs: keys (and values) transposed, and scores (and their gradients) of some rows."""
    return keys * (size + score_rows(queries)) * (2 if backward else 1)


@kernel(inlined=True)
def _threads(units, scratch, needed, macs):
    """Threads that units of work are worth and have scratch for."""
    return min(thread_count(), units, scratch.size // max(needed, 1)) if macs >= PARALLEL_MACS else 1


@kernel(inlined=True)
def _accumulate(rows, columns, y, y_at, ldy, x, x_at, row_x, column_x, w, w_at, ldw, terms):
    """y (rows, columns) += x (rows, terms) @ w (terms, columns)"""
    lanes, j = VECTOR_BYTES // y.itemsize, 0 * columns
    while j < columns:
        wide = stripe_width(columns - j, lanes)
        stripe(rows, wide, y, y_at + j, ldy, y, y_at + j, ldy, x, x_at, row_x, column_x, w, w_at + j, ldw, w, -1, terms)
        j += wide


@kernel(inlined=True)
def _scores(scores, rows, q, ldq, transposed, ldt, keys, seen, size):
    """scores (rows, keys) = q . k, of the keys that the last of the rows sees."""
    none = vector(scores, 0 * rows, 0 * rows)
    direct(NN, 0 * rows, rows, 0 * rows, seen, scores, keys, q, ldq, transposed, ldt, none, size, False)


@kernel(inlined=True)
def _together(keys):
    return TOGETHER if keys <= FEW_KEYS else QUERY_ROWS


@kernel(inlined=True)
def _add_times(y, factor, x):
    """y += factor * x"""
    for c in range(y.size):
        y[c] = fma(factor, x[c], y[c])


@kernel(inlined=True)
def _add_terms(y, y_at, size, p, p_at, step, w, w_at, ldw, terms):
    """y[y_at:] (size,) += p[p_at::step] @ w[w_at:] of so many terms."""
    if terms >= TILED_TERMS:
        _accumulate(1 + 0 * terms, size, y, y_at, size, p, p_at, step, step, w, w_at, ldw, terms)
        return
    total = vector(y, y_at, size)
    for k in range(terms):
        _add_times(total, p[p_at + k * step], vector(w, w_at + k * ldw, size))


@kernel(inlined=True)
def _weighted(y, ldy, p, row_p, w, ldw, rows, size, first, begin, length, causal):
    """y (rows, size) = p @ w, each row of the keys that it sees: what some rows see together, then each the others."""
    none, together = vector(p, 0 * rows, 0 * rows), _together(row_p)
    for r0 in range(0 * rows, rows, together):
        r1 = min(r0 + together, rows)
        least = reach(first + r0, begin, length, causal)
        direct(NN, r0, r1, 0 * rows, size, y, ldy, p, row_p, w, ldw, none, least, False)
        for r in range(r0 + 1, r1):
            more = reach(first + r, begin, length, causal) - least
            _add_terms(y, r * ldy, size, p, r * row_p + least, 1, w, least * ldw, ldw, more)


@kernel(inlined=True)
def _gathered(dw, ldw, p, row_p, x, ldx, rows, size, first, begin, length, causal):
    """dw (keys, size) += p.T @ x, each key of the rows that see it, in their order: of some rows those keys that all
    see, then the others."""
    together = _together(row_p)
    for r0 in range(0 * rows, rows, together):
        r1 = min(r0 + together, rows)
        least = reach(first + r0, begin, length, causal)
        _accumulate(least, size, dw, 0 * rows, ldw, p, r0 * row_p, 1, row_p, x, r0 * ldx, ldx, r1 - r0)
        for j in range(least, reach(first + r1 - 1, begin, length, causal)):
            r = j - begin - first  # the first row that sees it
            _add_terms(dw, j * ldw, size, p, r * row_p + j, row_p, x, r * ldx, ldx, r1 - r)


@kernel(late=True)
def _head_forward(y, ldy, kept, q, ldq, transposed, ldt, v, ldv, scores, queries, keys, begin, length, size, causal):
    """One head of one sequence; transposed (size, keys), ldt from row to row, are its keys."""
    number = y.dtype.type
    scale = number(1 / math.sqrt(size))
    for first in range(0 * queries, queries, QUERY_ROWS):
        rows = min(QUERY_ROWS, queries - first)
        seen = reach(first + rows - 1, begin, length, causal)
        out = vector(y, first * ldy, (rows - 1) * ldy + size)
        source = vector(q, first * ldq, (rows - 1) * ldq + size)
        _scores(scores, rows, source, ldq, transposed, ldt, keys, seen, size)
        if seen <= PART_ELEMENTS:
            for r in range(rows):
                row = vector(scores, r * keys, reach(first + r, begin, length, causal))
                top = row_maximum(row)
                kept[2 * (first + r)] = top
                shift_row(row, row, top, scale, number(0))
            exponentials_of(vector(scores, 0 * rows, (rows - 1) * keys + seen))
        for r in range(rows):
            row = vector(scores, r * keys, reach(first + r, begin, length, causal))
            if seen <= PART_ELEMENTS:
                total = row_sum(row)
            else:
                kept[2 * (first + r)], total = exponentials(row, row, scale)
            kept[2 * (first + r) + 1] = number(1 / total) if row.size > 0 else number(0)
        _weighted(out, ldy, scores, keys, v, ldv, rows, size, first, begin, length, causal)
        for r in range(rows):
            scale_row(vector(out, r * ldy, size), kept[2 * (first + r) + 1])


@kernel(late=True)
def _head_backward(dq, lddq, dk, lddk, dv, lddv, dy, y, ldy, kept, q, ldq, k, ldk, transposed, values, scores, slopes,
                   queries, keys, begin, length, size, causal, wants_q, wants_kv):  # fmt: skip
    """One head of one sequence: overwrites dq, adds to dk and dv, as far as they are wanted. values (size, keys) are
    its values transposed."""
    number = y.dtype.type
    scale = number(1 / math.sqrt(size))
    for first in range(0 * queries, queries, QUERY_ROWS):
        rows = min(QUERY_ROWS, queries - first)
        seen = reach(first + rows - 1, begin, length, causal)
        source = vector(q, first * ldq, (rows - 1) * ldq + size)
        gradient = vector(dy, first * ldy, (rows - 1) * ldy + size)
        _scores(scores, rows, source, ldq, transposed, keys, keys, seen, size)
        _scores(slopes, rows, gradient, ldy, values, keys, keys, seen, size)
        for r in range(rows):
            row = vector(scores, r * keys, reach(first + r, begin, length, causal))
            shift_row(row, row, kept[2 * (first + r)], scale, number(0))
        exponentials_of(vector(scores, 0 * rows, (rows - 1) * keys + seen))
        for r in range(rows):
            n, at = reach(first + r, begin, length, causal), first + r
            p, slope = vector(scores, r * keys, n), vector(slopes, r * keys, n)
            scale_row(p, kept[2 * at + 1])
            mean = number(row_dot(vector(dy, at * ldy, size), vector(y, at * ldy, size)))
            for j in range(n):
                slope[j] = p[j] * (slope[j] - mean) * scale
        if wants_kv:
            _gathered(dv, lddv, scores, keys, gradient, ldy, rows, size, first, begin, length, causal)
            _gathered(dk, lddk, slopes, keys, source, ldq, rows, size, first, begin, length, causal)
        if wants_q:
            out = vector(dq, first * lddq, (rows - 1) * lddq + size)
            _weighted(out, lddq, slopes, keys, k, ldk, rows, size, first, begin, length, causal)


@kernel(inlined=True, views=True)
def _head(values, ld, rows, b, h, size):
    """Where head h of sequence b lies among (B, rows, ld)."""
    at = b * rows * ld + h * size
    return vector(values, at, max((rows - 1) * ld + size, 0))


@kernel(inlined=True)
def _seen(begins, lengths, b, queries, keys):
    """The position of a sequence's first query, and its keys that are there."""
    begin = begins[b] if begins.size > 0 else keys - queries
    return begin, int(lengths[b]) if lengths.size > 0 else keys


@kernel(late=True)
def _forward_unit(unit, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal):
    """The heads of one group of one sequence."""
    _, queries, keys, heads, groups, size = sizes
    ldq, ldk, ldv = steps
    b, g, shared = unit // groups, unit % groups, heads // groups
    transposed = vector(scratch, 0 * unit, keys * size)
    scores = vector(scratch, keys * size, keys * score_rows(queries))
    begin, length = _seen(begins, lengths, b, queries, keys)
    transpose_block(transposed, 0, keys, _head(k, ldk, keys, b, g, size), 0, ldk, keys, size)
    for h in range(g * shared, (g + 1) * shared):
        _head_forward(
            _head(y, heads * size, queries, b, h, size), heads * size,
            vector(kept, (b * heads + h) * queries * 2, queries * 2), _head(q, ldq, queries, b, h, size), ldq,
            transposed, keys, _head(v, ldv, keys, b, g, size), ldv, scores, queries, keys, begin, length, size, causal,
        )  # fmt: skip


@kernel(late=True)
def _backward_unit(unit, dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal, wanted):
    """The heads of one group of one sequence, in their order."""
    _, queries, keys, heads, groups, size = sizes
    ldq, ldk, ldv = steps
    wants_q, wants_kv = wanted
    b, g, shared = unit // groups, unit % groups, heads // groups
    room, rows = keys * size, keys * score_rows(queries)
    transposed, values = vector(scratch, 0 * unit, room), vector(scratch, room, room)
    scores, slopes = vector(scratch, 2 * room, rows), vector(scratch, 2 * room + rows, rows)
    begin, length = _seen(begins, lengths, b, queries, keys)
    transpose_block(transposed, 0, keys, _head(k, ldk, keys, b, g, size), 0, ldk, keys, size)
    transpose_block(values, 0, keys, _head(v, ldv, keys, b, g, size), 0, ldv, keys, size)
    own_dk, own_dv = _head(dk, ldk, keys, b, g, size), _head(dv, ldv, keys, b, g, size)
    for j in range(keys if wants_kv else 0 * keys):
        for c in range(size):
            own_dk[j * ldk + c] = 0
            own_dv[j * ldv + c] = 0
    for h in range(g * shared, (g + 1) * shared):
        _head_backward(
            _head(dq, ldq, queries, b, h, size), ldq, own_dk, ldk, own_dv, ldv,
            _head(dy, heads * size, queries, b, h, size), _head(y, heads * size, queries, b, h, size), heads * size,
            vector(kept, (b * heads + h) * queries * 2, queries * 2), _head(q, ldq, queries, b, h, size), ldq,
            _head(k, ldk, keys, b, g, size), ldk, transposed, values, scores, slopes, queries, keys, begin, length,
            size, causal, wants_q, wants_kv,
        )  # fmt: skip


@kernel(parallel=True, late=True)
def _forward_parallel(parts, units, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal):
    needed = attention_scratch(sizes[1], sizes[2], sizes[5], False)
    for part in prange(parts):
        own = vector(scratch, part * needed, needed)
        for unit in range(part * units // parts, (part + 1) * units // parts):
            _forward_unit(unit, y, kept, q, k, v, steps, begins, lengths, own, sizes, causal)
        part_done()


@kernel(parallel=True, late=True)
def _backward_parallel(parts, units, dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal,
                       wanted):  # fmt: skip
    needed = attention_scratch(sizes[1], sizes[2], sizes[5], True)
    for part in prange(parts):
        own = vector(scratch, part * needed, needed)
        for unit in range(part * units // parts, (part + 1) * units // parts):
            _backward_unit(unit, dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, own, sizes, causal, wanted)
        part_done()


@kernel(inlined=True)
def _parts(scratch, sizes, products, backward):
    """Threads that so many products of queries with keys are worth, and have scratch for."""
    batch, queries, keys, heads, groups, size = sizes
    macs = products * batch * heads * queries * keys * size
    return _threads(batch * groups, scratch, attention_scratch(queries, keys, size, backward), macs)


@kernel(late=True)
def attention_forward(y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal):
    """Overwrites y, kept and scratch (see attention_scratch; with more of it, more threads). All arrays are flat.

    sizes: B, Q, K, H, G, S. steps: elements from one position to the next, of q, k and v.
    """
    units, parts = sizes[0] * sizes[4], _parts(scratch, sizes, 2, False)
    if parts > 1 and take_pool():
        _forward_parallel(parts, units, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal)
        release_pool()
        return
    for unit in range(0 * units, units):
        _forward_unit(unit, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal)


@kernel(late=True)
def attention_backward(dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal, wanted):
    """Overwrites dq, and dk and dv, as far as they are wanted, laid out as q, k and v, and scratch; y and kept are what
    the forward pass left. wanted: dq, and both others."""
    units, parts = sizes[0] * sizes[4], _parts(scratch, sizes, 5, True)
    if parts > 1 and take_pool():
        _backward_parallel(parts, units, dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, scratch, sizes,
                           causal, wanted)  # fmt: skip
        release_pool()
        return
    for unit in range(0 * units, units):
        _backward_unit(unit, dq, dk, dv, dy, y, kept, q, k, v, steps, begins, lengths, scratch, sizes, causal, wanted)


@kernel
def cache_size(capacity, groups, size):
    """Elements that the keys and values of so many positions take."""
    return 2 * capacity * groups * size


@kernel
def step_scratch(capacity):
    """Elements of scratch for `attention_step`: the scores, and what is kept of their softmax."""
    return capacity + 2


@kernel(late=True)
def attention_step(y, cache, packed, scratch, position, capacity, heads, groups, size):
    """Of queries, keys and values of one position of one sequence, side by side: keys and values join the cache, and y
    (heads size) is overwritten with the sums over it and all positions before it. The bits are attention_forward's."""
    pair, shared = 2 * capacity * size, heads // groups
    scores, kept = vector(scratch, 0 * position, capacity), vector(scratch, capacity, 2 + 0 * position)
    seen = position + 1
    for g in range(groups):
        transposed = vector(cache, g * pair, capacity * size)
        values = vector(cache, g * pair + capacity * size, capacity * size)
        for c in range(size):
            transposed[c * capacity + position] = packed[(heads + g) * size + c]
            values[position * size + c] = packed[(heads + groups + g) * size + c]
        for h in range(g * shared, (g + 1) * shared):
            _head_forward(
                vector(y, h * size, size), size, kept, vector(packed, h * size, size), size, transposed, capacity,
                vector(values, 0 * g, seen * size), size, scores, 1 + 0 * g, seen, position, seen, size, False,
            )  # fmt: skip
