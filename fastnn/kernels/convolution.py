"""Convolution of images, channels last: y = x * w + b, a window of x times w at each place.

    B images   H x W pixels, with their border   C channels, in G groups of D   KH x KW a window   P x Q places of it
    O filters, in G groups
    x (B, H, W, C)   w (KH, KW, D, O)   b (O,) or (0,)   y (B, P, Q, O)   and a gradient of the same shape beside each

    y[p, q] = b + sum over kh, kw of x[p down + kh spread_down, q across + kw spread_across] @ w[kh, kw]

of the channels of a filter's group alone. A row of y is one product, of rows of x in which window q begins `across`
pixels behind window q - 1, and of w: its terms lie in KH segments, KW D numbers each. No window is copied; register
tiles read x with that step. Backward a row of dx is one product, too: rows of dy, and w with its channels last, make
what each window has of dx, (Q, KW D), and where windows overlap that is added up. So dx takes the multiply-adds of the
forward pass, whatever the stride. dw is summed over IMAGES images at a time, whose sums are added in order: the bits
are the same for any number of threads, who share rows of images.
Arrays are flat. Reference: fastnn.reference.convolution.
"""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.kernels.windows.depthwise import depthwise_forward, depthwise_gradient, depthwise_inward
from fastnn.kernels.windows.sizes import common_divisor, depth_of, is_depthwise, is_plain, meeting, weight_size
from fastnn.products.blocks import VECTOR_BYTES, stripe_width
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.few_rows import column_sums
from fastnn.simd.pack import transpose_block
from fastnn.simd.pool import part_done, release_pool, take_pool, thread_count
from fastnn.simd.views import vector
from fastnn.simd.windows import fold, windows

# Images whose part of a weight's gradient is one sum, and how many such sums there is room for.
IMAGES, SUMS = 8, 8


@kernel
def place_in_border(bordered, x, images, outer, sides, padding, channels):
    """bordered (B, *outer, C) = x (B, *sides, C) in zeros, from the pixel `padding` on."""
    height, width = sides
    top, left = padding
    row, inner = outer[1] * channels, width * channels
    for b in range(images):
        at = b * outer[0] * row
        for h in range(outer[0]):
            target = vector(bordered, at + h * row, row)
            if h < top or h >= top + height:
                target[:] = 0
                continue
            for j in range(left * channels):
                target[j] = 0
            copy(vector(target, left * channels, inner), vector(x, (b * height + h - top) * inner, inner))
            for j in range(left * channels + inner, row):
                target[j] = 0


@kernel(inlined=True)
def _threads(units, of):
    macs = of.images * of.places * of.columns * weight_size(of)
    return min(thread_count(), units) if macs >= PARALLEL_MACS else 1


@kernel
def _product(rows, columns, y, y_at, ldy, begin, begin_at, ldb, x, x_at, row_x, column_x, w, w_at, ldw, k, segments,
             segment_x, segment_w):  # fmt: skip
    """`windows` of any number of columns."""
    lanes = VECTOR_BYTES // y.itemsize
    j = 0 * columns
    while j < columns:
        width = stripe_width(columns - j, lanes)
        windows(rows, width, y, y_at + j, ldy, begin, begin_at + j if begin_at >= 0 else -1, ldb, x, x_at, row_x,
                column_x, w, w_at + j, ldw, k, segments, segment_x, segment_w)  # fmt: skip
        j += width


# Forward


