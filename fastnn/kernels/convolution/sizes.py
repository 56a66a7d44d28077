"""The windows of a convolution: sizes, and which of them have a pixel.

See fastnn.kernels.convolution, whose letters these are.
"""

from __future__ import annotations

from typing import NamedTuple

from fastnn.compiler.jit import kernel


class Sizes(NamedTuple):
    """Of a convolution; height and width are of images with their border."""

    images: int
    height: int
    width: int
    channels: int
    window_height: int
    window_width: int
    filters: int
    places: int
    columns: int
    down: int
    across: int
    spread_down: int
    spread_across: int
    groups: int


@kernel(inlined=True)
def depth_of(of):
    """Channels of a group."""
    return of.channels // of.groups


@kernel(inlined=True)
def weight_size(of):
    """Elements of w."""
    return of.window_height * of.window_width * depth_of(of) * of.filters


@kernel(inlined=True)
def is_plain(of):
    """Whether the pixels under a row of a window are one segment."""
    return of.groups == 1 and of.spread_across == 1


@kernel(inlined=True)
def is_depthwise(of):
    """Whether each channel is for itself."""
    return of.groups == of.channels and of.filters == of.channels


@kernel(inlined=True)
def common_divisor(a, b):
    """The greatest common divisor."""
    while b > 0:
        a, b = b, a % b
    return a


@kernel(inlined=True)
def meeting(at, window, places, step, spread):
    """The windows along a side that have the pixel `at`: with which of their pixels the last of them has it, and how
    many there are; with each next one that is further by step / g, of a window further ahead by spread / g, g the
    divisor that they have in common."""
    if step == 1 and spread == 1:
        first = max(at - places + 1, 0 * at)
        return first, max(min(window - 1, at) - first + 1, 0 * at)
    first, count = 0 * at, 0 * at
    for k in range(window):
        place = at - k * spread
        if place >= 0 and place % step == 0 and place // step < places:
            first = k if count == 0 else first
            count += 1
    return first, count
