"""A border of zeros around images; see fastnn.kernels.convolution."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import copy
from fastnn.simd.views import vector


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
