"""Softmax and log-softmax over rows, with a temperature.

    B rows   C classes   logits, p, log_p (B, C)

p = exp((logits - max) / T) / sum: no finite logit overflows. The limit T = 0, taken also where 1 / T is past every
number, puts all weight on the first largest logit (log-probability 0 there, -inf elsewhere), with gradient 0. A row
that holds NaN gives NaN; so does +inf, but in the limit.
Reference: fastnn.reference.softmax.
"""

from __future__ import annotations

import math

from fastnn._jit import kernel
from fastnn.simd.scalar import larger
from fastnn.simd.vecmath import exp
from fastnn.simd.views import flat, vector


@kernel(reassociate=True)
def row_maximum(row):
    """The largest element that is not NaN; -inf in an empty row."""
    top = row.dtype.type(-math.inf)
    for j in range(row.size):
        top = larger(top, row[j])
    return top


@kernel
def _exponentials(out, row, top, scale):
    """out = exp((row - top) * scale)"""
    for j in range(row.size):
        out[j] = exp((row[j] - top) * scale)


@kernel(reassociate=True)
def row_sum(row):
    """Sum in float64."""
    total = 0.0
    for j in range(row.size):
        total += row[j]
    return total


@kernel(inlined=True)
def exponentials(out, row, scale):
    """out = exp((row - max) * scale); returns max and the sum of out in float64. out may be row."""
    top = row_maximum(row)
    _exponentials(out, row, top, scale)
    return top, row_sum(out)


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
def softmax(p, logits, temperature):
    """Overwrites p; p may be logits."""
    rows, classes = logits.shape
    number = logits.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    for i in range(rows):
        row = vector(flat(logits), i * classes, classes)
        out = vector(flat(p), i * classes, classes)
        if is_limit:
            _one_hot(out, row, number(0), number(1))
        else:
            _, total = exponentials(out, row, inverse)
            scale = number(1 / total)
            for j in range(classes):
                out[j] *= scale


@kernel
def log_softmax(log_p, logits, temperature):
    """Overwrites log_p, which may not be logits."""
    rows, classes = logits.shape
    number = logits.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    for i in range(rows):
        row = vector(flat(logits), i * classes, classes)
        out = vector(flat(log_p), i * classes, classes)
        if is_limit:
            _one_hot(out, row, number(-math.inf), number(0))
        else:
            top, total = exponentials(out, row, inverse)
            shift = number(math.log(total))
            for j in range(classes):
                out[j] = (row[j] - top) * inverse - shift


@kernel(reassociate=True)
def _dot(a, b):
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@kernel
def softmax_backward(dlogits, dp, p, temperature):
    """dlogits = p * (dp - dp . p) / T, row by row; dlogits may be dp."""
    rows, classes = p.shape
    number = p.dtype.type
    is_limit, inverse = _inverse(number(temperature))
    scale = number(0) if is_limit else inverse
    for i in range(rows):
        row, gradient = vector(flat(p), i * classes, classes), vector(flat(dp), i * classes, classes)
        mean = number(_dot(row, gradient))
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
