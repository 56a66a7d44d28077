"""Images made larger by whole factors, channels last.

    B images   H x W pixels   C channels   F down, G across: the factors
    x (B, H, W, C)   y (B, F H, G W, C)   and a gradient of the same shape beside each

    nearest    y[p, q] = x[p // F, q // G]
    bilinear   y[p, q] is between the four pixels around ((p + 1/2) / F - 1/2, (q + 1/2) / G - 1/2), by how near each
               is; outside of the centres of the outermost pixels it is as on them

A pixel's gradient is the sum of those that it has a share of, each by that share, in the order of the places.
Reference: fastnn.reference.images.upsampling.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.pools import mean, to_all
from fastnn.simd.views import flat


@kernel
def nearest(y, x, factors):
    """Overwrites y: the way of an average's gradient, with nothing divided. Images are independent."""
    images, height, width, channels = x.shape
    one, row, adds = 1 + 0 * width, factors[1] * width * channels, False
    for r in range(images * height):
        to_all(flat(y), r * factors[0] * row, flat(x), r * width * channels, one, one, width, factors[1] * channels,
               row, factors[0], factors[1], 0 * r, channels, adds)  # fmt: skip


@kernel
def nearest_inward(dx, dy, factors):
    """Overwrites dx: the sums of windows that do not overlap. Images are independent."""
    images, height, width, channels = dx.shape
    one, row = 1 + 0 * width, factors[1] * width * channels
    for r in range(images * height):
        mean(flat(dx), r * width * channels, flat(dy), r * factors[0] * row, one, one, width, factors[1] * channels,
             row, factors[0], factors[1], 0 * r, channels)  # fmt: skip


@kernel(inlined=True)
def _between(place, factor, side):
    """The two pixels along a side that a place is between, and how far it is from the first, in pixels."""
    at = max((place + 0.5) / factor - 0.5, 0.0)
    first = int(at)
    return first, min(first + 1, side - 1), at - first


@kernel
def bilinear(y, x, factors):
    """Overwrites y. Images are independent."""
    images, height, width, channels = x.shape
    number, source, target = y.dtype.type, flat(x), flat(y)
    down, across = factors[0] * height, factors[1] * width
    for r in range(images * down):
        top, below, rest = _between(r % down, factors[0], height)
        upper = (r // down * height + top) * width
        lower, low = (r // down * height + below) * width, number(rest)
        for q in range(across):
            left, right, rest = _between(q, factors[1], width)
            far, at = number(rest), (r * across + q) * channels
            a, b = (upper + left) * channels, (upper + right) * channels
            c, d = (lower + left) * channels, (lower + right) * channels
            for k in range(channels):
                above = source[a + k] + far * (source[b + k] - source[a + k])
                under = source[c + k] + far * (source[d + k] - source[c + k])
                target[at + k] = above + low * (under - above)


@kernel
def bilinear_inward(dx, dy, factors):
    """Overwrites dx. Images are independent."""
    images, height, width, channels = dx.shape
    number, target, slopes = dx.dtype.type, flat(dx), flat(dy)
    down, across = factors[0] * height, factors[1] * width
    target[:] = 0
    for r in range(images * down):
        top, below, low = _between(r % down, factors[0], height)
        upper, lower = (r // down * height + top) * width, (r // down * height + below) * width
        for q in range(across):
            left, right, far = _between(q, factors[1], width)
            at = (r * across + q) * channels
            for row, high in ((upper, 1 - low), (lower, low)):
                for pixel, near in ((row + left, 1 - far), (row + right, far)):
                    share = number(high * near)
                    for k in range(channels):
                        target[pixel * channels + k] += share * slopes[at + k]
