"""Some features of rows, in any order, each as often as it is asked for; and the way back, sums of some.

    x, dx (B, C)   y, dy (B, J)   channels (J,) int64, numbers below C that are not checked   b (C,)

    gather          y[:, j] = x[:, channels[j]]
    scatter         x[:, c] = b[c] + the sum of y[:, j] over the j whose channel is c, in their order

Each is the gradient of the other.

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
def scatter(x, y, channels, b):
    """Overwrites x; b may be empty, for zeros. Rows are independent."""
    rows, width = y.shape
    for r in range(rows):
        for c in range(x.shape[1]):
            x[r, c] = b[c] if b.size > 0 else 0
        for j in range(width):
            x[r, channels[j]] += y[r, j]
