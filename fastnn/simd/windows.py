"""Products whose terms lie in segments, as those under the rows of a window do.

    y[r, c] = begin[r, c] + sum over s < segments, p < k of x[r, s, p] w[s, p, c]

by the register tiles of tile.py: sums stay in registers over all segments, each one chain of fused multiply-adds in the
order of s and p. Rows of an image are few, and seldom as many as a tile has: a tile is made for every height, and rows
are shared evenly among as few tiles as can be. LeNet's second convolution, 10 rows of 16 columns and 150 terms, took
5.8 us an image by a product for each row of a window, in tiles of 8 and 2 rows, and takes 3.6 so.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import for_range, for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, lanes_of, pointers, whole_and_rest
from fastnn.simd.host import UNIT
from fastnn.simd.scalar import fma
from fastnn.simd.tile import LastVector, Operands, TileBuilder


def _windows(rows: int, columns: int, y: Any, y_at: int, ldy: int, begin: Any, begin_at: int, ldb: int, x: Any,
             x_at: int, row_x: int, column_x: int, w: Any, w_at: int, ldw: int, k: int, segments: int, segment_x: int,
             segment_w: int) -> None:  # fmt: skip
    for r in range(rows):
        for c in range(columns):
            total = begin[begin_at + r * ldb + c] if begin_at >= 0 else y.dtype.type(0)
            for s in range(segments):
                x_row, w_row = x_at + s * segment_x + r * row_x, w_at + s * segment_w + c
                for p in range(k):
                    total = fma(x[x_row + p * column_x], w[w_row + p * ldw], total)
            y[y_at + r * ldy + c] = total


def _add_segments(
    tile: TileBuilder, at: Operands, sums: list[Any], last: LastVector, segments: Any, apart: tuple[Any, Any]
) -> list[Any]:  # fmt: skip
    """The sums after all terms of all segments, at least one."""
    builder = tile.builder
    entry, loop, done = builder.block, builder.append_basic_block("segment"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    first = [I64(0), at.x, at.w, *sums]
    carried = [builder.phi(value.type) for value in first]
    index, x, w, *growing = carried
    grown = tile.add_terms(at._replace(x=x, w=w), growing, at.y, last)
    following = [builder.add(index, I64(1)), tile.at(x, apart[0]), tile.at(w, apart[1]), *grown]
    end = builder.block
    builder.cbranch(builder.icmp_signed("<", following[0], segments), loop, done)
    for phi, value, next_value in zip(carried, first, following, strict=True):
        phi.add_incoming(value, entry)
        phi.add_incoming(next_value, end)
    builder.position_at_end(done)
    return grown


def _emit_tiles(
    builder: Any, itemsize: int, vectors: int, rows: Any, at: Operands, last: LastVector, segments: Any,
    apart: tuple[Any, Any],
) -> None:  # fmt: skip
    """The rows in as few tiles as can be, whose heights differ by one at most, the higher ones first."""
    most = UNIT.tiles[vectors][0]
    count = builder.udiv(builder.add(rows, I64(most - 1)), I64(most))
    least, higher = builder.udiv(rows, count), builder.urem(rows, count)
    from_zero = builder.icmp_unsigned("==", at.begin, ir.Constant(at.begin.type, None))
    with for_range(builder, count, intp=I64) as loop:
        before = builder.icmp_signed("<", loop.index, higher)
        row = builder.add(builder.mul(loop.index, least), builder.select(before, loop.index, higher))
        height = builder.add(least, builder.zext(before, I64))
        here = at._replace(
            y=builder.gep(at.y, [builder.mul(row, at.ldy)]), begin=builder.gep(at.begin, [builder.mul(row, at.ldb)]),
            x=builder.gep(at.x, [builder.mul(row, at.row_x)]),
        )  # fmt: skip
        joined = builder.append_basic_block("joined")
        choice = builder.switch(height, joined)
        for rows_of_tile in range(1, most + 1):
            block = builder.append_basic_block(f"rows.{rows_of_tile}")
            choice.add_case(I64(rows_of_tile), block)
            builder.position_at_end(block)
            tile = TileBuilder(builder, rows_of_tile, vectors, itemsize, asks=False)
            sums = tile.begin(here.begin, here.ldb, from_zero, last)
            tile.store_tile(here, _add_segments(tile, here, sums, last, segments, apart), last)
            builder.branch(joined)
        builder.position_at_end(joined)


def _emit(builder: Any, itemsize: int, rows: Any, columns: Any, y: Any, ldy: Any, begin: Any, ldb: Any, x: Any,
          row_x: Any, column_x: Any, w: Any, ldw: Any, k: Any, segments: Any, segment_x: Any, segment_w: Any,
          vectors: int) -> None:  # fmt: skip
    at = Operands(y, ldy, begin, ldb, x, row_x, column_x, w, ldw, k, ir.Constant(w.type, None))
    emit = partial(_emit_tiles, builder, itemsize, vectors, rows, at, segments=segments, apart=(segment_x, segment_w))
    lanes = lanes_of(itemsize)
    inner = I64((vectors - 1) * lanes)
    mask = VectorBuilder(builder, itemsize).mask
    if UNIT.masks:
        emit(LastVector(inner, mask(builder.sub(columns, inner))))
    elif vectors > 1:
        emit(LastVector(builder.sub(columns, I64(lanes))))
    else:
        with builder.if_else(builder.icmp_signed("==", columns, I64(lanes))) as (whole, edge):
            with whole:
                emit(LastVector(inner))
            with edge:
                emit(LastVector(inner, mask(columns)))


for _vectors in UNIT.tiles:
    linkage.define(f"windows_{_vectors}", "iipipipiipiiiii", partial(_emit, vectors=_vectors), linkage.WINDOWS)


@lowered(twin=_windows)
def windows(typingctx: Any, rows: Any, columns: Any, y: Any, y_at: Any, ldy: Any, begin: Any, begin_at: Any, ldb: Any,
            x: Any, x_at: Any, row_x: Any, column_x: Any, w: Any, w_at: Any, ldw: Any, k: Any, segments: Any,
            segment_x: Any, segment_w: Any) -> Any:  # fmt: skip
    """y[r, c] = begin[r, c] + the sum of all segments, r < rows, c < columns, at most as many as three vectors hold.

    All arrays are flat, the first element at the offset beside each; begin_at = -1 begins from zero. x[r, s, p] lies at
    s * segment_x + r * row_x + p * column_x, w[s, p, c] at s * segment_w + p * ldw + c. rows, segments at least 1.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, columns = args[:2]
        itemsize = signature.args[2].dtype.bitwidth // 8
        y, begin, x, w = pointers(context, builder, signature, args, 2, 5, 8, 12)
        from_zero = builder.icmp_signed("<", args[6], I64(0))
        begin = builder.select(from_zero, ir.Constant(begin.type, None), begin)
        operands = [rows, columns, y, args[4], begin, args[7], x, args[10], args[11], w, args[14], *args[15:]]
        for vectors in UNIT.tiles:
            inner, full = (I64(count * lanes_of(itemsize)) for count in (vectors - 1, vectors))
            wide = builder.and_(builder.icmp_signed(">", columns, inner), builder.icmp_signed("<=", columns, full))
            with builder.if_then(wide):
                linkage.call(context, builder, f"windows_{vectors}", itemsize, operands)
        return context.get_dummy_value()

    size = types.intp
    arrays = (y, size, size, y, size, size, x, size, size, size, w, size, size)
    return types.void(size, size, *arrays, size, size, size, size), codegen


