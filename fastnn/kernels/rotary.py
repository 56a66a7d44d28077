"""Rotary positions: pairs of a head's features are turned by an angle that grows with the position.

    B sequences   T positions   H heads   S features of one, S / 2 pairs   R features that stay
    x, y (B T, H S + R) flat   table (T, S), cosines beside sines

Feature i and i + S / 2 of position t are turned by t / base^(2 i / S), so that a product of a query and a key depends
on how far apart they are (Su et al. 2021, arXiv 2104.09864; pairs as in Llama). Turning back is the gradient.
Reference: fastnn.reference.rotary.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.simd.views import vector


@kernel
def rotary_table(table, first, positions, size, base):
    """Overwrites table, of the positions from `first` on."""
    number, half = table.dtype.type, size // 2
    for i in range(half):
        rate = base ** (-2.0 * i / size)
        for t in range(positions):
            angle = (first + t) * rate
            table[t * size + i] = number(math.cos(angle))
            table[t * size + half + i] = number(math.sin(angle))


@kernel
def _turned(y, x, cosines, sines, way):
    half = cosines.size
    a, b, u, v = vector(x, 0, half), vector(x, half, half), vector(y, 0, half), vector(y, half, half)
    for i in range(half):
        one, other = a[i], b[i]
        u[i] = one * cosines[i] - way * (other * sines[i])
        v[i] = other * cosines[i] + way * (one * sines[i])


@kernel
def rotate(y, x, table, rows, positions, heads, size, rest, way):
    """Overwrites y, of so many rows, `positions` of each sequence; way: 1, or -1 to turn back. Rows are independent."""
    half, width, number = size // 2, heads * size + rest, y.dtype.type
    for row in range(rows):
        at, t = row * width, row % positions
        cosines, sines = vector(table, t * size, half), vector(table, t * size + half, half)
        for h in range(heads):
            _turned(
                vector(y, at + h * size, size), vector(x, at + h * size, size), cosines, sines, number(way)
            )  # fmt: skip
        kept, source = vector(y, at + heads * size, rest), vector(x, at + heads * size, rest)
        for j in range(rest):
            kept[j] = source[j]
