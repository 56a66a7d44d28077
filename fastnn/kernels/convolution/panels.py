"""Convolutions of large weights: a panel of w in L1 at a time, over which many rows of places pass.

A row of places is one product, which reads w once; where w exceeds a share of L2 its bytes decide. On an Intel Emerald
Rapids core (2 MB of L2), GFLOP/s by rows and so, 3x3 windows: 14x14x256>256 69 and 170, 7x7x512>512 53 and 143,
13x13x384>256 45 and 152; but 28x28x128>128, of 0.6 MB, 178 and 162. Sums go on from what y holds: the bits are those of
one chain.
Letters and arrays are those of fastnn.kernels.convolution.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.kernels.convolution.sizes import is_plain, weight_size
from fastnn.simd.host import TERMS, UNIT, VECTORS, WINDOWS_BYTES
from fastnn.simd.views import LINE_BYTES, to_line, vector

# Elements, of either type: of float64 they take all of L2.
LEAST_WEIGHT = WINDOWS_BYTES // 4
# Places that pass over a panel: with 100 to 250 of them 126 GFLOP/s, with 650 152, with 2,000 149.
PLACES = 640
# A panel lies on the stack, which threads have little of on some systems: 48 kB of float32.
WIDTH, PANEL_TERMS = VECTORS * UNIT.bytes // 4, min(TERMS, 256)
PANEL = PANEL_TERMS * WIDTH + LINE_BYTES // 4


@kernel(inlined=True)
def is_large(of):
    """Whether w goes by panels."""
    return is_plain(of) and weight_size(of) >= LEAST_WEIGHT


@kernel(inlined=True)
def rows_together(columns):
    """Rows of so many places that pass over a panel."""
    return max(PLACES // columns, 1)


@kernel(inlined=True)
def rows_of_panel(columns):
    """Rows of so many places that a panel holds, one at least, of which it may hold a part."""
    return max(PANEL_TERMS // columns, 1)


@kernel(inlined=True, views=True)
def panel_in(memory):
    """The vector of a panel in memory of PANEL elements, from the beginning of a line."""
    skipped = to_line(memory)
    return vector(memory, skipped, memory.size - skipped)


@kernel(inlined=True)
def terms_of_panel(terms):
    """Terms in equal parts of at most PANEL_TERMS."""
    parts = (terms + PANEL_TERMS - 1) // PANEL_TERMS
    return (terms + parts - 1) // parts
