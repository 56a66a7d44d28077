"""Rows of a table by number: what tokens, and positions, are to a network.

    N ids   V rows of the table   C width   T positions
    ids (N,), whole numbers of any type   weight, dweight (V, C)   y, dy (N, C)

    y = weight[ids]    dweight[v] = sum of dy[n] over the n whose id is v, in their order

An id that is none of 0..V-1 is no access outside of the table: its row is NaN, and has no gradient.
Reference: fastnn.reference.embedding.
"""

from __future__ import annotations

import numpy as np

from fastnn.compiler.jit import kernel
from fastnn.kernels.residual import add, copy
from fastnn.simd.views import flat, vector


@kernel(inlined=True)
def _place(token, vocabulary):
    """The row of an id, -1 for one that is none."""
    if 0 <= token < vocabulary:
        place = int(token)
        return place if place == token else -1
    return -1


@kernel
def are_ids(values, vocabulary):
    """Whether all of a flat array are."""
    wrong = 0
    for i in range(values.size):
        wrong += _place(values[i], vocabulary) < 0
    return wrong == 0


@kernel
def embedding_forward(y, ids, weight):
    """Overwrites y. Rows are independent."""
    vocabulary, width = weight.shape
    for n in range(ids.size):
        place, row = _place(ids[n], vocabulary), vector(flat(y), n * width, width)
        if place < 0:
            row[:] = np.nan
        else:
            copy(row, vector(flat(weight), place * width, width))


@kernel
def embedding_gradient(dweight, dy, ids):
    """Overwrites dweight."""
    vocabulary, width = dweight.shape
    dweight[:] = 0
    for n in range(ids.size):
        place = _place(ids[n], vocabulary)
        if place >= 0:
            row = vector(flat(dweight), place * width, width)
            add(row, row, vector(flat(dy), n * width, width))


@kernel
def positions_forward(y, x, weight):
    """y (B, T C) = x + the first T rows of weight, flat. Rows are independent."""
    rows, width = y.shape
    table = vector(flat(weight), 0 * rows, width)
    for i in range(rows):
        add(vector(flat(y), i * width, width), vector(flat(x), i * width, width), table)


@kernel
def positions_gradient(dweight, dy):
    """Overwrites dweight, flat: the sums over rows of dy (B, T C), and 0 at positions that no row has."""
    rows, width = dy.shape
    dweight[:] = 0
    total = vector(dweight, 0 * rows, width)
    for i in range(rows):
        add(total, total, vector(flat(dy), i * width, width))
