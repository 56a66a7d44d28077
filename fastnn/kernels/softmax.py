"""Softmax and log-softmax over rows, with a temperature.

    B rows   C classes   logits, p, log_p (B, C)

p = exp((logits - max) / T) / sum: no finite logit overflows. The limit T = 0, taken also where 1 / T is past every
number, puts all weight on the first largest logit (log-probability 0 there, -inf elsewhere), with gradient 0. A row
that holds NaN gives NaN; so does +inf, but in the limit.
Reference: fastnn.reference.softmax.
"""

from __future__ import annotations

import math

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.rows import row_dot, row_maximum, row_sum, scale_row, shift_row
from fastnn.simd.vecmath import exp, exp_nonpositive, log
from fastnn.simd.views import flat, matrix, on_stack, vector

# Logits go through the passes of a softmax as long as they stay in L1: rows together, or a wide row in parts.
CHUNK_ELEMENTS = 2048
# A row of 100,000 takes 0.41 ns an element in parts of 512, 0.43 in parts of 2048.
PART_ELEMENTS = 512
MOST_PARTS = 64
# Elements from which threads share rows. On Zen 5 one thread and two take 5.9 and 5.6 us at 1000x10, 28.9 and 16.9 at
# 5000x10, 245 and 120 at 1000x1000.
PARALLEL_ELEMENTS = 50_000


@kernel(inlined=True)
def exponentials_of(values):
    """values = exp(values), none of which is above 0."""
    for j in range(values.size):
        values[j] = exp_nonpositive(values[j])


