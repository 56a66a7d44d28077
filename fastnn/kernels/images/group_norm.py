"""Group norm: groups of channels of each image by themselves brought to one scale, over all places.

    B images   P places   C channels   G groups of C / G channels that are next to each other   I = P C / G of a group
    x, y, normal (B, P C)   inverse (B, G)   w, b (C,) or (0,)   and a gradient of the same shape beside each

    normal = (x - mean) / sqrt(variance + epsilon), both of a group, the variance over all I (not I - 1)
    y = normal * w + b, of empty w and b normal

Of one group it is layer norm over all axes with weights of channels, of as many as channels instance norm. Channels are
last, so that a group is P runs of C / G numbers; one group is one run. Means are summed in float64: those of short runs
channel by channel, each place after place, those of long ones run after run. The backward pass is that of
fastnn.kernels.norm with the means of a group. Wu & He 2018; Ulyanov, Vedaldi & Lempitsky 2016. Reference:
fastnn.reference.images.group_norm.
"""

from __future__ import annotations

import math

import numpy as np

from fastnn.compiler.jit import kernel
from fastnn.kernels.images.scale import scale_inward
from fastnn.kernels.norm import norm_gradient
from fastnn.kernels.residual import copy
from fastnn.simd.rows import row_dot, row_sum
from fastnn.simd.scalar import fma
from fastnn.simd.views import flat, matrix, on_stack, vector

# Channels whose sums are held at a time. A group of more is summed run by run, and so is one that has all channels. Of
# few that would fill few lanes: 4 took 4.1 ns a number and one 11.2, and channel by channel 1.0 (float32, on a Xeon).
WIDE = 64


@kernel(inlined=True)
def _is_wide(channels, groups):
    """Whether a group is summed by itself, run by run."""
    return groups == 1 or channels // groups > WIDE


@kernel(inlined=True)
def _runs(size, channels, groups):
    """How many runs a group of an image has, how long each is, and how far apart they begin."""
    places, depth = size // channels, channels // groups
    return (1 + 0 * size, size, size) if groups == 1 else (places, depth, channels)


@kernel
def _sum(row, first, runs, length, apart):
    total = 0.0
    for k in range(runs):
        total += row_sum(vector(row, first + k * apart, length))
    return total


@kernel
def _dot(a, b, first, runs, length, apart):
    total = 0.0
    for k in range(runs):
        total += row_dot(vector(a, first + k * apart, length), vector(b, first + k * apart, length))
    return total


@kernel
def _normalise_group(normal, x, first, runs, length, apart, epsilon):
    """Overwrites a group of normal; returns what it was multiplied by."""
    number, n = normal.dtype.type, runs * length
    mean = number(_sum(x, first, runs, length, apart) / n)
    for k in range(runs):
        target, source = vector(normal, first + k * apart, length), vector(x, first + k * apart, length)
        for j in range(length):
            target[j] = source[j] - mean
    # What rounding left of the mean; all of it where a group is constant, which so becomes 0.
    rest = _sum(normal, first, runs, length, apart) / n
    inverse = number(1 / math.sqrt(_dot(normal, normal, first, runs, length, apart) / n - rest * rest + epsilon))
    rest = number(rest)
    for k in range(runs):
        target = vector(normal, first + k * apart, length)
        for j in range(length):
            target[j] = (target[j] - rest) * inverse
    return inverse


@kernel(inlined=True)
def _total(sums, first, depth):
    total = 0.0
    for j in range(first, first + depth):
        total += sums[j]
    return total


