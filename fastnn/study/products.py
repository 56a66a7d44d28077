"""What the kernels do for one product of matrices, by the way that they take: terms of the machine model.

    multiply-adds           of vectors
    loads, and straddling   vectors of w, a number of x for each row; of w where its rows straddle cache lines
    steps of tiles, tiles   terms that tiles sum, and tiles
    packed, rows packed     elements of w that are copied or transposed to panels, and of x
    passing by              elements of w, or of y, as often as they do; the rows of such, and multiply-adds with them

It asks the kernels themselves where they choose.
    M, N, K rows, columns and terms of a product   B batch   I inputs   O outputs
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any

from fastnn.kernels import dense
from fastnn.products import blocks, matmul
from fastnn.products.blocks import NN, NT, TN
from fastnn.simd.few_rows import passes
from fastnn.simd.host import PANEL_ROWS, TERMS, UNIT, VECTORS

Terms = dict[str, float]
FORMS = {NN: "forward", TN: "weight", NT: "input"}


def uncompiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Its Python function, and those that it calls: networks on paper have more multiply-adds than an int64 holds, and
    nothing compiles."""
    function: Any = getattr(kernel, "py_func", kernel)
    names = {name: function.__globals__.get(name) for name in function.__code__.co_names}
    called = {name: uncompiled(value) for name, value in names.items() if hasattr(value, "py_func")}
    return FunctionType(function.__code__, function.__globals__ | called)


_is_few, _is_swapped, _packs_rows = map(uncompiled, (matmul.is_few, matmul.is_swapped, blocks.packs_rows))
_packs_panel, _copies_panel, _is_grouped, _is_wide = map(
    uncompiled, (blocks.packs_panel, blocks.copies_panel, blocks.is_grouped, blocks.is_wide)
)
_rows_of_block, _terms_of_block, _stripe_width = map(
    uncompiled, (blocks.rows_of_block, blocks.terms_of_block, blocks.stripe_width)
)
_block_rows, _chunk_shape = map(uncompiled, (dense.block_rows, dense.chunk_shape))


def summed(found: Iterable[Terms]) -> Terms:
    total: defaultdict[str, float] = defaultdict(float)
    for terms in found:
        for name, amount in terms.items():
            total[name] += amount
    return dict(total)


def times(factor: float, terms: Terms) -> Terms:
    return {name: factor * amount for name, amount in terms.items()}


def parts(size: int, most: int) -> Iterator[tuple[int, int]]:
    """Parts of at most so many that a size is made of, and how often each occurs."""
    if size >= most:
        yield most, size // most
    if size % most:
        yield size % most, 1


def product(form: int, m: int, n: int, k: int, itemsize: int) -> Terms:
    """Of one product with all the scratch that it can use."""
    return _scalar(form, m, n, k) or _named(form, _rectangle(form, m, n, k, itemsize, n))


def weight_gradient(inputs: int, outputs: int, batch: int, itemsize: int) -> Terms:
    """Of the product (I, O) as a dense layer updates by it with sgd: blocks of rows, chunk by chunk."""
    if batch == 1:  # each row of the weight goes down by a number times that of the outputs
        return _scalar(TN, inputs, outputs, 1) or _named(TN, _few(TN, inputs, outputs, 1, itemsize, outputs))
    high, wide = _chunk_shape(batch, outputs, outputs)
    found = (
        times(count * chunks * across, _rectangle(TN, height, width, batch, itemsize, outputs))
        for rows, count in parts(inputs, _block_rows(batch, outputs, itemsize))
        for height, chunks in parts(rows, high)
        for width, across in parts(outputs, wide)
    )
    return _scalar(TN, inputs, outputs, batch) or _named(TN, summed(found))


def weight_gradient_of_rows(inputs: int, outputs: int, batch: int, itemsize: int) -> Terms:
    """The same as it is made where the batch goes in chunks: whole and without scratch."""
    return _named(TN, _rectangle(TN, inputs, outputs, batch, itemsize, outputs, scratch=False))


def input_gradient(batch: int, inputs: int, outputs: int, itemsize: int) -> Terms:
    """Of the product (B, I) as a dense layer makes it: for a block of rows of the weight at a time."""
    if tiny := _scalar(NT, batch, inputs, outputs):
        return tiny
    rows = _block_rows(batch, outputs, itemsize)
    if _is_swapped(batch, inputs, outputs, itemsize):
        return _named(NT, _swapped(batch, inputs, outputs, itemsize, rows))
    found = (
        times(count, _rectangle(NT, batch, columns, outputs, itemsize, outputs))
        for columns, count in parts(inputs, rows)
    )
    return _named(NT, summed(found))


def _named(form: int, terms: Terms) -> Terms:
    return {f"{FORMS[form]}, {name}": amount for name, amount in terms.items()}


def _scalar(form: int, m: int, n: int, k: int) -> Terms:
    """Of three scalar loops, or nothing where the product is too large for them."""
    if m * n * k > matmul.TINY_MACS:
        return {}
    return _named(form, {"scalar multiply-adds": m * n * k, "scalar outputs": m * n})