@kernel
def exponentials(out, row, scale):
    """out = exp((row - max) * scale); returns max and the sum of out in float64. out may be row."""
    top = row_maximum(row)
    total = lost = 0.0
    # Backwards, since what the maximum read last is still near.
    for at in range((row.size - 1) // PART_ELEMENTS * PART_ELEMENTS, -1, -PART_ELEMENTS):
        count = min(PART_ELEMENTS, row.size - at)
        part = vector(out, at, count)
        shift_row(part, vector(row, at, count), top, scale, type(scale)(0))
        exponentials_of(part)
        # Knuth's two-sum: what 200 additions in a row round off would show in float64.
        more = row_sum(part)
        grown = total + more
        share = grown - total
        lost += (total - (grown - share)) + (more - share)
        total = grown
    return top, total + lost


@kernel
def rows_together(classes):
    """Rows that go through exp together: as many as fit a chunk, multiples of 16, which leave no part of a vector."""
    most = CHUNK_ELEMENTS // max(classes, 1)
    return most // 16 * 16 if most >= 16 else max(most, 1)


@kernel
def exponentials_of_rows(out, tops, logits, scale):
    """out = exp((logits - top) * scale) for up to `rows_together` rows; tops = their maxima, unless it is empty.

    Returns the sum of out if that is a row wider than a chunk, for `total_of_row`.
    """
    rows, classes = logits.shape
    wide_total = 0.0
    for i in range(rows):
        row, target = vector(flat(logits), i * classes, classes), vector(flat(out), i * classes, classes)
        if classes > CHUNK_ELEMENTS:
            top, wide_total = exponentials(target, row, scale)
        else:
            top = row_maximum(row)
            shift_row(target, row, top, scale, type(scale)(0))
        if tops.size > 0:
            tops[i] = top
    if classes <= CHUNK_ELEMENTS:
        exponentials_of(flat(out))
    return wide_total


@kernel(inlined=True)
def total_of_row(row, wide_total):
    """The sum in float64 of a row of what exponentials_of_rows has left."""
    return wide_total if row.size > CHUNK_ELEMENTS else row_sum(row)


@kernel
def first_largest(row):
    """The index that np.argmax gives: of the first largest element, or of the first NaN."""
    best = 0
    for j in range(row.size):
        if row[j] != row[j]:
            return j
        if row[j] > row[best]:
            best = j
    return best


@kernel
def _one_hot(out, row, off, on):
    best = first_largest(row)
    is_nan = row.size > 0 and row[best] != row[best]
    for j in range(row.size):
        out[j] = row[best] if is_nan else (on if j == best else off)


@kernel
def _inverse(temperature):
    """Whether 1 / temperature is past every number, and what to multiply by."""
    inverse = type(temperature)(1) / temperature
    return math.isinf(inverse), inverse


@kernel
def _limit_of_rows(out, logits, off, on):
    rows, classes = logits.shape
    for i in range(rows):
        _one_hot(vector(flat(out), i * classes, classes), vector(flat(logits), i * classes, classes), off, on)


@kernel
def _parts_of(classes):
    """Elements of a part of a wide row, of which there are at most MOST_PARTS."""
    return max(PART_ELEMENTS, -(-classes // (16 * MOST_PARTS)) * 16)


@kernel(late=True)
def _softmax_of_wide_row(out, row, scale):
    """Each part by its own maximum, so that the row is read once; the last scaling puts the parts on one scale."""
    number = row.dtype.type
    size = _parts_of(row.size)
    tops, sums = on_stack(MOST_PARTS, 0.0), on_stack(MOST_PARTS, 0.0)
    for k in range(MOST_PARTS):
        count = min(size, row.size - k * size)
        tops[k], sums[k] = -math.inf, 0.0
        if count > 0:
            part, target = vector(row, k * size, count), vector(out, k * size, count)
            top = row_maximum(part)
            tops[k] = top
            # Of a part that is all -inf every exponential is 0, and not NaN.
            shift_row(target, part, top if top > number(-math.inf) else number(0), scale, number(0))
            exponentials_of(target)
            sums[k] = row_sum(target)
    top = row_maximum(tops)
    for k in range(MOST_PARTS):
        tops[k] = exp((tops[k] - top) * scale)
        sums[k] *= tops[k]
    total = row_sum(sums)
    for at in range(0, row.size, size):
        scale_row(vector(out, at, min(size, row.size - at)), number(tops[at // size] / total))


@kernel(late=True)
def _softmax_of_rows(p, logits, first, last, scale):
    """Rows first..last."""
    classes = logits.shape[1]
    number = logits.dtype.type
    if classes > CHUNK_ELEMENTS:
        for i in range(first, last):
            _softmax_of_wide_row(
                vector(flat(p), i * classes, classes), vector(flat(logits), i * classes, classes), scale
            )
        return
    together = rows_together(classes)
    for begin in range(first, last, together):
        count = min(together, last - begin)
        part = matrix(flat(logits), begin * classes, count, classes)
        out = matrix(flat(p), begin * classes, count, classes)
        exponentials_of_rows(out, vector(flat(p), 0, 0), part, scale)
        for i in range(count):
            row = vector(flat(out), i * classes, classes)
            scale_row(row, number(1 / row_sum(row)))


@kernel(parallel=True, late=True)
def _softmax_parallel(parts, p, logits, scale):
    rows = logits.shape[0]
    for part in prange(parts):
        _softmax_of_rows(p, logits, part * rows // parts, (part + 1) * rows // parts, scale)
        part_done()


@kernel
def softmax(p, logits, temperature):
    """Overwrites p; p may be logits."""
    number = logits.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    if is_limit:
        _limit_of_rows(p, logits, number(0), number(1))
        return
    threads = min(thread_count(), logits.shape[0]) if logits.size >= PARALLEL_ELEMENTS else 1
    if threads > 1 and take_pool():
        _softmax_parallel(threads, p, logits, inverse)
        release_pool()
    else:
        zero = 0 * logits.shape[0]  # a literal would compile a twin of its own
        _softmax_of_rows(p, logits, zero, logits.shape[0], inverse)


@kernel
def log_softmax(log_p, logits, temperature):
    """Overwrites log_p, which may not be logits."""
    rows, classes = logits.shape
    number = logits.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    if is_limit:
        _limit_of_rows(log_p, logits, number(-math.inf), number(0))
        return
    together = rows_together(classes)
    for begin in range(0, rows, together):
        count = min(together, rows - begin)
        part = matrix(flat(logits), begin * classes, count, classes)
        out = matrix(flat(log_p), begin * classes, count, classes)
        wide_total = exponentials_of_rows(out, vector(flat(log_p), 0, 0), part, inverse)
        for i in range(count):
            row, target = vector(flat(part), i * classes, classes), vector(flat(out), i * classes, classes)
            less = log(total_of_row(target, wide_total))
            shift_row(target, row, row_maximum(row), inverse, number(-less))


@kernel
def softmax_backward(dlogits, dp, p, temperature):
    """dlogits = p * (dp - dp . p) / T, row by row; dlogits may be dp."""
    rows, classes = p.shape
    number = p.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    scale = number(0) if is_limit else inverse
    for i in range(rows):
        row, gradient = vector(flat(p), i * classes, classes), vector(flat(dp), i * classes, classes)
        mean = number(row_dot(row, gradient))
        for j in range(classes):
            dlogits[i, j] = row[j] * (gradient[j] - mean) * scale


@kernel
def log_softmax_backward(dlogits, dlog_p, log_p, temperature):
    """dlogits = (dlog_p - exp(log_p) * sum(dlog_p)) / T, row by row; dlogits may be dlog_p."""
    rows, classes = log_p.shape
    number = log_p.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    scale = number(0) if is_limit else inverse
    for i in range(rows):
        total = number(row_sum(vector(flat(dlog_p), i * classes, classes)))
        for j in range(classes):
            dlogits[i, j] = (dlog_p[i, j] - exp(log_p[i, j]) * total) * scale
