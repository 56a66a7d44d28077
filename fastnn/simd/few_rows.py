"""Products of a row or a few with a matrix, at the speed at which memory gives the matrix.

A tile of one row reads w in pieces as wide as the tile, a leading dimension apart. These read whole rows, several at a
time, in the order in which they lie. The sums are the chains of a tile: fused multiply-adds in the order of k.
"""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types

from fastnn._jit import lowered
from fastnn.simd import linkage
from fastnn.simd.emit import I32, I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.scalar import fma

# Rows of w that pass over y together. GB/s at 1 x 1024 x 1024 and 1 x 2048 x 2048 with 4: 86 and 61, 8: 81 and 68, 16:
# 59 and 55.
TOGETHER = 8


def _of_row(name: str, y: Any, x: Any, w: Any) -> Any:
    """Signature and code of (y, y_at, x, x_at, w, w_at, ldw, k, n)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [*pointers(context, builder, signature, args, 0, 2, 4), *args[6:]]
        linkage.call(context, builder, name, y.dtype.bitwidth // 8, values)
        return context.get_dummy_value()

    size = types.intp
    return types.void(y, size, x, size, w, size, size, size, size), codegen


def _grow(y: Any, y_at: int, x: Any, x_at: int, w: Any, w_at: int, ldw: int, k: int, n: int) -> None:
    for j in range(n):
        for p in range(k):
            y[y_at + j] = fma(x[x_at + p], w[w_at + p * ldw + j], y[y_at + j])


def _grow_rows(emitter: VectorBuilder, y: Any, x: Any, w: Any, ldw: Any, rows: int, n: Any) -> None:
    """y[:n] += x[:rows] @ w[:rows, :n], with literal rows."""
    builder = emitter.builder
    factors = [emitter.broadcast(builder.load(emitter.at(x, r))) for r in range(rows)]
    starts = [emitter.at(w, builder.mul(ldw, I64(r))) for r in range(rows)]

    def part(at: Any, mask: Any) -> None:
        total = emitter.load(emitter.at(y, at), mask)
        for factor, start in zip(factors, starts, strict=True):
            total = emitter.fma(factor, emitter.load(emitter.at(start, at), mask), total)
        emitter.store(total, emitter.at(y, at), mask)

    whole, rest = whole_and_rest(emitter, n)
    with cgutils.for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (at, _):
        part(at, None)
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        part(whole, emitter.mask(rest))


def _build_grow(builder: Any, itemsize: int, y: Any, x: Any, w: Any, ldw: Any, k: Any, n: Any) -> None:
    emitter = VectorBuilder(builder, itemsize)
    done: Any = I64(0)
    for rows in (TOGETHER, 1):
        left = builder.sub(k, done)
        end = builder.add(done, builder.sub(left, builder.srem(left, I64(rows))))
        with cgutils.for_range_slice(builder, done, end, I64(rows), intp=I64) as (p, _):
            _grow_rows(emitter, y, emitter.at(x, p), emitter.at(w, builder.mul(p, ldw)), ldw, rows, n)
        done = end


linkage.define("grow", "pppiii", _build_grow)


@lowered(twin=_grow)
def grow(typingctx: Any, y: Any, y_at: Any, x: Any, x_at: Any, w: Any, w_at: Any, ldw: Any, k: Any, n: Any) -> Any:
    """y[:n] += x[:k] @ w[:k, :n], in flat arrays from the offset beside each."""
    return _of_row("grow", y, x, w)


def _dots(y: Any, y_at: int, x: Any, x_at: int, w: Any, w_at: int, ldw: int, k: int, n: int) -> None:
    for j in range(n):
        total = y.dtype.type(0)
        for p in range(k):
            total = fma(x[x_at + p], w[w_at + j * ldw + p], total)
        y[y_at + j] = total


def _square(emitter: VectorBuilder, total: Any, x: Any, w: Any, ldw: Any) -> Any:
    """`total`, a lane a row of w, grown by a square of w; the bound is the shuffles: 4 for each row of 16 floats.

    GB/s at 1 x 2048 x 2048: 43, and 35 with loads of 16 bytes that leave half of the shuffles, as 16 rows of a power of
    two fight for the same lines of L1 while they are read in four goes; two squares at a time spill.
    """
    rows = [emitter.load(emitter.at(w, emitter.builder.mul(ldw, I64(r)))) for r in range(emitter.lanes)]
    for p, column in enumerate(emitter.transpose(rows)):
        total = emitter.fma(emitter.broadcast(emitter.builder.load(emitter.at(x, p))), column, total)
    return total


def _edge(emitter: VectorBuilder, total: Any, x: Any, w: Any, ldw: Any, terms: Any, rows: Any) -> Any:
    """The same for only so many terms and rows, touching no others."""
    builder = emitter.builder
    inside, nothing = emitter.mask(terms), emitter.mask(I64(0))
    loaded = []
    for r in range(emitter.lanes):
        mask = builder.select(builder.icmp_signed("<", I64(r), rows), inside, nothing)
        loaded.append(emitter.load(emitter.at(w, builder.mul(ldw, I64(r))), mask))
    factors = emitter.load(x, inside)
    for p, column in enumerate(emitter.transpose(loaded)):
        factor = emitter.broadcast(builder.extract_element(factors, I32(p)))
        # Not only a product with 0: -0 + 0 is 0.
        total = builder.select(builder.icmp_signed("<", I64(p), terms), emitter.fma(factor, column, total), total)
    return total


def _build_dots(builder: Any, itemsize: int, y: Any, x: Any, w: Any, ldw: Any, k: Any, n: Any) -> None:
    emitter = VectorBuilder(builder, itemsize)
    lanes = I64(emitter.lanes)
    whole, _ = whole_and_rest(emitter, k)
    sums = cgutils.alloca_once(builder, emitter.type)
    with cgutils.for_range_slice(builder, I64(0), n, lanes, intp=I64) as (j, _):
        builder.store(emitter.zero, sums)
        row, rows = emitter.at(w, builder.mul(j, ldw)), builder.sub(n, j)
        end = builder.select(builder.icmp_signed(">=", rows, lanes), whole, I64(0))
        with cgutils.for_range_slice(builder, I64(0), end, lanes, intp=I64) as (p, _):
            at = emitter.at(x, p), emitter.at(row, p), ldw
            builder.store(_square(emitter, builder.load(sums), *at), sums)
        with cgutils.for_range_slice(builder, end, k, lanes, intp=I64) as (p, _):
            at = emitter.at(x, p), emitter.at(row, p), ldw
            builder.store(_edge(emitter, builder.load(sums), *at, builder.sub(k, p), rows), sums)
        emitter.store(builder.load(sums), emitter.at(y, j), emitter.mask(rows))


linkage.define("dots", "pppiii", _build_dots)


@lowered(twin=_dots)
def dots(typingctx: Any, y: Any, y_at: Any, x: Any, x_at: Any, w: Any, w_at: Any, ldw: Any, k: Any, n: Any) -> Any:
    """y[:n] = x[:k] @ w[:n, :k].T, in flat arrays from the offset beside each: squares of w transposed in registers."""
    return _of_row("dots", y, x, w)
