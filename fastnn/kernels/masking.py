"""Lengths of rows that were filled up: lengths (B,), x (B, T). Reference: fastnn.reference.masking."""

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
