"""The gradient of the weight of a convolution; letters and arrays are those of fastnn.kernels.convolution."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.depthwise import depthwise_gradient
from fastnn.kernels.convolution.sizes import depth_of, is_depthwise, is_plain, weight_size
from fastnn.kernels.convolution.stripes import product, threads_of
from fastnn.kernels.residual import add, copy
from fastnn.simd.few_rows import column_sums
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import vector

# Images whose part of a weight's gradient is one sum, and how many such sums there is room for.
IMAGES, SUMS = 8, 8


@kernel(inlined=True)
def _gradient_of_row(dw, dw_at, adds, image, k, dy, x, of):
    """dw[k] of an image, or added to what is there."""
    depth, filters = depth_of(of), of.filters // of.groups
    pixels, row = of.width * of.channels, of.columns * of.filters
    x_at, dy_at = (image * of.height + k * of.spread_down) * pixels, image * of.places * row
    step, further = of.across * of.channels, of.down * pixels
    if is_depthwise(of):
        depthwise_gradient(dw, dw_at, adds, dy, dy_at, x, x_at, of)
        return
    if is_plain(of):
        terms = of.window_width * depth
        product(terms, filters, dw, dw_at, filters, dw, dw_at if adds else -1, filters, x, x_at, 1, step, dy, dy_at,
                 filters, of.columns, of.places, further, row)  # fmt: skip
        return
    for c in range(of.window_width):
        for group in range(of.groups):
            at = dw_at + c * depth * of.filters + group * filters
            product(depth, filters, dw, at, of.filters, dw, at if adds else -1, of.filters, x,
                     x_at + c * of.spread_across * of.channels + group * depth, 1, step, dy, dy_at + group * filters,
                     of.filters, of.columns, of.places, further, row)  # fmt: skip


@kernel(late=True)
def _sums(first, last, begin, sums, dy, x, of):
    """Of the sums that begin at image `begin`, the rows of windows first..last, each sum to its place."""
    weights, under = weight_size(of), of.window_width * depth_of(of) * of.filters
    for unit in range(first, last):
        number, k = unit // of.window_height, unit % of.window_height
        image = begin + number * IMAGES
        for b in range(image, min(image + IMAGES, of.images)):
            _gradient_of_row(sums, number * weights + k * under, b > image, b, k, dy, x, of)


@kernel(parallel=True, late=True)
def _sums_parallel(parts, units, begin, sums, dy, x, of):
    for part in prange(parts):
        _sums(part * units // parts, (part + 1) * units // parts, begin, sums, dy, x, of)
        part_done()


@kernel
def gradient_scratch(of):
    """Elements of scratch for `convolution_gradient`."""
    return min(SUMS, (of.images + IMAGES - 1) // IMAGES) * weight_size(of)


@kernel(late=True)
def convolution_gradient(dw, db, dy, x, scratch, of):
    """Overwrites dw, db and scratch (see gradient_scratch); x has its border."""
    zero = 0 * of.images
    sums = vector(scratch, zero, gradient_scratch(of))
    for begin in range(zero, of.images, SUMS * IMAGES):
        count = min(SUMS, (of.images - begin + IMAGES - 1) // IMAGES)
        units = count * of.window_height
        parts = threads_of(units, of)
        if parts > 1 and take_pool():
            _sums_parallel(parts, units, begin, sums, dy, x, of)
            release_pool()
        else:
            _sums(zero, units, begin, sums, dy, x, of)
        for k in range(count):
            one = vector(sums, k * dw.size, dw.size)
            if begin == 0 and k == 0:
                copy(dw, one)
            else:
                add(dw, dw, one)
    column_sums(db, dy, of.filters, of.images * of.places * of.columns, db.size)
