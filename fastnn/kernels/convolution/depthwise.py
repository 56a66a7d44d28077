"""Convolution of each channel with itself; letters and arrays are those of fastnn.kernels.convolution, of C groups.

Vectors are of channels, and a row of y, of dx, or of dw one run of products of them.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.sizes import common_divisor, meeting
from fastnn.simd.channels import each_channel


@kernel
def depthwise_forward(r, y, x, x_at, w, b, of):
    """Row r of the places; x_at: where the first window begins."""
    row = of.columns * of.channels
    each_channel(of.columns, of.channels, y, r * row, of.channels, b, 0 if b.size > 0 else -1, 0 * r, x, x_at,
                 of.across * of.channels, of.spread_across * of.channels, w, 0 * r, of.channels, of.window_width,
                 of.window_height, of.spread_down * of.width * of.channels, of.window_width * of.channels)  # fmt: skip


@kernel
def depthwise_inward(r, dx, dy, dy_at, w, k, count, of, sides, padding):
    """Row r of dx, from `count` rows of places: that at dy_at has it with row k of its windows, see `meeting`.

    Pixels beside each other that as many windows have, with the same of their pixels, are one run.
    """
    down, across = common_divisor(of.down, of.spread_down), common_divisor(of.across, of.spread_across)
    row, under = of.columns * of.channels, of.window_width * of.channels
    v = 0 * r
    while v < sides[1]:
        c, times = meeting(v + padding[1], of.window_width, of.columns, of.across, of.spread_across)
        end = v + 1
        while of.across == 1 and end < sides[1]:
            first, more = meeting(end + padding[1], of.window_width, of.columns, of.across, of.spread_across)
            if first != c or more != times:
                break
            end += 1
        at = (r * sides[1] + v) * of.channels
        if times == 0:
            dx[at : at + (end - v) * of.channels] = 0
        else:
            column = (v + padding[1] - c * of.spread_across) // of.across
            each_channel(end - v, of.channels, dx, at, of.channels, dx, -1, 0 * r, dy, dy_at + column * of.channels,
                         of.channels, -(of.spread_across // across) * of.channels, w, k * under + c * of.channels,
                         of.across // across * of.channels, times, count, -(of.spread_down // down) * row,
                         of.down // down * under)  # fmt: skip
        v = end


@kernel
def depthwise_gradient(dw, dw_at, adds, dy, dy_at, x, x_at, of):
    """A row of windows of dw, of an image."""
    each_channel(of.window_width, of.channels, dw, dw_at, of.channels, dw, dw_at if adds else -1, of.channels, x, x_at,
                 of.spread_across * of.channels, of.across * of.channels, dy, dy_at, of.channels, of.columns, of.places,
                 of.down * of.width * of.channels, of.columns * of.channels)  # fmt: skip
