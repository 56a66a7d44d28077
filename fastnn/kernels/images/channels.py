"""Some features of rows, in any order, each as often as it is asked for.

x, dx (B, C)   y, dy (B, J)   channels (J,) int64, numbers below C that are not checked

Reference: fastnn.reference.images.channels.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel


@kernel
def gather(y, x, channels):
    """y[:, j] = x[:, channels[j]]. Rows are independent."""
    rows, width = y.shape
    for r in range(rows):
        for j in range(width):
            y[r, j] = x[r, channels[j]]


@kernel
def gather_inward(dx, dy, channels):
    """Overwrites dx: what a channel was copied to is added up in order. Rows are independent."""
    rows, width = dy.shape
    dx[:] = 0
    for r in range(rows):
        for j in range(width):
            dx[r, channels[j]] += dy[r, j]
