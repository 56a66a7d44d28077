"""The gradient of the images of a convolution; letters and arrays are those of fastnn.kernels.convolution."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.depthwise import depthwise_inward
from fastnn.kernels.convolution.sizes import common_divisor, depth_of, is_depthwise, meeting, weight_size
from fastnn.kernels.convolution.stripes import product, threads_of
from fastnn.kernels.residual import copy
from fastnn.simd.pack import transpose_block
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import vector
from fastnn.simd.windows import fold


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
            product(of.columns, under, room, 0 * r, under, room, -1, 0 * r, dy, dy_at + group * filters, of.filters, 1,
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
    parts = min(threads_of(units, of), rooms.size // needed)
    if parts > 1 and take_pool():
        _inward_parallel(parts, units, dx, dy, turned, rooms, needed, of, sides, padding)
        release_pool()
    else:
        _inward_rows(0 * units, units, dx, dy, turned, vector(rooms, 0 * units, needed), of, sides, padding)
