"""Positions as waves: y (B, T C) = x + table, flat rows of T positions of C features.

    table[t, 2 i] = sin(t / base^(2 i / C))    table[t, 2 i + 1] = cos(t / base^(2 i / C))

(Vaswani et al. 2017, section 3.5, where base is 10000.) The gradient of x is that of y. Reference:
fastnn.reference.sinusoids.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel


@kernel
def sinusoids(table, first, positions, width, base):
    """Overwrites table (positions, width), flat, of the positions from `first` on."""
    number = table.dtype.type
    for i in range((width + 1) // 2):
        rate = base ** (-2.0 * i / width)
        for t in range(positions):
            angle = (first + t) * rate
            table[t * width + 2 * i] = number(math.sin(angle))
            if 2 * i + 1 < width:
                table[t * width + 2 * i + 1] = number(math.cos(angle))