@kernel(late=True)
def _forward_rows(first, last, y, x, w, b, of):
    """Rows first..last of the places of all images."""
    depth, filters = depth_of(of), of.filters // of.groups
    row, pixels, step = of.columns * of.filters, of.width * of.channels, of.across * of.channels
    under = of.window_width * depth * of.filters
    start = 0 * first if b.size > 0 else 0 * first - 1
    for r in range(first, last):
        x_at = (r // of.places * of.height + r % of.places * of.down) * pixels
        if is_depthwise(of):
            depthwise_forward(r, y, x, x_at, w, b, of)
            continue
        if is_plain(of):
            _product(of.columns, filters, y, r * row, filters, b, start, 0 * first, x, x_at, step, 1, w, 0 * first,
                     filters, of.window_width * depth, of.window_height, of.spread_down * pixels, under)  # fmt: skip
            continue
        for group in range(of.groups):
            at = group * filters
            for k in range(of.window_height):
                begin, begin_at, ldb = (b, start + at if start >= 0 else start, 0 * first) if k == 0 else (
                    y, r * row + at, of.filters)  # fmt: skip
                _product(of.columns, filters, y, r * row + at, of.filters, begin, begin_at, ldb, x,
                         x_at + k * of.spread_down * pixels + group * depth, step, 1, w, k * under + at, of.filters,
                         depth, of.window_width, of.spread_across * of.channels, depth * of.filters)  # fmt: skip


@kernel(parallel=True, late=True)
def _forward_parallel(parts, units, y, x, w, b, of):
    for part in prange(parts):
        _forward_rows(part * units // parts, (part + 1) * units // parts, y, x, w, b, of)
        part_done()


@kernel(late=True)
def convolution_forward(y, x, w, b, of):
    """Overwrites y; x has its border. Rows of places are independent, and threads share them."""
    units = of.images * of.places
    parts = _threads(units, of)
    if parts > 1 and take_pool():
        _forward_parallel(parts, units, y, x, w, b, of)
        release_pool()
    else:
        _forward_rows(0 * units, units, y, x, w, b, of)


# The gradient of the images


@kernel(late=True)
def _inward_rows(first, last, dx, dy, turned, room, of, sides, padding):
    """Rows first..last of the pixels of all images, without their border. room: for (Q, KW D)."""
    depth, filters = depth_of(of), of.filters // of.groups
    under, row = of.window_width * depth, of.columns * of.filters
    down, across = common_divisor(of.down, of.spread_down), common_divisor(of.across, of.spread_across)
    next_place, next_row = of.spread_down // down, of.down // down
    # From a window to the one that has the same pixel next: it lies before it.
    apart = of.across // across * depth - of.spread_across // across * under
    for r in range(first, last):
        image, h = r // sides[0], r % sides[0] + padding[0]
        k, count = meeting(h, of.window_height, of.places, of.down, of.spread_down)
        if count == 0:
            vector(dx, r * sides[1] * of.channels, sides[1] * of.channels)[:] = 0
            continue
        dy_at = (image * of.places + (h - k * of.spread_down) // of.down) * row
        if is_depthwise(of):
            depthwise_inward(r, dx, dy, dy_at, turned, k, count, of, sides, padding)
            continue
        for group in range(of.groups):
            _product(of.columns, under, room, 0 * r, under, room, -1, 0 * r, dy, dy_at + group * filters, of.filters, 1,
                     turned, (k * of.filters + group * filters) * under, under, filters, count, -next_place * row,
                     next_row * of.filters * under)  # fmt: skip
            for v in range(sides[1]):
                at = v + padding[1]
                c, times = meeting(at, of.window_width, of.columns, of.across, of.spread_across)
                column = (at - c * of.spread_across) // of.across if of.across > 1 else at - c * of.spread_across
                fold(dx, (r * sides[1] + v) * of.channels + group * depth, room, column * under + c * depth, apart,
                     times, depth)  # fmt: skip


@kernel(parallel=True, late=True)
def _inward_parallel(parts, units, dx, dy, turned, rooms, needed, of, sides, padding):
    for part in prange(parts):
        room = vector(rooms, part * needed, needed)
        _inward_rows(part * units // parts, (part + 1) * units // parts, dx, dy, turned, room, of, sides, padding)
        part_done()


@kernel(inlined=True)
def _room(of):
    """Elements of what the windows of a row have of the pixels under them."""
    return of.columns * of.window_width * depth_of(of)


@kernel
def inward_scratch(of, threads):
    """Elements of scratch for `convolution_inward`."""
    return weight_size(of) + _room(of) * threads


@kernel(late=True)
def convolution_inward(dx, dy, w, scratch, of, sides, padding):
    """Overwrites dx, of images without their border, and scratch (see inward_scratch). Rows of pixels are independent,
    and threads share them."""
    units, size, needed = of.images * sides[0], weight_size(of), _room(of)
    turned, rooms = vector(scratch, 0 * units, size), vector(scratch, size, scratch.size - size)
    under = of.window_width * depth_of(of)
    if is_depthwise(of):
        copy(turned, w)
    for k in range(0 if is_depthwise(of) else of.window_height):
        at = k * under * of.filters
        transpose_block(turned, at, under, w, at, of.filters, under, of.filters)
    parts = min(_threads(units, of), rooms.size // needed)
    if parts > 1 and take_pool():
        _inward_parallel(parts, units, dx, dy, turned, rooms, needed, of, sides, padding)
        release_pool()
    else:
        _inward_rows(0 * units, units, dx, dy, turned, vector(rooms, 0 * units, needed), of, sides, padding)


# The gradient of the weight


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
        _product(terms, filters, dw, dw_at, filters, dw, dw_at if adds else -1, filters, x, x_at, 1, step, dy, dy_at,
                 filters, of.columns, of.places, further, row)  # fmt: skip
        return
    for c in range(of.window_width):
        for group in range(of.groups):
            at = dw_at + c * depth * of.filters + group * filters
            _product(depth, filters, dw, at, of.filters, dw, at if adds else -1, of.filters, x,
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
        parts = _threads(units, of)
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
