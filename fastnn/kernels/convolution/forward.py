"""The values of a convolution; letters and arrays are those of fastnn.kernels.convolution."""

from __future__ import annotations

from numba import prange

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.depthwise import depthwise_forward
from fastnn.kernels.convolution.panels import PANEL, is_large, panel_in, rows_together, terms_of_panel
from fastnn.kernels.convolution.sizes import depth_of, is_depthwise, is_plain
from fastnn.kernels.convolution.stripes import product, threads_of
from fastnn.products.blocks import VECTOR_BYTES, stripe_width
from fastnn.simd.pack import copy_block
from fastnn.simd.pool import part_done, release_pool, take_pool
from fastnn.simd.views import on_stack


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
            product(of.columns, filters, y, r * row, filters, b, start, 0 * first, x, x_at, step, 1, w, 0 * first,
                     filters, of.window_width * depth, of.window_height, of.spread_down * pixels, under)  # fmt: skip
            continue
        for group in range(of.groups):
            at = group * filters
            for k in range(of.window_height):
                begin, begin_at, ldb = (b, start + at if start >= 0 else start, 0 * first) if k == 0 else (
                    y, r * row + at, of.filters)  # fmt: skip
                product(of.columns, filters, y, r * row + at, of.filters, begin, begin_at, ldb, x,
                         x_at + k * of.spread_down * pixels + group * depth, step, 1, w, k * under + at, of.filters,
                         depth, of.window_width, of.spread_across * of.channels, depth * of.filters)  # fmt: skip


@kernel(late=True)
def _forward_panels(first, last, y, x, w, b, of):
    """The same of a large w."""
    panel = panel_in(on_stack(PANEL, y.dtype.type(0)))
    lanes = VECTOR_BYTES // y.itemsize
    row, pixels, step = of.columns * of.filters, of.width * of.channels, of.across * of.channels
    segment = of.window_width * of.channels
    together, most = rows_together(of.columns), terms_of_panel(segment)
    for top in range(first, last, together):
        j = 0 * first
        while j < of.filters:
            width = stripe_width(of.filters - j, lanes)
            for k in range(of.window_height):
                for p in range(0, segment, most):
                    terms = min(most, segment - p)
                    copy_block(panel, 0, width, w, (k * segment + p) * of.filters + j, of.filters, terms, width)
                    for r in range(top, min(top + together, last)):
                        y_at = r * row + j
                        begin, begin_at, ldb = (y, y_at, of.filters) if k + p > 0 else (
                            b, j if b.size > 0 else -1, 0 * first)  # fmt: skip
                        x_at = (r // of.places * of.height + r % of.places * of.down + k * of.spread_down) * pixels + p
                        product(of.columns, width, y, y_at, of.filters, begin, begin_at, ldb, x, x_at, step, 1, panel,
                                0 * first, width, terms, 1, 0, 0)  # fmt: skip
            j += width


@kernel(late=True)
def _forward_part(first, last, y, x, w, b, of):
    if is_large(of):
        _forward_panels(first, last, y, x, w, b, of)
    else:
        _forward_rows(first, last, y, x, w, b, of)


@kernel(parallel=True, late=True)
def _forward_parallel(parts, units, y, x, w, b, of):
    for part in prange(parts):
        _forward_part(part * units // parts, (part + 1) * units // parts, y, x, w, b, of)
        part_done()


@kernel(late=True)
def convolution_forward(y, x, w, b, of):
    """Overwrites y; x has its border. Rows of places are independent, and threads share them."""
    units = of.images * of.places
    parts = threads_of(units, of)
    if parts > 1 and take_pool():
        _forward_parallel(parts, units, y, x, w, b, of)
        release_pool()
    else:
        _forward_part(0 * units, units, y, x, w, b, of)
