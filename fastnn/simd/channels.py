"""Products of vectors of channels, each channel with itself, as windows of a depthwise convolution are.

    y[r, c] = begin[r, c] + sum over s < segments, p < k of x[r, s, p, c] w[s, p, c]

each one chain of fused multiply-adds in the order of s and p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import for_range, for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.scalar import fma

# Rows at once, so that the chains, 4 cycles a term, do not wait for each other.
MOST_ROWS = 8


def _channels(rows: int, channels: int, y: Any, y_at: int, ldy: int, begin: Any, begin_at: int, ldb: int, x: Any,
              x_at: int, row_x: int, column_x: int, w: Any, w_at: int, ldw: int, k: int, segments: int, segment_x: int,
              segment_w: int) -> None:  # fmt: skip
    for r in range(rows):
        for c in range(channels):
            total = begin[begin_at + r * ldb + c] if begin_at >= 0 else y.dtype.type(0)
            for s in range(segments):
                x_row, w_row = x_at + s * segment_x + r * row_x + c, w_at + s * segment_w + c
                for p in range(k):
                    total = fma(x[x_row + p * column_x], w[w_row + p * ldw], total)
            y[y_at + r * ldy + c] = total


# Of x, w and sums, the sums after some more terms.
Grow = Callable[[Any, Any, list[Any]], list[Any]]


class _Terms(NamedTuple):
    """Where terms lie, as values of the function that is being built."""

    row_x: Any
    column_x: Any
    ldw: Any
    k: Any
    segments: Any
    segment_x: Any
    segment_w: Any


def _add_terms(emitter: VectorBuilder, sums: list[Any], x: Any, w: Any, of: _Terms, mask: Any) -> list[Any]:
    """The sums of some rows after all terms; of one vector of channels."""
    builder = emitter.builder

    def loop(count: Any, steps: tuple[Any, Any], x: Any, w: Any, sums: list[Any], grow: Grow) -> list[Any]:
        entry, body, done = builder.block, builder.append_basic_block("terms"), builder.append_basic_block("done")
        builder.branch(body)
        builder.position_at_end(body)
        first = [I64(0), x, w, *sums]
        carried = [builder.phi(value.type) for value in first]
        index, here_x, here_w, *growing = carried
        grown = grow(here_x, here_w, growing)
        following = [builder.add(index, I64(1)), emitter.at(here_x, steps[0]), emitter.at(here_w, steps[1]), *grown]
        for phi, value, next_value in zip(carried, first, following, strict=True):
            phi.add_incoming(value, entry)
            phi.add_incoming(next_value, builder.block)
        builder.cbranch(builder.icmp_signed("<", following[0], count), body, done)
        builder.position_at_end(done)
        return grown

    def one(x: Any, w: Any, sums: list[Any]) -> list[Any]:
        factor = emitter.load(w, mask)
        rows = [emitter.load(emitter.at(x, builder.mul(of.row_x, I64(r))), mask) for r in range(len(sums))]
        return [emitter.fma(row, factor, total) for row, total in zip(rows, sums, strict=True)]

    def segment(x: Any, w: Any, sums: list[Any]) -> list[Any]:
        return loop(of.k, (of.column_x, of.ldw), x, w, sums, one)

    return loop(of.segments, (of.segment_x, of.segment_w), x, w, sums, segment)


def _emit(builder: Any, itemsize: int, rows: Any, channels: Any, y: Any, ldy: Any, begin: Any, ldb: Any, x: Any,
          row_x: Any, column_x: Any, w: Any, ldw: Any, k: Any, segments: Any, segment_x: Any,
          segment_w: Any) -> None:  # fmt: skip
    emitter = VectorBuilder(builder, itemsize)
    of = _Terms(row_x, column_x, ldw, k, segments, segment_x, segment_w)
    from_zero = builder.icmp_unsigned("==", begin, ir.Constant(begin.type, None))
    # Of zeros a row is read where y lies, and not used.
    begin, ldb = builder.select(from_zero, y, begin), builder.select(from_zero, ldy, ldb)
    whole, rest = whole_and_rest(emitter, channels)

    def some_rows(height: int, row: Any, at: Any, mask: Any) -> None:
        below = [builder.add(row, I64(r)) for r in range(height)]
        starts = [emitter.load(emitter.at(begin, builder.add(builder.mul(r, ldb), at)), mask) for r in below]
        sums = [builder.select(from_zero, emitter.zero, start) for start in starts]
        first = emitter.at(x, builder.add(builder.mul(row, row_x), at))
        sums = _add_terms(emitter, sums, first, emitter.at(w, at), of, mask)
        for r, total in zip(below, sums, strict=True):
            emitter.store(total, emitter.at(y, builder.add(builder.mul(r, ldy), at)), mask)

    def all_rows(at: Any, mask: Any) -> None:
        many = builder.and_(rows, I64(-MOST_ROWS))
        with for_range_slice(builder, I64(0), many, I64(MOST_ROWS), intp=I64) as (row, _):
            some_rows(MOST_ROWS, row, at, mask)
        joined = builder.append_basic_block("joined")
        choice = builder.switch(builder.sub(rows, many), joined)
        for height in range(1, MOST_ROWS):
            block = builder.append_basic_block(f"rows.{height}")
            choice.add_case(I64(height), block)
            builder.position_at_end(block)
            some_rows(height, many, at, mask)
            builder.branch(joined)
        builder.position_at_end(joined)

    with for_range(builder, builder.udiv(whole, I64(emitter.lanes)), intp=I64) as loop:
        all_rows(builder.mul(loop.index, I64(emitter.lanes)), None)
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        all_rows(whole, emitter.mask(rest))


linkage.define("channels", "iipipipiipiiiii", _emit, linkage.WINDOWS)


@lowered(twin=_channels)
def each_channel(typingctx: Any, rows: Any, channels: Any, y: Any, y_at: Any, ldy: Any, begin: Any, begin_at: Any,
                 ldb: Any, x: Any, x_at: Any, row_x: Any, column_x: Any, w: Any, w_at: Any, ldw: Any, k: Any,
                 segments: Any, segment_x: Any, segment_w: Any) -> Any:  # fmt: skip
    """y[r] = begin[r] + the sum of all segments, r < rows. Arrays are flat, the first element at the offset beside it;
    begin_at = -1 begins from zero. x[r, s, p] lies at s * segment_x + r * row_x + p * column_x, w[s, p] at
    s * segment_w + p * ldw. rows, k and segments at least 1."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, channels = args[:2]
        itemsize = signature.args[2].dtype.bitwidth // 8
        y, begin, x, w = pointers(context, builder, signature, args, 2, 5, 8, 12)
        begin = builder.select(builder.icmp_signed("<", args[6], I64(0)), ir.Constant(begin.type, None), begin)
        operands = [rows, channels, y, args[4], begin, args[7], x, args[10], args[11], w, args[14], *args[15:]]
        linkage.call(context, builder, "channels", itemsize, operands)
        return context.get_dummy_value()

    size = types.intp
    arrays = (y, size, size, y, size, size, x, size, size, size, w, size, size)
    return types.void(size, size, *arrays, size, size, size, size), codegen
