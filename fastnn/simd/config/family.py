"""What kernels know of a family of processors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Family(NamedTuple):
    """name; bytes of a vector; heights of the register tiles of a product, in rows, for each width in vectors; whether
    it has registers for masks.

    unrolled: terms that a turn of a tile's loop takes.
    asks: whether each term of a tile asks for w of the stripe to the right and for a line of the next tile of y; if
    not, a tile asks for the next one as it begins, and a first tile, which copies w to a panel, for w to the right.
    panel_terms: terms of a panel of w, or 0: as many as `panel_share` of L1 hold.
    rows_share: of L2 that rows of x take where they are packed, 0 where they never are.
    packed_rows, packed_columns, packed_terms: the least product whose x is packed.
    panel_rows: from so many rows on w goes by way of a panel: where its rows straddle cache lines, and always.
    wide_rows, wide_bytes, wide_panels: where y has up to so many rows (0: never), rows of w of more bytes are copied to
    so many panels at once.
    few_rows_nt: rows up to which each takes a matrix transposed by itself.
    few_sides: sides of w from which on it passes by one row, row after row, and by a few.
    far_rows, far_share: up to so many rows w passes by row after row where it is larger than that share of L2.
    dots_by_lines: whether one row times a matrix transposed takes a line of 8 rows at a time, or a square.
    chunk: rows and columns of a weight's gradients that wait for their update; tall_chunk from tall_batch rows on.
    swapped_side: sides of w from which on an NT of few rows is made as y.T = w @ x.T.
    group_rows: rows that pass over as many panels as L1 holds, where the terms are few; 0: all, over one at a time.
    """

    name: str
    bytes: int
    tiles: Mapping[int, tuple[int, ...]]
    masks: bool = False
    unrolled: int = 1
    asks: bool = True
    panel_terms: int = 512
    panel_share: float = 0.0
    rows_share: float = 0.0
    packed_rows: int = 0
    packed_columns: int = 0
    packed_terms: int = 0
    panel_rows: tuple[int, int] = (128, 256)
    group_rows: int = 0
    wide_rows: int = 0
    wide_bytes: int = 4096
    wide_panels: int = 1
    few_rows_nt: int = 2
    few_sides: tuple[int, int] = (128, 128)
    far_rows: int = 0
    far_share: float = 0.0
    dots_by_lines: bool = False
    swapped_side: int = 128
    chunk: tuple[int, int] = (24, 480)
    tall_chunk: tuple[int, int] = (24, 480)
    tall_batch: int = 2**62


# rows x 3 accumulators + 3 vectors of w + one broadcast of x must fit the registers: 8 rows of 32, 4 of 16.
MANY = {3: (8, 4, 2, 1), 2: (12, 4, 2, 1), 1: (16, 8, 4, 3, 2, 1)}
FEW = {3: (4, 2, 1), 2: (6, 4, 2, 1), 1: (8, 4, 2, 1)}
