"""The gradient of the images of a convolution; letters and arrays are those of fastnn.kernels.convolution."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.depthwise import depthwise_inward
from fastnn.kernels.convolution.panels import PANEL, WIDTH, is_large, panel_in, rows_together, terms_of_panel
from fastnn.kernels.convolution.sizes import common_divisor, depth_of, is_depthwise, meeting, weight_size
from fastnn.kernels.convolution.stripes import product, threads_of
from fastnn.kernels.residual import copy
from fastnn.products.blocks import VECTOR_BYTES, stripe_width
from fastnn.simd.pack import transpose_block
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import on_stack, vector
from fastnn.simd.windows import fold


@kernel(inlined=True)
def _fold_row(r, dx, room, room_at, channel, channels, rows, of, sides, padding):
    """Row r of dx, so many channels from one on: what the windows of `rows` rows of places have of it, (Q, KW,
    channels), added up."""
    under, across = of.window_width * channels, common_divisor(of.across, of.spread_across)
    # From a window to the one that has the same pixel next: it lies before it.
    apart = of.across // across * channels - of.spread_across // across * under
    for v in range(sides[1]):
        at = v + padding[1]
        c, times = meeting(at, of.window_width, of.columns, of.across, of.spread_across)
        column = (at - c * of.spread_across) // of.across if of.across > 1 else at - c * of.spread_across
        fold(dx, (r * sides[1] + v) * of.channels + channel, room, room_at + column * under + c * channels, apart,
             times if rows > 0 else 0 * times, channels)  # fmt: skip


@kernel(late=True)
def _inward_rows(first, last, dx, dy, turned, room, of, sides, padding):
    """Rows first..last of the pixels of all images, without their border. room: for (Q, KW D)."""
    depth, filters = depth_of(of), of.filters // of.groups
    under, row = of.window_width * depth, of.columns * of.filters
    down = common_divisor(of.down, of.spread_down)
    next_place, next_row = of.spread_down // down, of.down // down
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
            _fold_row(r, dx, room, 0 * r, group * depth, depth, count, of, sides, padding)


@kernel(inlined=True)
def _place_of(h, k, of):
    """The row of places whose windows have row h with their row k, and how many rows of windows before k have it: -1
    where none has."""
    first, count = meeting(h, of.window_height, of.places, of.down, of.spread_down)
    apart = of.down // common_divisor(of.down, of.spread_down)
    before = (k - first) // apart
    if k < first or (k - first) % apart > 0 or before >= count:
        return 0 * h, 0 * h - 1
    return (h - k * of.spread_down) // of.down, before


@kernel(late=True)
def _inward_panels(first, last, dx, dy, w, room, of, sides, padding):
    """The same of a large w: R rows of pixels together, a stripe of their channels at a time, and panels of w with its
    channels last. room: for (R, Q, KW, width)."""
    panel = panel_in(on_stack(PANEL, dx.dtype.type(0)))
    lanes = VECTOR_BYTES // dx.itemsize
    together, most = rows_together(of.columns), terms_of_panel(of.filters)
    for top in range(first, last, together):
        end = min(top + together, last)
        j = 0 * first
        while j < of.channels:
            width = stripe_width(of.channels - j, lanes)
            under = of.window_width * width
            for k in range(of.window_height):
                for c in range(of.window_width):
                    w_at = ((k * of.window_width + c) * of.channels + j) * of.filters
                    for p in range(0, of.filters, most):
                        terms = min(most, of.filters - p)
                        transpose_block(panel, 0, width, w, w_at + p, of.filters, width, terms)
                        for r in range(top, end):
                            place, before = _place_of(r % sides[0] + padding[0], k, of)
                            if before < 0:
                                continue
                            at = (r - top) * of.columns * under + c * width
                            dy_at = (r // sides[0] * of.places + place) * of.columns * of.filters + p
                            product(of.columns, width, room, at, under, room, at if before + p > 0 else -1, under, dy,
                                    dy_at, of.filters, 1, panel, 0 * first, width, terms, 1, 0, 0)  # fmt: skip
            for r in range(top, end):
                _, rows = meeting(r % sides[0] + padding[0], of.window_height, of.places, of.down, of.spread_down)
                _fold_row(r, dx, room, (r - top) * of.columns * under, j, width, rows, of, sides, padding)
            j += width


@kernel(late=True)
def _inward_part(first, last, dx, dy, w, turned, room, of, sides, padding):
    if is_large(of):
        _inward_panels(first, last, dx, dy, w, room, of, sides, padding)
    else:
        _inward_rows(first, last, dx, dy, turned, room, of, sides, padding)


@kernel(parallel=True, late=True)
def _inward_parallel(parts, units, dx, dy, w, turned, rooms, needed, of, sides, padding):
    for part in prange(parts):
        room = vector(rooms, part * needed, needed)
        _inward_part(part * units // parts, (part + 1) * units // parts, dx, dy, w, turned, room, of, sides, padding)
        part_done()


@kernel(inlined=True)
def _turned_size(of):
    """Elements of w with its channels last, of which a large one has a panel at a time."""
    return 0 * weight_size(of) if is_large(of) else weight_size(of)


@kernel(inlined=True)
def _room(of):
    """Elements of what the windows of a row, or of several, have of the pixels under them."""
    if is_large(of):
        return rows_together(of.columns) * of.columns * of.window_width * min(of.channels, WIDTH)
    return of.columns * of.window_width * depth_of(of)


@kernel
def inward_scratch(of, threads):
    """Elements of scratch for `convolution_inward`."""
    return _turned_size(of) + _room(of) * threads


@kernel(inlined=True)
def _turn(turned, w, of):
    if is_depthwise(of):
        copy(turned, w)
        return
    under = of.window_width * depth_of(of)
    for k in range(of.window_height):
        at = k * under * of.filters
        transpose_block(turned, at, under, w, at, of.filters, under, of.filters)


@kernel(late=True)
def convolution_inward(dx, dy, w, scratch, of, sides, padding):
    """Overwrites dx, of images without their border, and scratch (see inward_scratch). Rows of pixels are independent,
    and threads share them."""
    units, size, needed = of.images * sides[0], _turned_size(of), _room(of)
    turned, rooms = vector(scratch, 0 * units, size), vector(scratch, size, scratch.size - size)
    if size > 0:
        _turn(turned, w, of)
    parts = min(threads_of(units, of), rooms.size // needed)
    if parts > 1 and take_pool():
        _inward_parallel(parts, units, dx, dy, w, turned, rooms, needed, of, sides, padding)
        release_pool()
    else:
        _inward_part(0 * units, units, dx, dy, w, turned, vector(rooms, 0 * units, needed), of, sides, padding)
