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
from fastnn.kernels.residual import add
from fastnn.simd.views import flat, vector


@kernel(inlined=True)
def _window(p, q, sides, window, stride, padding):
    """The pixel of an image that window (p, q) begins with, which may lie outside; and, counted from there, the rows
    and the columns inside: from, to, from, to."""
    top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
    down, down_end = max(0 * top, -top), min(window[0], sides[0] - top)
    return top * sides[1] + left, down, down_end, max(0 * left, -left), min(window[1], sides[1] - left)


@kernel(inlined=True)
def _is_better(value, best):
    """NaN, too, and for ever."""
    return value > best or value != value


@kernel
def _begin(best, winner, one, two, first, second):
    """The better of two pixels, and which it is, a channel each."""
    for c in range(best.size):
        better = _is_better(two[c], one[c])
        best[c], winner[c] = two[c] if better else one[c], second if better else first


@kernel
def _go_on(best, winner, one, two, first, second):
    """The best so far and of two more pixels."""
    for c in range(best.size):
        value, which = best[c], winner[c]
        better = _is_better(one[c], value)
        value, which = one[c] if better else value, first if better else which
        better = _is_better(two[c], value)
        best[c], winner[c] = two[c] if better else value, second if better else which


@kernel
def max_pool2d(y, winners, x, window, stride, padding):
    """Overwrites y and winners."""
    images, height, width, channels = x.shape
    _, places_down, places_across, _ = y.shape
    source, values, which = flat(x), flat(y), flat(winners)
    number = x.dtype.type
    at = 0 * images
    for b in range(images):
        for p in range(places_down):
            for q in range(places_across):
                begin, down, down_end, across, across_end = _window(p, q, (height, width), window, stride, padding)
                corner = b * height * width + begin
                best, winner = vector(values, at, channels), vector(which, at, channels)
                for kh in range(down, down_end):
                    for first in range(kh * width + across, kh * width + across_end, 2):
                        second = min(first + 1, kh * width + across_end - 1)  # itself, which is no better
                        one = vector(source, (corner + first) * channels, channels)
                        two = vector(source, (corner + second) * channels, channels)
                        if first == down * width + across:
                            _begin(best, winner, one, two, number(first), number(second))
                        else:
                            _go_on(best, winner, one, two, number(first), number(second))
                at += channels


@kernel
def max_pool2d_inward(dx, dy, winners, window, stride, padding):
    """Overwrites dx."""
    images, height, width, channels = dx.shape
    _, places_down, places_across, _ = dy.shape
    target, gradients, which = flat(dx), flat(dy), flat(winners)
    target[:] = 0
    at = 0 * images
    for b in range(images):
        for p in range(places_down):
            for q in range(places_across):
                corner = (b * height + p * stride[0] - padding[0]) * width + q * stride[1] - padding[1]
                for c in range(channels):
                    target[(corner + int(which[at])) * channels + c] += gradients[at]
                    at += 1


@kernel
def avg_pool2d(y, x, window, stride, padding, count_padding):
    """Overwrites y."""
    images, height, width, channels = x.shape
    _, places_down, places_across, _ = y.shape
    source, values = flat(x), flat(y)
    number = x.dtype.type
    at = 0 * images
    for b in range(images):
        for p in range(places_down):
            for q in range(places_across):
                begin, down, down_end, across, across_end = _window(p, q, (height, width), window, stride, padding)
                corner = b * height * width + begin
                mean = vector(values, at, channels)
                mean[:] = 0
                for kh in range(down, down_end):
                    end = kh * width + across_end
                    for first in range(kh * width + across, end - 1, 2):
                        one = vector(source, (corner + first) * channels, channels)
                        two = vector(source, (corner + first + 1) * channels, channels)
                        for c in range(channels):
                            mean[c] = mean[c] + one[c] + two[c]
                    if (across_end - across) % 2 == 1:
                        add(mean, mean, vector(source, (corner + end - 1) * channels, channels))
                inside = (down_end - down) * (across_end - across)
                pixels = number(float(window[0]) * window[1] if count_padding else inside)
                for c in range(channels):
                    mean[c] /= pixels
                at += channels


@kernel
def avg_pool2d_inward(dx, dy, window, stride, padding, count_padding):
    """Overwrites dx."""
    images, height, width, channels = dx.shape
    _, places_down, places_across, _ = dy.shape
    target, gradients = flat(dx), flat(dy)
    number = dx.dtype.type
    target[:] = 0
    at = 0 * images
    for b in range(images):
        for p in range(places_down):
            for q in range(places_across):
                begin, down, down_end, across, across_end = _window(p, q, (height, width), window, stride, padding)
                corner = b * height * width + begin
                inside = (down_end - down) * (across_end - across)
                pixels = number(float(window[0]) * window[1] if count_padding else inside)
                slope = vector(gradients, at, channels)
                for kh in range(down, down_end):
                    for pixel in range(kh * width + across, kh * width + across_end):
                        grown = vector(target, (corner + pixel) * channels, channels)
                        for c in range(channels):
                            grown[c] += slope[c] / pixels
                at += channels