def _rectangle(form: int, m: int, n: int, k: int, itemsize: int, ldw: int, scratch: bool = True) -> Terms:
    """As matmul.rectangle goes. ldw: elements from one row of w to the next."""
    if _is_few(form, m, n, k, itemsize):
        return _few(form, m, n, k, itemsize, ldw)
    if form == NT and _is_swapped(m, n, k, itemsize):
        return _swapped(m, n, k, itemsize, n)
    return _block(form, m, n, k, itemsize, ldw, scratch)


def _few(form: int, m: int, n: int, k: int, itemsize: int, ldw: int) -> Terms:
    turns = passes(m) if form == NN else m
    elements, rows = turns * n * k, turns * (n if form == NT else k)
    straddling = elements * _straddles(form, ldw, itemsize)
    found: Terms = {"passing by": elements, "passing by, rows": rows, "passing by, straddling": straddling}
    if form == NN:
        found["passing by, multiply-adds"] = m * n * k
    return found


def _straddles(form: int, ldw: int, itemsize: int) -> bool:
    return form != NT and ldw * itemsize % UNIT.bytes > 0


def _swapped(m: int, n: int, k: int, itemsize: int, at_once: int) -> Terms:
    """Of so many rows of y.T = w @ x.T at once; x and y are transposed."""
    lanes = UNIT.bytes // itemsize
    found = (
        times(count * times_over * turns, stripe(rows, m, terms, lanes))
        for columns, count in parts(n, at_once)
        for rows, times_over in parts(columns, matmul.SWAPPED_ROWS)
        for terms, turns in parts(k, TERMS)
    )
    return summed([{"swapped": m * k + m * n}, *found])


def _block(form: int, m: int, n: int, k: int, itemsize: int, ldw: int, scratch: bool) -> Terms:
    """As blocks.block goes: blocks of rows, of terms, stripes."""
    lanes, straddles = UNIT.bytes // itemsize, _straddles(form, ldw, itemsize)
    packs_x = scratch and _packs_rows(m, n, k)
    found: list[Terms] = [{"rows packed": m * k * packs_x}]
    for rows, count, is_first in _blocks(m, _rows_of_block(itemsize) if packs_x else m):
        panels = scratch and _packs_panel(form, rows, straddles)
        found.append({"packed": n * k * (panels and is_first)})
        for terms, turns in parts(k, _terms_of_block(k)):
            group = blocks.GROUP_ROWS if panels and _is_grouped(terms) else rows
            fuses = panels and is_first and not _is_wide(form, m, n, terms, itemsize)
            for columns, stripes in stripes_of(n, lanes):
                copies = fuses and _copies_panel(form, min(group, rows), columns, lanes)
                each = stripe(rows, columns, terms, lanes, group, packs_x, copies, straddles and not panels)
                found.append(times(count * turns * stripes, each))
    return summed(found)


def _blocks(size: int, most: int) -> Iterator[tuple[int, int, bool]]:
    """Parts of at most so many, how often each occurs, and whether it is the first of all."""
    first = min(size, most)
    yield first, 1, True
    for rows, count in parts(size - first, most):
        yield rows, count, False


def stripes_of(n: int, lanes: int) -> Iterator[tuple[int, int]]:
    """Columns of stripes as wide as a tile can be, and how many there are of each."""
    widest = VECTORS * lanes
    whole = max(n // widest - 1, 0)  # what follows fewer than two of the widest is asked of the kernel
    if whole:
        yield widest, whole
    left = n - whole * widest
    while left:
        yield (columns := _stripe_width(left, lanes)), 1
        left -= columns


def stripe(
    rows: int, columns: int, terms: int, lanes: int, group: int = 0, packed: bool = False, copies: bool = False,
    straddles: bool = False,
) -> Terms:  # fmt: skip
    """Of one stripe from top to bottom, `group` rows (0: all) at a time. packed: x is. copies: the first tile does, to
    a panel of w. straddles: rows of w are read that do."""
    vectors = -(-columns // lanes)
    tiles = sum(
        count * _tiles(vectors, height, packed, copies and is_first)
        for height, count, is_first in _blocks(rows, group or rows)
    )
    return {
        "multiply-adds": terms * rows * vectors,
        "loads": terms * (rows + vectors * tiles),
        "loads, straddling": straddles * terms * vectors * tiles,
        "steps of tiles": terms * tiles,
        "tiles": tiles,
    }


def _tiles(vectors: int, rows: int, packed: bool, copies: bool) -> int:
    """Tiles of falling height that so many rows are made of, none higher than a panel of x where it is packed, nor the
    first one where it copies w."""
    count = 0
    if copies:
        count, rows = 1, rows - next(height for height in UNIT.tiles[vectors] if height <= PANEL_ROWS)
    for height in UNIT.tiles[vectors]:
        if height <= PANEL_ROWS or not packed:
            count += rows // height
            rows %= height
    return count
