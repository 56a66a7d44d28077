"""Rows scaled by trained numbers, and a tanh by fixed ones.

    B rows   I features   x, y (B, I)   w, b (I,)   and a gradient of the same shape beside each

    scale         y = x * w + b
    scaled tanh   y = scale * tanh(slope * x)    dx = dy * slope * (scale - y * y / scale)

What LeCun et al. 1998 (Gradient-Based Learning Applied to Document Recognition) call subsampling is an average and a
scale; the tanh is that of their appendix A, scale 1.7159 and slope 2/3, so that it is 1 at 1. Reference:
fastnn.reference.images.scale.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.norm import norm_gradient
from fastnn.simd.scalar import fma
from fastnn.simd.vecmath import tanh


@kernel
def scale_forward(y, x, w, b):
    """Overwrites y. Rows are independent."""
    rows, width = y.shape
    for r in range(rows):
        for c in range(width):
            y[r, c] = fma(x[r, c], w[c], b[c])


@kernel
def scale_inward(dx, dy, w):
    """Overwrites dx. Rows are independent."""
    rows, width = dy.shape
    for r in range(rows):
        for c in range(width):
            dx[r, c] = dy[r, c] * w[c]


@kernel
def scale_gradient(dw, db, dy, x):
    """Overwrites dw and db, on one thread."""
    norm_gradient(dw, db, dy, x)


@kernel
def scaled_tanh_forward(y, x, scale, slope):
    """Overwrites y; flat arrays."""
    number = y.dtype.type
    high, steep = number(scale), number(slope)
    for i in range(y.size):
        y[i] = high * tanh(steep * x[i])


@kernel
def scaled_tanh_inward(dx, dy, y, scale, slope):
    """Overwrites dx; flat arrays."""
    number = y.dtype.type
    most, less = number(scale * slope), number(slope / scale)
    for i in range(dx.size):
        dx[i] = dy[i] * (most - less * (y[i] * y[i]))
