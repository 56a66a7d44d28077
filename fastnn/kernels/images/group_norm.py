"""Group norm: groups of channels of each image by themselves brought to one scale, over all places.

    B images   P places   C channels   G groups of C / G channels that are next to each other   I = P C / G of a group
    x, y, normal (B, P C)   inverse (B, G)   w, b (C,) or (0,)   and a gradient of the same shape beside each

    normal = (x - mean) / sqrt(variance + epsilon), both of a group, the variance over all I (not I - 1)
    y = normal * w + b, of empty w and b normal

Of one group it is layer norm over all axes with weights of channels, of as many as channels instance norm. Channels are
last, so that a group is P runs of C / G numbers; one group is one run. Means are summed in float64, run after run. The
backward pass is that of fastnn.kernels.norm with the means of a group. Wu & He 2018; Ulyanov, Vedaldi & Lempitsky 2016.
Reference: fastnn.reference.images.group_norm.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.kernels.norm import norm_gradient
from fastnn.kernels.residual import copy
from fastnn.simd.rows import row_dot, row_sum
from fastnn.simd.scalar import fma
from fastnn.simd.views import flat, matrix, vector


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
def _normalise(normal, x, first, runs, length, apart, epsilon):
    """Overwrites a group of normal; returns what it was multiplied by."""
    number, n = normal.dtype.type, runs * length
    mean = _sum(x, first, runs, length, apart) / n
    for k in range(runs):
        for j in range(first + k * apart, first + k * apart + length):
            normal[j] = number(x[j] - mean)
    # What rounding left of the mean; all of it where a group is constant, which so becomes 0.
    rest = _sum(normal, first, runs, length, apart) / n
    inverse = number(1 / math.sqrt(_dot(normal, normal, first, runs, length, apart) / n - rest * rest + epsilon))
    rest = number(rest)
    for k in range(runs):
        for j in range(first + k * apart, first + k * apart + length):
            normal[j] = (normal[j] - rest) * inverse
    return inverse


@kernel
def group_norm_forward(y, normal, inverse, x, w, b, channels, groups, epsilon):
    """Overwrites y, normal and inverse. Images are independent."""
    images, size = x.shape
    runs, length, apart = _runs(size, channels, groups)
    for i in range(images):
        row, source = vector(flat(normal), i * size, size), vector(flat(x), i * size, size)
        for g in range(groups):
            inverse[i, g] = _normalise(row, source, g * (channels // groups), runs, length, apart, epsilon)
        target = vector(flat(y), i * size, size)
        if w.size == 0:
            copy(target, row)
            continue
        for first in range(0 * size, size, channels):
            for c in range(channels):
                target[first + c] = fma(row[first + c], w[c], b[c])


@kernel
def group_norm_inward(dx, dy, normal, inverse, w, channels, groups):
    """Overwrites dx; dy stays as it is. Images are independent."""
    images, size = dx.shape
    number = dx.dtype.type
    runs, length, apart = _runs(size, channels, groups)
    for i in range(images):
        target, slopes = vector(flat(dx), i * size, size), vector(flat(dy), i * size, size)
        row = vector(flat(normal), i * size, size)
        for first in range(0 * size, size, channels):
            for c in range(channels):
                target[first + c] = slopes[first + c] * w[c] if w.size > 0 else slopes[first + c]
        for g in range(groups):
            first = g * (channels // groups)
            mean = number(_sum(target, first, runs, length, apart) / (runs * length))
            slope = number(_dot(target, row, first, runs, length, apart) / (runs * length))
            for k in range(runs):
                for j in range(first + k * apart, first + k * apart + length):
                    target[j] = (target[j] - mean - row[j] * slope) * inverse[i, g]


@kernel
def group_norm_gradient(dw, db, dy, normal):
    """Overwrites dw and db, on one thread."""
    images, size = dy.shape
    places = images * size // dw.size
    norm_gradient(dw, db, matrix(flat(dy), 0 * size, places, dw.size), matrix(flat(normal), 0 * size, places, dw.size))
