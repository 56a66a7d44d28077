"""Lengths of rows that were filled up: lengths (B,), x (B, T) of ids, or (B, T * F) of features."""

from __future__ import annotations

from fastnn.compiler.jit import kernel


@kernel
def lengths_of(lengths, x, first, last, filler):
    """Overwrites lengths, numbers of any type: positions first..last of each row up to the last that is no filler."""
    for r in range(x.shape[0]):
        n = last - first
        while n > 0 and x[r, first + n - 1] == filler:
            n -= 1
        lengths[r] = n


@kernel
def row_lengths_of(lengths, x, features, filler):
    """Overwrites lengths, numbers of any type: positions of each row up to the last whose features are not all filler;
    x (B, T * features)."""
    for r in range(x.shape[0]):
        n = x.shape[1]
        while n > 0 and x[r, n - 1] == filler:
            n -= 1
        lengths[r] = -(-n // features)
