"""The gradient of the weight of a convolution; letters and arrays are those of fastnn.kernels.convolution."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.depthwise import depthwise_gradient
from fastnn.kernels.convolution.panels import PANEL, PANEL_TERMS, panel_in, rows_of_panel
from fastnn.kernels.convolution.sizes import depth_of, is_depthwise, is_plain, weight_size
from fastnn.kernels.convolution.stripes import product, threads_of
from fastnn.kernels.residual import add, copy
from fastnn.products.blocks import VECTOR_BYTES
from fastnn.simd.few_rows import column_sums
from fastnn.simd.host import VECTORS
from fastnn.simd.pack import copy_block
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import on_stack, vector

# Images whose part of a weight's gradient is one sum, and how many such sums there is room for.
IMAGES, SUMS = 8, 8


@kernel(late=True)
def _of_stripe(dw, dw_at, adds, image, j, width, panel, dy, x, x_at, of):
    """A stripe of a row of windows, of an image. Where rows of dy are wider, its part of a few of them waits in a panel
    for all terms of x."""
    terms, step = of.window_width * of.channels, of.across * of.channels
    further, row = of.down * of.width * of.channels, of.columns * of.filters
    dy_at = image * of.places * row + j
    if width == of.filters:
        product(terms, width, dw, dw_at, width, dw, dw_at if adds else -1, width, x, x_at, 1, step, dy, dy_at, width,
                of.columns, of.places, further, row)  # fmt: skip
        return
    together, most = rows_of_panel(of.columns), min(of.columns, PANEL_TERMS)
    for top in range(0, of.places, together):
        rows = min(together, of.places - top)
        for left in range(0, of.columns, most):  # of one row where it has more places than a panel
            columns = min(most, of.columns - left)
            copy_block(panel, 0, width, dy, dy_at + top * row + left * of.filters, of.filters, rows * columns, width)
            product(terms, width, dw, dw_at + j, of.filters, dw, dw_at + j if adds or top + left > 0 else -1,
                    of.filters, x, x_at + top * further + left * step, 1, step, panel, 0 * image, width, columns, rows,
                    further, columns * width)  # fmt: skip


@kernel(inlined=True)
def _of_groups(dw, dw_at, adds, image, dy, x, x_at, of):
    depth, filters = depth_of(of), of.filters // of.groups
    pixels, row = of.width * of.channels, of.columns * of.filters
    for c in range(of.window_width):
        for group in range(of.groups):
            at = dw_at + c * depth * of.filters + group * filters
            product(depth, filters, dw, at, of.filters, dw, at if adds else -1, of.filters, x,
                    x_at + c * of.spread_across * of.channels + group * depth, 1, of.across * of.channels, dy,
                    image * of.places * row + group * filters, of.filters, of.columns, of.places, of.down * pixels,
                    row)  # fmt: skip


@kernel(late=True)
def _sums(first, last, begin, sums, dy, x, of):
    """Of the sums that begin at image `begin`, stripes first..last of the rows of windows, each sum to its place."""
    panel = panel_in(on_stack(PANEL, dy.dtype.type(0)))
    lanes = VECTOR_BYTES // dy.itemsize
    weights, under, stripes = (
        weight_size(of),
        of.window_width * depth_of(of) * of.filters,
        stripes_of_filters(of, lanes),
    )
    for unit in range(first, last):
        number, k = unit // stripes // of.window_height, unit // stripes % of.window_height
        at, image = number * weights + k * under, begin + number * IMAGES
        j, width = _stripe(unit % stripes, of, lanes)
        for b in range(image, min(image + IMAGES, of.images)):
            x_at = (b * of.height + k * of.spread_down) * of.width * of.channels
            if is_depthwise(of):
                depthwise_gradient(sums, at, b > image, dy, b * of.places * of.columns * of.filters, x, x_at, of)
            elif is_plain(of):
                _of_stripe(sums, at, b > image, b, j, width, panel, dy, x, x_at, of)
            else:
                _of_groups(sums, at, b > image, b, dy, x, x_at, of)


@kernel(inlined=True)
def stripes_of_filters(of, lanes):
    """How many stripes of filters threads share."""
    return (of.filters + VECTORS * lanes - 1) // (VECTORS * lanes) if is_plain(of) else 0 * of.filters + 1


@kernel(inlined=True)
def _stripe(number, of, lanes):
    """Where a stripe begins, and its width: as even as whole vectors allow."""
    stripes, vectors = stripes_of_filters(of, lanes), (of.filters + lanes - 1) // lanes
    begin, end = number * vectors // stripes * lanes, (number + 1) * vectors // stripes * lanes
    return begin, min(end, of.filters) - begin


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
        units = count * of.window_height * stripes_of_filters(of, VECTOR_BYTES // dw.itemsize)
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
