"""Part of a product by register tiles, x and w by way of scratch where that pays.

    terms    of a sum, a block at a time: as many as a panel in L1 holds (host.TERMS)
    panel    w, terms x columns of a tile: copied, or transposed for the form NT
    rows     of x, as many as a share of L2 holds (host.ROWS_BYTES): packed, term after term, as tiles read them

A stripe is as wide as a tile; all rows of a block pass over its panel. Where rows of w are wide and those of y few,
several panels are copied at once. Where rows of x are packed more than once, all panels of a block of terms stay for
the rows to come; where terms are few, as many panels as L1 holds stay, and a few rows at a time pass over them, so that
rows of y are written whole. The bits are the same whatever the blocks.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.host import PANEL_ROWS, ROWS_BYTES, TERMS, UNIT, VECTORS
from fastnn.simd.pack import copy_block, pack_columns, pack_rows, transpose_block
from fastnn.simd.tile import keeps_panels, stripe
from fastnn.simd.views import LINE_BYTES, begins_inside, to_line, vector

NN, NT, TN = 0, 1, 2

VECTOR_BYTES, UNROLLED = UNIT.bytes, UNIT.unrolled
# From so many rows on w goes by way of panels: where its rows straddle cache lines, and always.
PACKED_ROWS, ALWAYS_PACKED_ROWS = UNIT.panel_rows
# The least product whose x is packed.
X_ROWS, X_COLUMNS, X_TERMS = UNIT.packed_rows, UNIT.packed_columns, UNIT.packed_terms
# Terms between panels of x, so that they do not lie 4 kB apart, where their lines would fight for one place in L1:
# columns are packed in 1.1 cycles an element without, and in 0.5 with four.
GAP = 4
PACKS_X, GROUP_ROWS = ROWS_BYTES > 0, UNIT.group_rows // PANEL_ROWS * PANEL_ROWS
KEEPS_PANELS = keeps_panels(VECTORS)
WIDE_ROWS, WIDE_BYTES, WIDE_PANELS = UNIT.wide_rows, UNIT.wide_bytes, UNIT.wide_panels
# Rows of w that are copied to several panels at once.
WIDE_TERMS = 8


@kernel(inlined=True)
def packs_rows(m, n, k):
    """Whether x of a product of that size is packed."""
    return PACKS_X and m >= X_ROWS and n >= X_COLUMNS and k >= X_TERMS


@kernel(inlined=True)
def rows_of_block(itemsize):
    """Rows of x that are packed at a time."""
    return max(ROWS_BYTES // (TERMS * itemsize) // PANEL_ROWS, 1) * PANEL_ROWS


@kernel(inlined=True)
def _rows_size(m, n, k, itemsize):
    """Elements of packed rows of x."""
    if not packs_rows(m, n, k):
        return 0 * m
    rows = min((m + PANEL_ROWS - 1) // PANEL_ROWS * PANEL_ROWS, rows_of_block(itemsize))
    return rows * (min(k, TERMS) + GAP)


@kernel(inlined=True)
def _panels_size(m, n, k, itemsize):
    """Elements of the panels that stay."""
    width = VECTORS * (VECTOR_BYTES // itemsize)
    if packs_rows(m, n, k) and m > rows_of_block(itemsize):
        return min(k, TERMS) * (n + width)
    panels = WIDE_PANELS if n * itemsize > WIDE_BYTES else 1
    return min(TERMS * panels * width, k * (n + width))


@kernel
def block_size(m, n, k, itemsize):
    """Elements of scratch for any part of a product of that size; no fewer than for one of fewer rows."""
    return _rows_size(m, n, k, itemsize) + _panels_size(m, n, k, itemsize) + LINE_BYTES // itemsize


@kernel(inlined=True)
def terms_of_block(k):
    """k in equal parts of at most TERMS, in whole turns of a tile's loop."""
    parts = max((k + TERMS - 1) // TERMS, 1)
    turns = UNROLLED * parts
    return max((k + turns - 1) // turns * UNROLLED, 1)


@kernel(inlined=True)
def stripe_width(columns, lanes):
    """Columns of the next stripe: as wide as a tile can be, but of four vectors two, which beats three and one."""
    return 2 * lanes if VECTORS * lanes < columns <= (VECTORS + 1) * lanes else min(columns, VECTORS * lanes)


@kernel(inlined=True)
def direct(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, k, adds):
    """Rows i0..i1 and columns j0..j1 of y = start + a product of the form NN or TN, x and w read where they lie; or,
    where it adds, of y += the product, whose sums go on from what y holds.

    What `block` does without scratch, in ten nanoseconds less: on Zen 5 32x2x4 takes 59 ns by `block` and 48 so.
    """
    lanes = VECTOR_BYTES // y.itemsize
    row_x, column_x = (1, ldx) if form == TN else (ldx, 1)
    most = terms_of_block(k)
    for p in range(0, max(k, 1), most):
        goes_on = adds or p > 0
        begin, ldb = (y, ldy) if goes_on else (start, 0)
        j = j0
        while j < j1:
            columns = stripe_width(j1 - j, lanes)
            y_at = i0 * ldy + j
            begin_at = y_at if goes_on else j if start.size > 0 else -1
            stripe(i1 - i0, columns, y, y_at, ldy, begin, begin_at, ldb, x, i0 * row_x + p * column_x, row_x, column_x,
                   w, p * ldw + j, ldw, w, -1, min(most, k - p))  # fmt: skip
            j += columns


@kernel(late=True)
def block(form, i0, i1, j0, j1, y, ldy, x, ldx, w, ldw, start, scratch, m, n, k, adds):
    """Rows i0..i1 and columns j0..j1 of y = start + a product of the given form, m x n; see `direct`.

    Without scratch (see block_size), which NT always has, x and w are read where they lie.
    """
    packs = scratch.size > 0 and packs_rows(m, n, k)
    if scratch.size > 0:
        skipped = to_line(scratch)
        scratch = vector(scratch, skipped, scratch.size - skipped)
    panels_at = _rows_size(m, n, k, y.itemsize) if packs else 0 * m
    panels = vector(scratch, panels_at, scratch.size - panels_at)
    height = rows_of_block(y.itemsize) if packs else max(i1 - i0, 1)
    most = terms_of_block(k)
    for p in range(0, max(k, 1), most):
        terms = min(most, k - p)
        for i in range(i0, i1, height):
            rows = min(height, i1 - i)
            x_at, row_x, column_x = (i + p * ldx, 1, ldx) if form == TN else (i * ldx + p, ldx, 1)
            if packs:
                apart = terms + GAP
                if form == TN:
                    pack_columns(scratch, 0, apart, x, x_at, ldx, terms, rows)
                else:
                    pack_rows(scratch, 0, apart, x, x_at, ldx, rows, terms)
                x_at, row_x, column_x = 0, 1, -apart
            j = j0
            while j < j1:
                panel_at = (j - j0) * terms if i1 - i0 > height else 0 * j
                j = _group(form, i, rows, j, j1, y, ldy, scratch if packs else x, x_at, row_x, column_x, w, ldw, start,
                           panels, panel_at, i == i0, is_wide(form, m, n, terms, y.itemsize), p, terms,
                           adds or p > 0)  # fmt: skip


@kernel(inlined=True)
def packs_panel(form, rows, straddles):
    """Whether so many rows of y are worth a panel of w, whose rows may straddle cache lines."""
    return form == NT or rows >= ALWAYS_PACKED_ROWS or (rows >= PACKED_ROWS and straddles)


@kernel(inlined=True)
def copies_panel(form, rows, columns, lanes):
    """Whether the first of so many rows of a stripe copy w to its panel while they are multiplied."""
    return KEEPS_PANELS and form != NT and rows >= PANEL_ROWS and columns % lanes == 0 and columns > lanes


@kernel(inlined=True)
def is_wide(form, m, n, terms, itemsize):
    """Whether rows of w are so long that several panels are copied at once, row after row: a panel by itself would ask
    for a line or two of each, from another page."""
    return form == NN and m <= WIDE_ROWS and n * itemsize > WIDE_BYTES and not is_grouped(terms)


@kernel(inlined=True)
def is_grouped(terms):
    """Whether so few terms are summed that the panels of several stripes stay in L1, and GROUP_ROWS pass over them."""
    return GROUP_ROWS > 0 and 2 * terms <= TERMS


@kernel(inlined=True)
def _copy_panels(j0, j1, group, panels, panel_at, w, p, ldw, terms):
    """The stripes of a group from column j0 on, of w, to their panels, a few rows at a time."""
    lanes = VECTOR_BYTES // w.itemsize
    for q in range(0, terms, WIDE_TERMS):
        j = j0
        while j < j1 and j - j0 + stripe_width(j1 - j, lanes) <= group:
            columns = stripe_width(j1 - j, lanes)
            copy_block(panels, panel_at + (j - j0) * terms + q * columns, columns, w, (p + q) * ldw + j, ldw,
                       min(WIDE_TERMS, terms - q), columns)  # fmt: skip
            j += columns


@kernel
def _group(form, i0, rows, j0, j1, y, ldy, x, x_at, row_x, column_x, w, ldw, start, panels, panel_at, fresh, wide, p,
           terms, goes_on):  # fmt: skip
    """Stripes of y from column j0 on, some rows at a time; panels are made where they are `fresh`, several at once
    where rows of w are `wide`; sums begin from start, or go on from y. Returns where it ended."""
    lanes = VECTOR_BYTES // y.itemsize
    straddles = ldw % lanes > 0 or begins_inside(w, VECTOR_BYTES)
    packs = panels.size > 0 and packs_panel(form, rows, straddles)
    group, height = VECTORS * lanes, rows
    if packs and is_grouped(terms):
        group, height = TERMS // max(terms, 1) * group, GROUP_ROWS
    elif packs and fresh and wide:
        group, fresh = WIDE_PANELS * group, False
        _copy_panels(j0, j1, group, panels, panel_at, w, p, ldw, terms)
    begin, ldb = (y, ldy) if goes_on else (start, 0)
    j = j0
    for r in range(0, rows, height):
        x_row = x_at + r * max(row_x, -column_x)
        j = j0
        while j < j1 and j - j0 + stripe_width(j1 - j, lanes) <= group:
            columns = stripe_width(j1 - j, lanes)
            y_at = (i0 + r) * ldy + j
            begin_at = y_at if goes_on else j if start.size > 0 else -1
            source, w_at, row_w, kept_at = w, p * ldw + j, ldw, -1
            if packs:
                panel = panel_at + (j - j0) * terms
                if fresh and r == 0 and copies_panel(form, min(height, rows), columns, lanes):
                    kept_at = panel
                else:
                    if fresh and r == 0 and form == NT:
                        transpose_block(panels, panel, columns, w, j * ldw + p, ldw, columns, terms)
                    elif fresh and r == 0:
                        copy_block(panels, panel, columns, w, w_at, ldw, terms, columns)
                    source, w_at, row_w = panels, panel, columns
            stripe(min(height, rows - r), columns, y, y_at, ldy, begin, begin_at, ldb, x, x_row, row_x, column_x,
                   source, w_at, row_w, panels, kept_at, terms)  # fmt: skip
            j += columns
    return j
