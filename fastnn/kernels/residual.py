"""What joins the branches of a residual block, y = x + f(x): values where they meet, gradients where they part.

All arrays are flat and of one size; y may be a. Reference: He et al. 2016.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel


@kernel
def add(y, a, b):
    """y = a + b"""
    for i in range(y.size):
        y[i] = a[i] + b[i]


@kernel
def copy(y, x):
    """y = x"""
    for i in range(y.size):
        y[i] = x[i]
