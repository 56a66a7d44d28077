"""Tables of tokens and positions. B rows, T positions of each, V rows of a table, C features, s bytes of a number."""

from __future__ import annotations

from fastnn.cost.counts import Cost, Formula, whole_sizes

EMBEDDING = Formula(bytes="s·B·T + 2·s·B·T·C")
EMBEDDING_BACKWARD = Formula(flops_elementwise="B·T·C", bytes="s·B·T + s·B·T·C + s·V·C")
POSITIONS = Formula(flops_elementwise="B·T·C", bytes="2·s·B·T·C + s·T·C")
SINUSOIDS = Formula(flops_elementwise="B·T·C", transcendentals="T·C", bytes="2·s·B·T·C")
POSITIONS_BACKWARD = Formula(flops_elementwise="T·C·(B-1)", bytes="s·B·T·C + s·T·C")


def embedding_forward(rows: int, positions: int, width: int, itemsize: int = 4) -> Cost:
    """Reads an id and a row of the table for each position, and writes the row."""
    rows, positions, width, itemsize = whole_sizes(rows=rows, positions=positions, width=width, itemsize=itemsize)
    return EMBEDDING.cost(B=rows, T=positions, C=width, s=itemsize)


def embedding_backward(rows: int, positions: int, vocabulary: int, width: int, itemsize: int = 4) -> Cost:
    """Adds each gradient to its row of the table's, all of which is written."""
    rows, positions, vocabulary, width, itemsize = whole_sizes(
        rows=rows, positions=positions, vocabulary=vocabulary, width=width, itemsize=itemsize
    )
    return EMBEDDING_BACKWARD.cost(B=rows, T=positions, V=vocabulary, C=width, s=itemsize)


def positions_forward(rows: int, positions: int, width: int, itemsize: int = 4) -> Cost:
    """Adds a row of the table at each position."""
    rows, positions, width, itemsize = whole_sizes(rows=rows, positions=positions, width=width, itemsize=itemsize)
    return POSITIONS.cost(B=rows, T=positions, C=width, s=itemsize)


def positions_backward(rows: int, positions: int, width: int, itemsize: int = 4) -> Cost:
    """Sums over rows; that of the input is the gradient itself."""
    rows, positions, width, itemsize = whole_sizes(rows=rows, positions=positions, width=width, itemsize=itemsize)
    return POSITIONS_BACKWARD.cost(B=rows, T=positions, C=width, s=itemsize)


def sinusoids_forward(rows: int, positions: int, width: int, itemsize: int = 4) -> Cost:
    """Makes a sine or a cosine of each feature once for all rows, which are one batch, and adds it."""
    rows, positions, width, itemsize = whole_sizes(rows=rows, positions=positions, width=width, itemsize=itemsize)
    return SINUSOIDS.cost(B=rows, T=positions, C=width, s=itemsize)
