"""Features side by side: columns of one array from another, and back. An output may not be an input."""

from __future__ import annotations

from fastnn.compiler.jit import kernel


@kernel
def place(y, x, column):
    """y[:, column:column + I] = x: x (B, I), y (B, O), O >= column + I"""
    rows, width = x.shape
    for r in range(rows):
        for c in range(width):
            y[r, column + c] = x[r, c]


@kernel
def take(x, y, column):
    """x = y[:, column:column + I]: x (B, I), y (B, O), O >= column + I"""
    rows, width = x.shape
    for r in range(rows):
        for c in range(width):
            x[r, c] = y[r, column + c]
