"""The register tile of a product: rows x columns of y stay in registers while k runs.

    y[r, c] = fma(x[r, k-1], w[k-1, c], ... fma(x[r, 0], w[0, c], begin[r, c]))

Each element is one chain of fused multiply-adds in the order of k. However a product is cut into tiles, blocks and
threads, its bits are those of three plain loops.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from numba import types

from fastnn._jit import lowered
from fastnn.compiler.numba_private import for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, lanes_of, pointers
from fastnn.simd.host import UNIT
from fastnn.simd.scalar import fma

# Vectors of the widest tile.
VECTORS = max(UNIT.tiles)


class _Operands(NamedTuple):
    """The pointers and strides of a stripe, as values of the function that is being built; begin null: from zero."""

    y: Any
    ldy: Any
    begin: Any
    ldb: Any
    x: Any
    row_x: Any
    column_x: Any
    w: Any
    ldw: Any
    k: Any

    def of_row(self, builder: Any, row: Any) -> _Operands:
        """The operands of the rows from this one on."""
        y, x = (
            builder.gep(pointer, [builder.mul(row, stride)])
            for pointer, stride in ((self.y, self.ldy), (self.x, self.row_x))
        )
        begin = builder.gep(self.begin, [builder.mul(row, self.ldb)])
        return self._replace(y=y, x=x, begin=begin)


class _LastVector(NamedTuple):
    """Where the last vector of a row begins, in elements, and which of its lanes count (None: all).

    Where a mask takes a vector register, an edge of several vectors has none: its last one moves to the left until it
    ends with the row, and the lanes that two vectors share are computed twice, to the same bits. With AVX2 12 sums, 3
    vectors of w and a broadcast are all the registers that there are: 32x10x128 1.03 us for 1.12, 64x20x64 1.45 for
    1.58. With mask registers it would cost 1 to 2 %.
    """

    at: Any
    mask: Any = None


class _TileBuilder(VectorBuilder):
    """Emits the tile of one literal shape (rows x vectors) for one element type."""

    def __init__(self, builder: Any, rows: int, vectors: int, itemsize: int) -> None:
        super().__init__(builder, itemsize)
        self.rows, self.vectors = rows, vectors

    def row_of(self, pointer: Any, last: _LastVector) -> list[tuple[Any, Any]]:
        """Address and mask of each vector of a row."""
        inner: list[tuple[Any, Any]] = [(self.at(pointer, v * self.lanes), None) for v in range(self.vectors - 1)]
        return [*inner, (self.at(pointer, last.at), last.mask)]

    def load_row(self, pointer: Any, last: _LastVector) -> list[Any]:
        return [self.load(address, mask) for address, mask in self.row_of(pointer, last)]

    def store_row(self, values: list[Any], pointer: Any, last: _LastVector) -> None:
        for value, (address, mask) in zip(values, self.row_of(pointer, last), strict=True):
            self.store(value, address, mask)

    def prefetch_row(self, pointer: Any, writes: bool) -> None:
        for v in range(self.vectors):
            self.prefetch(self.at(pointer, v * self.lanes), writes)

    def rows_at(self, pointer: Any, stride: Any) -> list[Any]:
        return [self.at(pointer, self.builder.mul(stride, I64(r))) for r in range(self.rows)]

    def begin(self, begin: Any, ldb: Any, zero: Any, last: _LastVector) -> list[Any]:
        """The accumulators' first values: zeros, or the tile at `begin` (a bias is a tile whose rows are one row)."""
        builder = self.builder
        with builder.if_else(zero) as (zeros, loads):
            with zeros:
                zero_block = builder.block
            with loads:
                values = [value for row in self.rows_at(begin, ldb) for value in self.load_row(row, last)]
                load_block = builder.block
        merged = []
        for value in values:
            phi = builder.phi(self.type)
            phi.add_incoming(self.zero, zero_block)
            phi.add_incoming(value, load_block)
            merged.append(phi)
        return merged

    def grow(self, sums: list[Any], x_rows: list[Any], w_row: Any, last: _LastVector) -> list[Any]:
        """One more term of every sum; asks for w of the stripe to the right.

        Without: 32x2048x2048 94 GFLOP/s for 107, a step of 10 million parameters at batch 32 23.4 ms for 20.9.
        """
        w = self.load_row(w_row, last)
        self.prefetch_row(self.at(w_row, self.vectors * self.lanes), writes=False)
        x: Iterable[Any] = (self.broadcast(self.builder.load(row)) for row in x_rows)
        if last.mask is None or UNIT.masks:
            x = list(x)
        # Else one by one, each where it is used: the mask and eight of them at once would not leave room for the sums.
        rows = (sums[at : at + self.vectors] for at in range(0, len(sums), self.vectors))
        return [
            self.fma(each, v, total) for each, row in zip(x, rows, strict=True) for v, total in zip(w, row, strict=True)
        ]

    def prefetch_tile(self, y: Any, ldy: Any, index: Any) -> None:
        """Asks for one line of another tile of y: term after term for the next one, since all its lines at once would
        hold up the loads of w.

        2048 squared on Zen 5: 258 GFLOP/s so, 241 with all of them at the first term.
        """
        builder = self.builder
        row, beyond = builder.urem(index, I64(self.rows)), builder.udiv(index, I64(self.rows))
        last = I64(self.vectors - 1)
        vector = builder.select(builder.icmp_unsigned("<", beyond, last), beyond, last)
        line = builder.add(builder.mul(row, ldy), builder.mul(vector, I64(self.lanes)))
        self.prefetch(self.at(y, line), writes=True)

    def emit(self, at: _Operands, next_y: Any, from_zero: Any, last: _LastVector) -> None:
        """One tile: its first values, k terms, and the store, while y of the next one is on its way. k may be 0."""
        builder = self.builder
        first = self.begin(at.begin, at.ldb, from_zero, last)
        entry = builder.block
        loop, body, done = (builder.append_basic_block(name) for name in ("k.loop", "k.body", "k.done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        index = builder.phi(I64)
        sums = [builder.phi(self.type) for _ in first]
        builder.cbranch(builder.icmp_signed("<", index, at.k), body, done)

        builder.position_at_end(body)
        x_rows = self.rows_at(self.at(at.x, builder.mul(index, at.column_x)), at.row_x)
        grown = self.grow(sums, x_rows, self.at(at.w, builder.mul(index, at.ldw)), last)
        self.prefetch_tile(next_y, at.ldy, index)
        following = builder.add(index, I64(1))
        builder.branch(loop)

        index.add_incoming(I64(0), entry)
        index.add_incoming(following, body)
        for phi, value, later in zip(sums, first, grown, strict=True):
            phi.add_incoming(value, entry)
            phi.add_incoming(later, body)
        builder.position_at_end(done)
        for r, row in enumerate(self.rows_at(at.y, at.ldy)):
            self.store_row(sums[r * self.vectors : (r + 1) * self.vectors], row, last)


def _stripe(rows: int, columns: int, y: Any, y_at: int, ldy: int, begin: Any, begin_at: int, ldb: int, x: Any,
            x_at: int, row_x: int, column_x: int, w: Any, w_at: int, ldw: int, k: int) -> None:  # fmt: skip
    for r in range(rows):
        for c in range(columns):
            total = begin[begin_at + r * ldb + c] if begin_at >= 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[x_at + r * row_x + p * column_x], w[w_at + p * ldw + c], total)
            y[y_at + r * ldy + c] = total


def _emit_rows(tiles: list[_TileBuilder], rows: Any, operands: _Operands, from_zero: Any, last: _LastVector) -> None:
    """The rows in tiles of falling height; the last tile of the list is one row."""
    builder = tiles[0].builder
    to_the_right = tiles[0].at(operands.y, tiles[0].vectors * tiles[0].lanes)
    done: Any = I64(0)
    for emitter in tiles:
        left = builder.sub(rows, done)
        end = builder.add(done, builder.sub(left, builder.srem(left, I64(emitter.rows))))
        with for_range_slice(builder, done, end, I64(emitter.rows), intp=I64) as (row, _):
            below = builder.add(row, I64(emitter.rows))
            next_y = emitter.at(operands.y, builder.mul(below, operands.ldy))
            next_y = builder.select(builder.icmp_signed("<", below, rows), next_y, to_the_right)
            emitter.emit(operands.of_row(builder, row), next_y, from_zero, last)
        done = end


def _emit_stripe(builder: Any, itemsize: int, rows: Any, columns: Any, *args: Any, vectors: int) -> None:
    tiles = [_TileBuilder(builder, height, vectors, itemsize) for height in UNIT.tiles[vectors]]
    operands = _Operands(*args)
    from_zero = builder.icmp_unsigned("==", operands.begin, ir.Constant(operands.begin.type, None))
    lanes = tiles[0].lanes
    full = builder.icmp_signed("==", columns, I64(vectors * lanes))
    with builder.if_else(full) as (whole, edge):
        with whole:
            _emit_rows(tiles, rows, operands, from_zero, _LastVector(I64((vectors - 1) * lanes)))
        with edge:
            if vectors > 1 and not UNIT.masks:
                last = _LastVector(builder.sub(columns, I64(lanes)))
            else:
                inner = I64((vectors - 1) * lanes)
                last = _LastVector(inner, tiles[0].mask(builder.sub(columns, inner)))
            _emit_rows(tiles, rows, operands, from_zero, last)


for _vectors in UNIT.tiles:
    linkage.define(f"stripe_{_vectors}", "iipipipiipii", partial(_emit_stripe, vectors=_vectors))


@lowered(twin=_stripe)
def stripe(typingctx: Any, rows: Any, columns: Any, y: Any, y_at: Any, ldy: Any, begin: Any, begin_at: Any, ldb: Any,
           x: Any, x_at: Any, row_x: Any, column_x: Any, w: Any, w_at: Any, ldw: Any, k: Any) -> Any:  # fmt: skip
    """y[r, c] = begin[r, c] + x[r, :k] . w[:k, c] for r < rows, c < columns, at most as many as three vectors hold.

    All arrays are flat, the stripe's first element at the offset beside each; begin_at = -1 begins from zero. x[r, p]
    lies at r * row_x + p * column_x, so x is read transposed by exchanging the two.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, columns = args[:2]
        dtype = signature.args[2].dtype
        itemsize = dtype.bitwidth // 8
        y, begin, x, w = pointers(context, builder, signature, args, 2, 5, 8, 12)
        from_zero = builder.icmp_signed("<", args[6], I64(0))
        begin = builder.select(from_zero, ir.Constant(begin.type, None), begin)
        operands = (y, args[4], begin, args[7], x, args[10], args[11], w, args[14], args[15])
        for vectors in UNIT.tiles:
            inner, full = (I64(count * lanes_of(itemsize)) for count in (vectors - 1, vectors))
            wide = builder.and_(builder.icmp_signed(">", columns, inner), builder.icmp_signed("<=", columns, full))
            with builder.if_then(wide):
                linkage.call(context, builder, f"stripe_{vectors}", itemsize, [rows, columns, *operands])
        return context.get_dummy_value()

    size = types.intp
    operands = (y, size, size, y, size, size, x, size, size, size, w, size, size, size)
    return types.void(size, size, *operands), codegen
