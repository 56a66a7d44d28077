"""Some positions of rows, back to all of them; fastnn.kernels.concatenate.take is the way there.

y (B, M) = x[:, first:first + M], x (B, N), flat positions of so many features.

Reference: fastnn.reference.slices.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel


@kernel
def slice_backward(dx, dy, first):
    """Overwrites dx: 0 where nothing was taken."""
    rows, width = dy.shape
    for r in range(rows):
        for c in range(first):
            dx[r, c] = 0
        for c in range(width):
            dx[r, first + c] = dy[r, c]
        for c in range(first + width, dx.shape[1]):
            dx[r, c] = 0
