"""Max and average pooling of images, channels last.

    B images   H x W pixels   C channels   P x Q windows   K = (KH, KW) pixels of a window
    x (B, H, W, C)   y, winners (B, P, Q, C)   and a gradient of the same shape beside x and y

Window (p, q) begins at pixel (p * stride - padding, q * stride - padding); what of it lies outside is not there.

    max       y = the largest of a window, or NaN where one is; winners = which, kh * W + kw, the first of equal ones,
              the last NaN: its gradient is that of y
    average   y = the sum over a window / n, n the pixels of a window, or, without count_padding, those of them inside

Whole windows alone are taken: P = (H + 2 padding - KH) // stride + 1, as in torch. window, stride and padding are
pairs, down and across. Reference: fastnn.reference.pooling.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.pools import largest, mean, to_all, to_winners
from fastnn.simd.views import flat


@kernel(inlined=True)
def _inside(place, side, window, stride, padding):
    """The pixel that a window begins with, which may lie outside; and, counted from there, those inside: from, to."""
    begin = place * stride - padding
    return begin, max(0 * begin, -begin), min(window, side - begin)


@kernel(inlined=True)
def _run(r, q, sides, places, window, stride, padding):
    """Windows from number q of row r of all images on that are cut off alike: how many, the pixel of all images that
    the first has first, the rows and the columns that each has, and which of its window's pixels that is."""
    top, kh, kh_end = _inside(r % places[0], sides[0], window[0], stride[0], padding[0])
    left, kw, kw_end = _inside(q, sides[1], window[1], stride[1], padding[1])
    count = 1 + 0 * q
    if kw == 0 and kw_end == window[1]:
        count = min((sides[1] + padding[1] - window[1]) // stride[1], places[1] - 1) - q + 1
    pixel = (r // places[0] * sides[0] + top + kh) * sides[1] + left + kw
    return count, pixel, kh_end - kh, kw_end - kw, kh * sides[1] + kw


@kernel(inlined=True)
def _begin(dx, sides, places, window, stride, padding):
    """Whether windows overlap, so that gradients are to be added; dx = 0 where they do, or where not every pixel is in
    one."""
    adds, whole = False, True
    for axis in (0, 1):
        adds = adds or stride[axis] < window[axis]
        whole = whole and stride[axis] == window[axis] and places[axis] * stride[axis] >= sides[axis] + padding[axis]
    if adds or not whole:
        dx[:] = 0
    return adds


@kernel
def max_pool2d(y, winners, x, window, stride, padding):
    """Overwrites y and winners."""
    images, height, width, channels = x.shape
    _, down, across, _ = y.shape
    source, values, which = flat(x), flat(y), flat(winners)
    for r in range(images * down):
        q = 0 * r
        while q < across:
            count, pixel, rows, columns, first = _run(r, q, (height, width), (down, across), window, stride, padding)
            at = (r * across + q) * channels
            largest(values, at, which, at, source, pixel * channels, count, stride[1] * channels, width * channels,
                    rows, columns, first, channels)  # fmt: skip
            q += count


@kernel
def max_pool2d_inward(dx, dy, winners, window, stride, padding):
    """Overwrites dx."""
    images, height, width, channels = dx.shape
    _, down, across, _ = dy.shape
    target, slopes, which = flat(dx), flat(dy), flat(winners)
    adds = _begin(target, (height, width), (down, across), window, stride, padding)
    for r in range(images * down):
        q = 0 * r
        while q < across:
            count, pixel, rows, columns, first = _run(r, q, (height, width), (down, across), window, stride, padding)
            at = (r * across + q) * channels
            to_winners(target, pixel * channels, slopes, at, which, at, count, stride[1] * channels, width * channels,
                       rows, columns, first, channels, adds)  # fmt: skip
            q += count


@kernel
def avg_pool2d(y, x, window, stride, padding, count_padding):
    """Overwrites y."""
    images, height, width, channels = x.shape
    _, down, across, _ = y.shape
    source, values = flat(x), flat(y)
    for r in range(images * down):
        q = 0 * r
        while q < across:
            count, pixel, rows, columns, first = _run(r, q, (height, width), (down, across), window, stride, padding)
            high, wide = window if count_padding else (rows, columns)
            mean(values, (r * across + q) * channels, source, pixel * channels, high, wide, count, stride[1] * channels,
                 width * channels, rows, columns, first, channels)  # fmt: skip
            q += count


@kernel
def avg_pool2d_inward(dx, dy, window, stride, padding, count_padding):
    """Overwrites dx."""
    images, height, width, channels = dx.shape
    _, down, across, _ = dy.shape
    target, slopes = flat(dx), flat(dy)
    adds = _begin(target, (height, width), (down, across), window, stride, padding)
    for r in range(images * down):
        q = 0 * r
        while q < across:
            count, pixel, rows, columns, first = _run(r, q, (height, width), (down, across), window, stride, padding)
            high, wide = window if count_padding else (rows, columns)
            to_all(target, pixel * channels, slopes, (r * across + q) * channels, high, wide, count,
                   stride[1] * channels, width * channels, rows, columns, first, channels, adds)  # fmt: skip
            q += count
