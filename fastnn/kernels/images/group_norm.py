"""Group norm: groups of channels of each image by themselves brought to one scale, over all places.

    B images   P places   C channels   G groups of C / G channels that are next to each other   N = P C / G of a group
    x, y (B, P C)   w, b (C,) or (0,)   and a gradient of the same shape beside each
    statistics (B, 5 G): of each group a mean, the rest of it, inverse = 1 / sqrt(variance + epsilon), tilt and shift
    slopes (B, 2 C): what an image adds to db, and to dw

    normal = (x - mean - rest) * inverse, the variance that of all N (not N - 1)
    y = normal * w + b, of empty w and b normal

    dx = inverse * (dy * w - mean(dy * w) - normal * mean(dy * w * normal)), the means those of a group, which is
         inverse * dy * w + tilt * (x - mean) + shift
    dw = sum over images and places of dy * normal    db = sum of dy

Of one group it is layer norm over all axes with weights of channels, of as many as channels instance norm. Channels are
last: sums are those of columns (fastnn.simd.moments), and groups add up those of theirs. The mean is that of the first
quarter of the places, and the rest is summed with the squares of the differences: so x is read twice, and a mean far
above the deviation costs no digit. The square of the rest is at most 3 times the variance, whatever x is; what it takes
from the sum of the squares is 2 bits at most. Squares are of x's type: float32 has none of differences above 1e18.
Wu & He 2018; Ulyanov, Vedaldi & Lempitsky 2016. Reference: fastnn.reference.images.group_norm.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.simd.few_rows import column_sums
from fastnn.simd.moments import column_moments, column_products
from fastnn.simd.rows import row_dot, row_sum
from fastnn.simd.scalar import fma
from fastnn.simd.views import flat, on_stack, vector

# Channels at a time, whose factors lie on the stack; elements of a row of sums, several places side by side where
# channels are fewer, since these would fill few lanes.
WIDE, NARROW = 256, 64


@kernel(inlined=True, views=True)
def _of_image(values, i, size):
    return vector(flat(values), i * size, size)


@kernel(inlined=True)
def _together(channels, places, most):
    """Places that lie side by side in a row of at most so many elements, if one fits."""
    return min(max(1, most // channels), places)


@kernel(inlined=True)
def _repeat(values, width, together):
    """As often as places lie side by side."""
    for k in range(1, together):
        copy(vector(values, k * width, width), vector(values, 0 * width, width))


@kernel(inlined=True)
def _fold(out, values, together):
    """out = what the places that lie side by side have of each channel."""
    copy(out, vector(values, 0 * together, out.size))
    for k in range(1, together):
        add(out, out, vector(values, k * out.size, out.size))


@kernel(inlined=True)
def _spread(out, values, first, depth):
    """out = the values of the groups of the channels from the first on."""
    g, left = first // depth, depth - first % depth
    for c in range(out.size):
        out[c] = values[g]
        left -= 1
        if left == 0:
            g, left = g + 1, depth


@kernel
def _first_means(statistics, sums, x, channels, groups):
    """Overwrites the means by those of a quarter of the places, and sums."""
    depth, places = channels // groups, (x.size // channels + 3) // 4
    column_sums(sums, x, channels, places, channels)
    for g in range(groups):
        statistics[g] = x.dtype.type(row_sum(vector(sums, g * depth, depth)) / (places * depth))


@kernel
def _products(sums, products, u, x, means, channels, groups):
    """Overwrites the sums over all places of u, and of u * (x - means), of each channel; u is x - means where empty."""
    number, places, depth = x.dtype.type, x.size // channels, channels // groups
    together = _together(channels, places, NARROW)
    rows, apart = places // together, channels * together
    found, more, centre = on_stack(WIDE, number(0)), on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    for first in range(0, channels, WIDE):
        width = min(WIDE, channels - first)
        n = width * together
        _spread(vector(centre, 0 * width, width), means, first, depth)
        _repeat(centre, width, together)
        if u.size == 0:
            column_moments(found, more, x, first, centre, apart, rows, n)
        else:
            column_products(found, more, u, first, x, first, centre, apart, rows, n)
        for at in range(rows * apart, x.size):
            j = at - rows * apart
            term = x[at] - centre[j]
            factor = term if u.size == 0 else u[at]
            found[j] += factor
            more[j] = fma(factor, term, more[j])
        _fold(vector(sums, first, width), found, together)
        _fold(vector(products, first, width), more, together)


@kernel
def _statistics(statistics, slopes, x, channels, groups, epsilon):
    """Overwrites the statistics of an image; slopes is room for sums."""
    number, n, depth = x.dtype.type, x.size // groups, channels // groups
    sums, squares = vector(slopes, 0 * channels, channels), vector(slopes, channels, channels)
    _first_means(statistics, sums, x, channels, groups)
    _products(sums, squares, vector(x, 0 * n, 0 * n), x, statistics, channels, groups)
    for g in range(groups):
        rest = row_sum(vector(sums, g * depth, depth)) / n
        variance = max(row_sum(vector(squares, g * depth, depth)) / n - rest * rest, 0.0)
        statistics[groups + g] = number(rest)
        statistics[2 * groups + g] = number(1 / math.sqrt(variance + epsilon))


@kernel
def _normalise(y, x, statistics, w, b, channels, groups):
    """Overwrites y of an image."""
    number, depth = x.dtype.type, channels // groups
    together = _together(channels, x.size // channels, WIDE)
    means, rests = on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    scales, shifts = on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    for first in range(0, channels, WIDE):
        width = min(WIDE, channels - first)
        for k, values in enumerate((means, rests, scales)):
            _spread(vector(values, 0 * k, width), vector(statistics, k * groups, groups), first, depth)
        for c in range(width):
            shifts[c] = b[first + c] if w.size > 0 else number(0)
            scales[c] *= w[first + c] if w.size > 0 else number(1)
        for values in (means, rests, scales, shifts):
            _repeat(values, width, together)
        for at in range(first, x.size, channels * together):
            row = vector(x, at, min(width * together, x.size - at))
            out = vector(y, at, row.size)
            for j in range(row.size):
                out[j] = fma(row[j] - means[j] - rests[j], scales[j], shifts[j])


@kernel
def group_norm_forward(y, statistics, slopes, x, w, b, channels, groups, epsilon):
    """Overwrites y and statistics; slopes is room. Images are independent."""
    images, size = x.shape
    for i in range(images):
        source, kept = _of_image(x, i, size), _of_image(statistics, i, 5 * groups)
        _statistics(kept, _of_image(slopes, i, 2 * channels), source, channels, groups, epsilon)
        _normalise(_of_image(y, i, size), source, kept, w, b, channels, groups)


@kernel
def _slopes(slopes, dy, x, statistics, channels, groups):
    """Overwrites the slopes of an image."""
    depth = channels // groups
    sums, products = vector(slopes, 0 * channels, channels), vector(slopes, channels, channels)
    _products(sums, products, dy, x, statistics, channels, groups)
    for g in range(groups):
        rest, inverse = statistics[groups + g], statistics[2 * groups + g]
        for c in range(g * depth, g * depth + depth):
            products[c] = (products[c] - rest * sums[c]) * inverse


@kernel
def group_norm_slopes(slopes, dy, x, statistics, channels, groups):
    """Overwrites slopes. Images are independent."""
    images, size = x.shape
    for i in range(images):
        _slopes(_of_image(slopes, i, 2 * channels), _of_image(dy, i, size), _of_image(x, i, size),
                _of_image(statistics, i, 5 * groups), channels, groups)  # fmt: skip


@kernel(inlined=True)
def _weighted(values, w, first):
    return row_dot(values, vector(w, first, values.size)) if w.size > 0 else row_sum(values)


@kernel
def _tilts(statistics, slopes, w, n, channels, groups):
    """Overwrites tilt and shift of each group of an image, from its slopes."""
    number, depth = statistics.dtype.type, channels // groups
    for g in range(groups):
        total = _weighted(vector(slopes, g * depth, depth), w, g * depth)
        product = _weighted(vector(slopes, channels + g * depth, depth), w, g * depth)
        rest, inverse = statistics[groups + g], statistics[2 * groups + g]
        tilt = -inverse * inverse * (product / n)
        statistics[3 * groups + g] = number(tilt)
        statistics[4 * groups + g] = number(-rest * tilt - inverse * (total / n))


@kernel
def _inward(dx, dy, x, statistics, w, channels, groups):
    """Overwrites dx of an image."""
    number, depth = x.dtype.type, channels // groups
    together = _together(channels, x.size // channels, WIDE)
    means, scales = on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    tilts, shifts = on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    for first in range(0, channels, WIDE):
        width = min(WIDE, channels - first)
        for k, values in ((0, means), (2, scales), (3, tilts), (4, shifts)):
            _spread(vector(values, 0 * k, width), vector(statistics, k * groups, groups), first, depth)
        if w.size > 0:
            for c in range(width):
                scales[c] *= w[first + c]
        for values in (means, scales, tilts, shifts):
            _repeat(values, width, together)
        for at in range(first, x.size, channels * together):
            row = vector(x, at, min(width * together, x.size - at))
            up, out = vector(dy, at, row.size), vector(dx, at, row.size)
            for j in range(row.size):
                out[j] = fma(up[j], scales[j], fma(row[j] - means[j], tilts[j], shifts[j]))


@kernel
def group_norm_inward(dx, slopes, statistics, dy, x, w, channels, groups):
    """Overwrites dx, slopes, tilts and shifts; dy stays as it is. Images are independent."""
    images, size = x.shape
    for i in range(images):
        source, up = _of_image(x, i, size), _of_image(dy, i, size)
        kept, own = _of_image(statistics, i, 5 * groups), _of_image(slopes, i, 2 * channels)
        _slopes(own, up, source, kept, channels, groups)
        _tilts(kept, own, w, size // groups, channels, groups)
        _inward(_of_image(dx, i, size), up, source, kept, w, channels, groups)


@kernel
def group_norm_gradient(dw, db, slopes):
    """Overwrites dw and db, on one thread, by the sums of the slopes of all images."""
    number, channels = dw.dtype.type, dw.size
    for c in range(channels):
        total, product = 0.0, 0.0
        for i in range(slopes.shape[0]):
            total += slopes[i, c]
            product += slopes[i, channels + c]
        db[c], dw[c] = number(total), number(product)
