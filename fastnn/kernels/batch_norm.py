"""Batch norm: each channel brought to one scale, by what all rows have of it.

    N rows, or places of images   C channels
    x, y flat, N rows of C numbers   mean, variance, w, b (C,)   and a gradient of the same size beside x, y, w and b

    mean = sum x / N   variance = sum (x - mean)^2 / N   normal = (x - mean) / sqrt(variance + epsilon)
    y = normal * w + b, with mean and variance of these rows in training, and with running ones afterwards

    dw = sum over rows of dy * normal    db = sum over rows of dy
    dx = w / sqrt(variance + epsilon) * dy, and in training * (dy - db / N - normal * dw / N)

Channels are few and rows many: loops go over WIDE elements, several rows of channels side by side, so that vectors are
whole whatever C is. TERMS rows of these are summed in x's type, their sums in float64, fixed shares of the rows each by
itself: threads take shares, and the bits follow from N and C alone. Ioffe & Szegedy 2015.
Reference: fastnn.reference.batch_norm.
"""

from __future__ import annotations

import math

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.products.matmul import share
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.scalar import fma
from fastnn.simd.views import doubles, vector

WIDE, TERMS = 256, 16
# Shares whose sums are their own, and the least elements of one, and of what threads are started for.
SHARES, SHARE, PARALLEL_VALUES = 8, 4 * TERMS * WIDE, 100_000


