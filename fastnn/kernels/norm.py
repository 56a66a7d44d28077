"""Layer norm and RMS norm: each row by itself brought to one scale.

    B batch   I features
    x, y, normal (B, I)   inverse (B,)   w, b (I,) or (0,)   and a gradient of the same shape beside each

    layer norm ("centred")   normal = (x - mean) / sqrt(variance + epsilon), the variance that of all I (not I - 1)
    RMS norm                 normal = x / sqrt(mean of x * x + epsilon)
    y = normal * w + b, of an empty w and b normal

Means are summed in float64. The forward pass keeps `normal` and `inverse`, 1 / sqrt(...), for the backward pass:

    dx = inverse * (g - mean g - normal * mean(g * normal)) with g = dy * w, and without `mean g` in RMS norm
    dw = sum over rows of dy * normal    db = sum over rows of dy

Ba, Kiros & Hinton 2016; Zhang & Sennrich 2019. Reference: fastnn.reference.norm.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.simd.few_rows import column_sums
from fastnn.simd.rows import row_dot, row_sum
from fastnn.simd.scalar import fma
from fastnn.simd.views import flat, vector


@kernel
def _normalise(normal, row, epsilon, centred):
    """Overwrites normal; returns what it was multiplied by."""
    number, n = normal.dtype.type, row.size
    mean = row_sum(row) / n if centred else 0.0
    for j in range(n):
        normal[j] = number(row[j] - mean)
    # What rounding left of the mean; all of it where a row is constant, which so becomes 0.
    rest = row_sum(normal) / n if centred else 0.0
    inverse = number(1 / math.sqrt(row_dot(normal, normal) / n - rest * rest + epsilon))
    rest = number(rest)
    for j in range(n):
        normal[j] = (normal[j] - rest) * inverse
    return inverse


@kernel
def _scaled(y, normal, w, b):
    if b.size > 0:
        for j in range(y.size):
            y[j] = fma(normal[j], w[j], b[j])
    elif w.size > 0:
        for j in range(y.size):
            y[j] = normal[j] * w[j]
    else:
        for j in range(y.size):
            y[j] = normal[j]


@kernel
def norm_forward(y, normal, inverse, x, w, b, epsilon, centred):
    """Overwrites y, normal and inverse. Rows are independent."""
    rows, n = x.shape
    for i in range(rows):
        row = vector(flat(normal), i * n, n)
        inverse[i] = _normalise(row, vector(flat(x), i * n, n), epsilon, centred)
        _scaled(vector(flat(y), i * n, n), row, w, b)


@kernel
def _inward(dx, dy, normal, inverse, w, centred):
    number, n = dx.dtype.type, dx.size
    for j in range(n):
        dx[j] = dy[j] * w[j] if w.size > 0 else dy[j]
    mean = number(row_sum(dx) / n) if centred else number(0)
    slope = number(row_dot(dx, normal) / n)
    for j in range(n):
        dx[j] = (dx[j] - mean - normal[j] * slope) * inverse


@kernel
def norm_inward(dx, dy, normal, inverse, w, centred):
    """Overwrites dx; dy stays as it is. Rows are independent."""
    rows, n = dx.shape
    for i in range(rows):
        _inward(vector(flat(dx), i * n, n), vector(flat(dy), i * n, n), vector(flat(normal), i * n, n), inverse[i], w,
                centred)  # fmt: skip


@kernel
def norm_gradient(dw, db, dy, normal):
    """Overwrites dw and db, which may be empty, on one thread."""
    rows, n = dy.shape
    dw[:] = 0
    for i in range(rows):
        gradient, row = vector(flat(dy), i * n, n), vector(flat(normal), i * n, n)
        for j in range(n):
            dw[j] = fma(gradient[j], row[j], dw[j])
    column_sums(db, flat(dy), n, rows, db.size)
