"""A product of two halves, one of which went through an activation: y = f(a) * b.

    N rows   U units   z (N, 2 U), a beside b, and y (N, U), and a gradient of the same shape beside each

SwiGLU with silu, GEGLU with gelu (Shazeer 2020, arXiv 2002.05202). Reference: fastnn.reference.gated.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.activation import activation_backward, activation_forward
from fastnn.simd.views import flat, vector


@kernel
def _times(y, a, b):
    """y = a * b; y may be either."""
    for j in range(y.size):
        y[j] = a[j] * b[j]


@kernel
def gated_forward(y, z, kind, alpha):
    """Overwrites y. Rows are independent."""
    rows, units = y.shape
    for i in range(rows):
        row, at = vector(flat(y), i * units, units), 2 * i * units
        activation_forward(row, vector(flat(z), at, units), kind, alpha)
        _times(row, row, vector(flat(z), at + units, units))


@kernel
def gated_inward(dz, dy, z, kind, alpha):
    """Overwrites dz. Rows are independent."""
    rows, units = dy.shape
    for i in range(rows):
        at, gradient = 2 * i * units, vector(flat(dy), i * units, units)
        a, b = vector(flat(z), at, units), vector(flat(z), at + units, units)
        da, db = vector(flat(dz), at, units), vector(flat(dz), at + units, units)
        activation_forward(db, a, kind, alpha)
        _times(da, gradient, b)
        activation_backward(da, da, a, db, kind, alpha)
        _times(db, gradient, db)