@kernel
def _normalise_channels(normal, x, inverse, first, width, depth, channels, epsilon):
    """Overwrites the channels first..first+width of normal, and inverse of their groups: _normalise_group of each."""
    number, places = normal.dtype.type, x.size // channels
    n = places * depth
    sums, squares = on_stack(WIDE, 0.0), on_stack(WIDE, 0.0)
    means, factors = on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    for j in range(width):
        sums[j] = 0
    for p in range(places):
        source = vector(x, p * channels + first, width)
        for j in range(width):
            sums[j] += source[j]
    for k in range(0 * width, width, depth):
        mean = number(_total(sums, k, depth) / n)
        for j in range(k, k + depth):
            means[j], sums[j], squares[j] = mean, 0, 0
    for p in range(places):
        source, target = vector(x, p * channels + first, width), vector(normal, p * channels + first, width)
        for j in range(width):
            target[j] = source[j] - means[j]
            sums[j] += target[j]
            squares[j] += np.float64(target[j]) * np.float64(target[j])
    for k in range(0 * width, width, depth):
        rest = _total(sums, k, depth) / n
        factor = number(1 / math.sqrt(_total(squares, k, depth) / n - rest * rest + epsilon))
        inverse[k // depth] = factor
        for j in range(k, k + depth):
            means[j], factors[j] = number(rest), factor
    for p in range(places):
        target = vector(normal, p * channels + first, width)
        for j in range(width):
            target[j] = (target[j] - means[j]) * factors[j]


@kernel
def group_norm_forward(y, normal, inverse, x, w, b, channels, groups, epsilon):
    """Overwrites y, normal and inverse. Images are independent."""
    images, size = x.shape
    depth, (runs, length, apart) = channels // groups, _runs(size, channels, groups)
    together = depth if _is_wide(channels, groups) else WIDE // depth * depth
    for i in range(images):
        row, source = vector(flat(normal), i * size, size), vector(flat(x), i * size, size)
        for first in range(0 * size, channels, together):
            factors = vector(flat(inverse), i * groups + first // depth, min(together, channels - first) // depth)
            if _is_wide(channels, groups):
                factors[0] = _normalise_group(row, source, first, runs, length, apart, epsilon)
            else:
                _normalise_channels(row, source, factors, first, factors.size * depth, depth, channels, epsilon)
        target = vector(flat(y), i * size, size)
        if w.size == 0:
            copy(target, row)
            continue
        for first in range(0 * size, size, channels):
            scaled, part = vector(target, first, channels), vector(row, first, channels)
            for c in range(channels):
                scaled[c] = fma(part[c], w[c], b[c])


@kernel
def _group_inward(dx, normal, factor, first, runs, length, apart):
    """dx = factor * (dx - mean dx - normal * mean(dx normal)) of a group."""
    number = dx.dtype.type
    mean = number(_sum(dx, first, runs, length, apart) / (runs * length))
    slope = number(_dot(dx, normal, first, runs, length, apart) / (runs * length))
    for k in range(runs):
        target, part = vector(dx, first + k * apart, length), vector(normal, first + k * apart, length)
        for j in range(length):
            target[j] = (target[j] - mean - part[j] * slope) * factor


@kernel
def _channels_inward(dx, normal, inverse, first, width, depth, channels):
    """_group_inward of the groups of the channels first..first+width."""
    number, places = dx.dtype.type, dx.size // channels
    n = places * depth
    sums, dots = on_stack(WIDE, 0.0), on_stack(WIDE, 0.0)
    means, slopes, factors = on_stack(WIDE, number(0)), on_stack(WIDE, number(0)), on_stack(WIDE, number(0))
    for j in range(width):
        sums[j], dots[j] = 0, 0
    for p in range(places):
        target, part = vector(dx, p * channels + first, width), vector(normal, p * channels + first, width)
        for j in range(width):
            sums[j] += target[j]
            dots[j] += np.float64(target[j]) * np.float64(part[j])
    for k in range(0 * width, width, depth):
        mean, slope = number(_total(sums, k, depth) / n), number(_total(dots, k, depth) / n)
        for j in range(k, k + depth):
            means[j], slopes[j], factors[j] = mean, slope, inverse[k // depth]
    for p in range(places):
        target, part = vector(dx, p * channels + first, width), vector(normal, p * channels + first, width)
        for j in range(width):
            target[j] = (target[j] - means[j] - part[j] * slopes[j]) * factors[j]


@kernel
def group_norm_inward(dx, dy, normal, inverse, w, channels, groups):
    """Overwrites dx; dy stays as it is. Images are independent."""
    images, size = dx.shape
    depth, (runs, length, apart) = channels // groups, _runs(size, channels, groups)
    together = depth if _is_wide(channels, groups) else WIDE // depth * depth
    for i in range(images):
        target, row = vector(flat(dx), i * size, size), vector(flat(normal), i * size, size)
        slopes = vector(flat(dy), i * size, size)
        if w.size == 0:
            copy(target, slopes)
        else:
            scale_inward(matrix(target, 0 * size, size // channels, channels),
                         matrix(slopes, 0 * size, size // channels, channels), w)  # fmt: skip
        for first in range(0 * size, channels, together):
            factors = vector(flat(inverse), i * groups + first // depth, min(together, channels - first) // depth)
            if _is_wide(channels, groups):
                _group_inward(target, row, factors[0], first, runs, length, apart)
            else:
                _channels_inward(target, row, factors, first, factors.size * depth, depth, channels)


@kernel
def group_norm_gradient(dw, db, dy, normal):
    """Overwrites dw and db, on one thread."""
    images, size = dy.shape
    places = images * size // dw.size
    norm_gradient(dw, db, matrix(flat(dy), 0 * size, places, dw.size), matrix(flat(normal), 0 * size, places, dw.size))
