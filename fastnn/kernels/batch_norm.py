"""Batch norm: each channel brought to one scale, by what all rows have of it.

    N rows, or places of images   C channels
    x, y flat, N rows of C numbers   mean, variance, w, b (C,)   and a gradient of the same size beside x, y, w and b

    mean = sum x / N   variance = sum (x - mean)^2 / N   normal = (x - mean) / sqrt(variance + epsilon)
    y = normal * w + b, with mean and variance of these rows in training, and with running ones afterwards

    dw = sum over rows of dy * normal    db = sum over rows of dy
    dx = w / sqrt(variance + epsilon) * dy, and in training * (dy - db / N - normal * dw / N)

Channels are few and rows many: loops go over WIDE elements, several rows of channels side by side, so that vectors are
whole whatever C is. TERMS rows of these are summed in x's type, their sums in float64. Ioffe & Szegedy 2015.
Reference: fastnn.reference.batch_norm.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.simd.scalar import fma
from fastnn.simd.views import doubles, vector

WIDE, TERMS = 256, 16


@kernel(inlined=True)
def wide(channels):
    """Elements of as many whole rows as WIDE holds, of one at least."""
    return max(1, WIDE // channels) * channels


def batch_norm_scratch(channels: int) -> int:
    """Elements that the functions below work in: two sums in float64, beside what each channel is multiplied by."""
    return 8 * max(1, WIDE // channels) * channels


@kernel(inlined=True, views=True)
def _part(scratch, k, size):
    """The k-th array of so many elements, from 0 on, of at most four."""
    return vector(scratch, k * size, size)


@kernel(inlined=True, views=True)
def _totals(scratch, k, size):
    """The k-th of two arrays of float64 behind those four."""
    return doubles(scratch, (4 + 2 * k) * size, size)


@kernel(inlined=True)
def _repeat(out, values):
    """out = values, one after the other until it is full."""
    for at in range(0, out.size, values.size):
        for c in range(values.size):
            out[at + c] = values[c]


@kernel(inlined=True)
def _join(total, part):
    for j in range(total.size):
        total[j] += part[j]
        part[j] = 0


@kernel(inlined=True)
def _fold(sums, total, factor):
    """sums (C,) = what the rows of `total` have of each channel, times factor."""
    number, channels = sums.dtype.type, sums.size
    for c in range(channels):
        found = 0.0
        for at in range(c, total.size, channels):
            found += total[at]
        sums[c] = number(found * factor)


@kernel(inlined=True)
def _begin(total, part):
    total[:] = 0
    part[:] = 0


@kernel(late=True)
def batch_statistics(mean, variance, x, scratch):
    """Overwrites mean and variance by those of x."""
    channels = mean.size
    size, rows = wide(channels), x.size // channels
    part, total, means = _part(scratch, 0 * size, size), _totals(scratch, 0 * size, size), _part(scratch, 1, size)
    _begin(total, part)
    for first in range(0, x.size, TERMS * size):
        for at in range(first, min(first + TERMS * size, x.size), size):
            row = vector(x, at, min(size, x.size - at))
            for j in range(row.size):
                part[j] += row[j]
        _join(total, part)
    _fold(mean, total, 1 / rows)
    _repeat(means, mean)
    total[:] = 0
    for first in range(0, x.size, TERMS * size):
        for at in range(first, min(first + TERMS * size, x.size), size):
            row = vector(x, at, min(size, x.size - at))
            for j in range(row.size):
                part[j] = fma(row[j] - means[j], row[j] - means[j], part[j])
        _join(total, part)
    _fold(variance, total, 1 / rows)


@kernel(inlined=True)
def _inverse(variance, epsilon):
    return type(variance)(1 / math.sqrt(variance + epsilon))


@kernel(late=True)
def batch_norm(y, x, mean, variance, w, b, epsilon, scratch):
    """Overwrites y by x with a given mean and variance. Rows are independent."""
    channels = mean.size
    size = wide(channels)
    means, scales, shifts = _part(scratch, 0 * size, size), _part(scratch, 1, size), _part(scratch, 2, size)
    _repeat(means, mean)
    _repeat(shifts, b)
    for c in range(channels):
        scale = _inverse(variance[c], epsilon) * w[c]
        for at in range(c, size, channels):
            scales[at] = scale
    for at in range(0, x.size, size):
        row, out = vector(x, at, min(size, x.size - at)), vector(y, at, min(size, x.size - at))
        for j in range(row.size):
            out[j] = fma(row[j] - means[j], scales[j], shifts[j])


@kernel(late=True)
def batch_norm_gradient(dw, db, dy, x, mean, variance, epsilon, scratch):
    """Overwrites dw and db, on one thread."""
    channels = mean.size
    size = wide(channels)
    means, part, slopes = _part(scratch, 0 * size, size), _part(scratch, 1, size), _part(scratch, 2, size)
    total, total_slopes = _totals(scratch, 0 * size, size), _totals(scratch, 1, size)
    _repeat(means, mean)
    _begin(total, part)
    _begin(total_slopes, slopes)
    for first in range(0, x.size, TERMS * size):
        for at in range(first, min(first + TERMS * size, x.size), size):
            row, up = vector(x, at, min(size, x.size - at)), vector(dy, at, min(size, x.size - at))
            for j in range(row.size):
                part[j] += up[j]
                slopes[j] = fma(up[j], row[j] - means[j], slopes[j])
        _join(total, part)
        _join(total_slopes, slopes)
    _fold(db, total, 1.0)
    _fold(dw, total_slopes, 1.0)
    for c in range(channels):
        dw[c] *= _inverse(variance[c], epsilon)


@kernel(late=True)
def batch_norm_inward(dx, dy, x, mean, variance, w, dw, db, rows, epsilon, scratch):
    """Overwrites dx; dw, db: of these rows, `rows` of them, or 0 where mean and variance are others'."""
    number, channels = dx.dtype.type, mean.size
    size = wide(channels)
    means, scales = _part(scratch, 0 * size, size), _part(scratch, 1, size)
    slopes, shifts = _part(scratch, 2, size), _part(scratch, 3, size)
    _repeat(means, mean)
    share = number(1 / rows if rows > 0 else 0.0)
    for c in range(channels):
        inverse = _inverse(variance[c], epsilon)
        for at in range(c, size, channels):
            scales[at] = inverse * w[c]
            slopes[at] = inverse * dw[c] * share if rows > 0 else share
            shifts[at] = db[c] * share if rows > 0 else share
    for at in range(0, x.size, size):
        row, up = vector(x, at, min(size, x.size - at)), vector(dy, at, min(size, x.size - at))
        out = vector(dx, at, row.size)
        for j in range(row.size):
            out[j] = (up[j] - shifts[j] - (row[j] - means[j]) * slopes[j]) * scales[j]


@kernel(late=True)
def statistics_gradient(dmean, dvariance, running_mean, running_variance, mean, variance, rows, momentum):
    """What running statistics move by, times `rows`: momentum times how far they are from those of as many rows.

    The variance is that of a sample, times N / (N - 1), as in torch; one row has none, and moves none.
    """
    number = dmean.dtype.type
    step, sample = number(momentum * rows), number(rows / (rows - 1) if rows > 1 else 0.0)
    for c in range(mean.size):
        dmean[c] = step * (running_mean[c] - mean[c])
        dvariance[c] = step * (running_variance[c] - sample * variance[c]) if rows > 1 else number(0)