@kernel(inlined=True)
def wide(channels):
    """Elements of as many whole rows as WIDE holds, of one at least."""
    return max(1, WIDE // channels) * channels


# Scratch: CONSTANTS arrays of what each channel is multiplied by and the like; then of each share two of sums in x's
# type and two in float64.
CONSTANTS, OF_SHARE = 4, 6


def batch_norm_scratch(channels: int) -> int:
    """Elements that the functions below work in."""
    return (CONSTANTS + SHARES * OF_SHARE) * max(1, WIDE // channels) * channels


@kernel(inlined=True, views=True)
def _constant(scratch, k, size):
    """The k-th array of so many elements, from 0 on."""
    return vector(scratch, k * size, size)


@kernel(inlined=True, views=True)
def _sums(scratch, share, k, size):
    """The k-th of two arrays of a share in x's type."""
    return vector(scratch, (CONSTANTS + OF_SHARE * share + k) * size, size)


@kernel(inlined=True, views=True)
def _totals(scratch, share, k, size):
    """The k-th of two in float64."""
    return doubles(scratch, (CONSTANTS + OF_SHARE * share + 2 + 2 * k) * size, size)


@kernel(inlined=True)
def _shares(x):
    return min(SHARES, max(1, x.size // SHARE))


@kernel(inlined=True)
def _threads(x):
    return thread_count() if x.size >= PARALLEL_VALUES else 1


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
def _fold(sums, scratch, k, shares, size, factor):
    """sums (C,) = what the k-th totals of all shares have of each channel, times factor."""
    number, channels = sums.dtype.type, sums.size
    for c in range(channels):
        found = 0.0
        for one in range(shares):
            total = _totals(scratch, one, k, size)
            for at in range(c, size, channels):
                found += total[at]
        sums[c] = number(found * factor)


# Sums of x, or of (x - mean)^2


@kernel(late=True)
def _moment_shares(first, last, squares, x, scratch, size):
    """The sums of shares first..last."""
    means, shares = _constant(scratch, 0 * first, size), _shares(x)
    for one in range(first, last):
        part, total = _sums(scratch, one, 0 * first, size), _totals(scratch, one, 0 * first, size)
        part[:] = 0
        total[:] = 0
        begin, end = share(one, shares, x.size, TERMS * size)
        for top in range(begin, end, TERMS * size):
            for at in range(top, min(top + TERMS * size, end), size):
                row = vector(x, at, min(size, end - at))
                if squares > 0:
                    for j in range(row.size):
                        part[j] = fma(row[j] - means[j], row[j] - means[j], part[j])
                else:
                    for j in range(row.size):
                        part[j] += row[j]
            _join(total, part)


@kernel(parallel=True, late=True)
def _moment_parallel(parts, squares, x, scratch, size):
    shares = _shares(x)
    for part in prange(parts):
        _moment_shares(part * shares // parts, (part + 1) * shares // parts, squares, x, scratch, size)
        part_done()


@kernel(inlined=True)
def _moment(found, squares, x, scratch, size):
    """found (C,) = the mean of x, or, with the means among the constants, of its squares."""
    threads, shares = min(_threads(x), _shares(x)), _shares(x)
    if threads > 1 and take_pool():
        _moment_parallel(threads, squares, x, scratch, size)
        release_pool()
    else:
        _moment_shares(0 * shares, shares, squares, x, scratch, size)
    _fold(found, scratch, 0 * shares, shares, size, found.size / x.size)


@kernel(late=True)
def batch_statistics(mean, variance, x, scratch):
    """Overwrites mean and variance by those of x."""
    size = wide(mean.size)
    _moment(mean, 0 * size, x, scratch, size)
    _repeat(_constant(scratch, 0 * size, size), mean)
    _moment(variance, 1 + 0 * size, x, scratch, size)


# The values


@kernel(inlined=True)
def _inverse(variance, epsilon):
    return type(variance)(1 / math.sqrt(variance + epsilon))


@kernel(late=True)
def _values(first, last, y, x, scratch, size):
    """Elements first..last, by the constants."""
    means, scales = _constant(scratch, 0 * size, size), _constant(scratch, 1, size)
    shifts = _constant(scratch, 2, size)
    for at in range(first, last, size):
        row, out = vector(x, at, min(size, last - at)), vector(y, at, min(size, last - at))
        for j in range(row.size):
            out[j] = fma(row[j] - means[j], scales[j], shifts[j])


@kernel(parallel=True, late=True)
def _values_parallel(parts, y, x, scratch, size):
    for part in prange(parts):
        first, last = share(part, parts, x.size, size)
        _values(first, last, y, x, scratch, size)
        part_done()


@kernel(late=True)
def batch_norm(y, x, mean, variance, w, b, epsilon, scratch):
    """Overwrites y by x with a given mean and variance. Rows are independent."""
    channels = mean.size
    size = wide(channels)
    scales = _constant(scratch, 1, size)
    _repeat(_constant(scratch, 0 * size, size), mean)
    _repeat(_constant(scratch, 2, size), b)
    for c in range(channels):
        scale = _inverse(variance[c], epsilon) * w[c]
        for at in range(c, size, channels):
            scales[at] = scale
    threads = _threads(x)
    if threads > 1 and take_pool():
        _values_parallel(threads, y, x, scratch, size)
        release_pool()
    else:
        _values(0 * size, x.size, y, x, scratch, size)


# The gradients of w and b


@kernel(late=True)
def _slope_shares(first, last, dy, x, scratch, size):
    """The sums of shares first..last: of dy, and of dy (x - mean)."""
    means, shares = _constant(scratch, 0 * first, size), _shares(x)
    for one in range(first, last):
        part, total = _sums(scratch, one, 0 * first, size), _totals(scratch, one, 0 * first, size)
        slopes, total_slopes = _sums(scratch, one, 1, size), _totals(scratch, one, 1, size)
        for each in (part, slopes):
            each[:] = 0
        for each in (total, total_slopes):
            each[:] = 0
        begin, end = share(one, shares, x.size, TERMS * size)
        for top in range(begin, end, TERMS * size):
            for at in range(top, min(top + TERMS * size, end), size):
                row, up = vector(x, at, min(size, end - at)), vector(dy, at, min(size, end - at))
                for j in range(row.size):
                    part[j] += up[j]
                    slopes[j] = fma(up[j], row[j] - means[j], slopes[j])
            _join(total, part)
            _join(total_slopes, slopes)


@kernel(parallel=True, late=True)
def _slope_parallel(parts, dy, x, scratch, size):
    shares = _shares(x)
    for part in prange(parts):
        _slope_shares(part * shares // parts, (part + 1) * shares // parts, dy, x, scratch, size)
        part_done()


@kernel(late=True)
def batch_norm_gradient(dw, db, dy, x, mean, variance, epsilon, scratch):
    """Overwrites dw and db."""
    size, shares = wide(mean.size), _shares(x)
    _repeat(_constant(scratch, 0 * size, size), mean)
    threads = min(_threads(x), shares)
    if threads > 1 and take_pool():
        _slope_parallel(threads, dy, x, scratch, size)
        release_pool()
    else:
        _slope_shares(0 * shares, shares, dy, x, scratch, size)
    _fold(db, scratch, 0 * shares, shares, size, 1.0)
    _fold(dw, scratch, 1, shares, size, 1.0)
    for c in range(mean.size):
        dw[c] *= _inverse(variance[c], epsilon)


# The gradient of x


@kernel(late=True)
def _inward(first, last, dx, dy, x, scratch, size):
    """Elements first..last, by the constants."""
    means, scales = _constant(scratch, 0 * size, size), _constant(scratch, 1, size)
    slopes, shifts = _constant(scratch, 2, size), _constant(scratch, 3, size)
    for at in range(first, last, size):
        row, up = vector(x, at, min(size, last - at)), vector(dy, at, min(size, last - at))
        out = vector(dx, at, row.size)
        for j in range(row.size):
            out[j] = (up[j] - shifts[j] - (row[j] - means[j]) * slopes[j]) * scales[j]


@kernel(parallel=True, late=True)
def _inward_parallel(parts, dx, dy, x, scratch, size):
    for part in prange(parts):
        first, last = share(part, parts, x.size, size)
        _inward(first, last, dx, dy, x, scratch, size)
        part_done()


@kernel(late=True)
def batch_norm_inward(dx, dy, x, mean, variance, w, dw, db, rows, epsilon, scratch):
    """Overwrites dx; dw, db: of these rows, `rows` of them, or 0 where mean and variance are others'."""
    number, channels = dx.dtype.type, mean.size
    size = wide(channels)
    scales, slopes, shifts = _constant(scratch, 1, size), _constant(scratch, 2, size), _constant(scratch, 3, size)
    _repeat(_constant(scratch, 0 * size, size), mean)
    part = number(1 / rows if rows > 0 else 0.0)
    for c in range(channels):
        inverse = _inverse(variance[c], epsilon)
        for at in range(c, size, channels):
            scales[at] = inverse * w[c]
            slopes[at] = inverse * dw[c] * part if rows > 0 else part
            shifts[at] = db[c] * part if rows > 0 else part
    threads = _threads(x)
    if threads > 1 and take_pool():
        _inward_parallel(threads, dx, dy, x, scratch, size)
        release_pool()
    else:
        _inward(0 * size, x.size, dx, dy, x, scratch, size)


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