def _fold(y: Any, y_at: int, a: Any, a_at: int, apart: int, count: int, columns: int) -> None:
    for c in range(columns):
        total = y.dtype.type(0)
        for j in range(count):
            total += a[a_at + j * apart + c]
        y[y_at + c] = total


def _emit_fold(builder: Any, itemsize: int, y: Any, a: Any, apart: Any, count: Any, columns: Any) -> None:
    emitter = VectorBuilder(builder, itemsize)

    def part(at: Any, mask: Any) -> None:
        entry, first = builder.block, emitter.at(a, at)
        loop, body, done = (builder.append_basic_block(name) for name in ("fold", "fold.one", "folded"))
        builder.branch(loop)
        builder.position_at_end(loop)
        index, here, total = (builder.phi(kind) for kind in (I64, first.type, emitter.type))
        builder.cbranch(builder.icmp_signed("<", index, count), body, done)
        builder.position_at_end(body)
        following = builder.add(index, I64(1)), emitter.at(here, apart), builder.fadd(total, emitter.load(here, mask))
        builder.branch(loop)
        for phi, begin, value in zip((index, here, total), (I64(0), first, emitter.zero), following, strict=True):
            phi.add_incoming(begin, entry)
            phi.add_incoming(value, body)
        builder.position_at_end(done)
        emitter.store(total, emitter.at(y, at), mask)

    whole, rest = whole_and_rest(emitter, columns)
    with for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (at, _):
        part(at, None)
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        part(whole, emitter.mask(rest))


linkage.define("fold", "ppiii", _emit_fold, linkage.WINDOWS)


@lowered(twin=_fold)
def fold(typingctx: Any, y: Any, y_at: Any, a: Any, a_at: Any, apart: Any, count: Any, columns: Any) -> Any:
    """y[:columns] = the sum of `count` rows of a, `apart` elements apart, in their order; arrays as of windows."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = pointers(context, builder, signature, args, 0, 2)
        itemsize = signature.args[0].dtype.bitwidth // 8
        linkage.call(context, builder, "fold", itemsize, [target, source, *args[4:]])
        return context.get_dummy_value()

    size = types.intp
    return types.void(y, size, a, size, size, size, size), codegen
