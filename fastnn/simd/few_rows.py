"""Products of a row or a few with a matrix, and sums of its columns, at the speed at which memory gives the matrix.

A tile reads w in pieces as wide as the tile, a leading dimension apart. These read whole rows, several at a time, in
the order in which they lie. A product's sums are the chains of a tile: fused multiply-adds in the order of k.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import alloca_once, for_range, for_range_slice
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.scalar import fma

# Rows of w that pass over y together. GB/s at 1 x 1024 x 1024 and 1 x 2048 x 2048 with 4: 86 and 61, 8: 81 and 68, 16:
# 59 and 55.
TOGETHER = 8
# Rows of y that they pass over at once, and vectors of each. Zen 3, GFLOP/s of 8x1500x2048 with two vectors of 4 rows:
# 29.0, two of 6: 28, three or four of 2: 18, one of 4: 23; of 3x512x512 by itself, row after row: 29, so: 47.
HEIGHTS, ABREAST = (4, 2, 1), 2
# Sums of a column that grow side by side: a step of 256 rows of 3-4-2 3.97 us with one sum, 3.76 with 8.
CHAINS = 8


def _grow(y: Any, y_at: int, ldy: int, x: Any, x_at: int, ldx: int, w: Any, w_at: int, ldw: int, rows: int, k: int,
          n: int) -> None:  # fmt: skip
    for i in range(rows):
        for j in range(n):
            at = y_at + i * ldy + j
            for p in range(k):
                y[at] = fma(x[x_at + i * ldx + p], w[w_at + p * ldw + j], y[at])


def _grow_rows(emitter: VectorBuilder, y: Any, ldy: Any, x: Any, ldx: Any, w: Any, ldw: Any, rows: int, terms: int,
               n: Any, vectors: int) -> None:  # fmt: skip
    """y[:rows, :n] += x[:rows, :terms] @ w[:terms, :n], with literal rows and terms, so many vectors at a time."""
    builder = emitter.builder

    def apart(pointer: Any, stride: Any, count: int) -> list[Any]:
        return [emitter.at(pointer, builder.mul(stride, I64(each))) for each in range(count)]

    sums, starts = apart(y, ldy, rows), apart(w, ldw, terms)
    factors = [
        [emitter.broadcast(builder.load(emitter.at(row, p))) for row in apart(x, ldx, rows)] for p in range(terms)
    ]

    def part(at: Any, mask: Any, vectors: int = 1) -> None:
        places = [builder.add(at, I64(v * emitter.lanes)) for v in range(vectors)]
        totals = [[emitter.load(emitter.at(row, place), mask) for place in places] for row in sums]
        for start, of_rows in zip(starts, factors, strict=True):
            term = [emitter.load(emitter.at(start, place), mask) for place in places]
            totals = [
                [emitter.fma(factor, each, total) for each, total in zip(term, row, strict=True)]
                for factor, row in zip(of_rows, totals, strict=True)
            ]
        for row, values in zip(sums, totals, strict=True):
            for place, value in zip(places, values, strict=True):
                emitter.store(value, emitter.at(row, place), mask)

    whole, rest = whole_and_rest(emitter, n)
    done: Any = I64(0)
    for count in dict.fromkeys((vectors, 1)):
        end = builder.and_(n, I64(-count * emitter.lanes))
        with for_range_slice(builder, done, end, I64(count * emitter.lanes), intp=I64) as (at, _):
            part(at, None, count)
        done = end
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        part(whole, emitter.mask(rest))


def _in_steps(builder: Any, size: Any, steps: tuple[int, ...]) -> Iterator[tuple[Any, int]]:
    """From where on each step is taken, inside of the loop that takes it: as many as fit, then the next smaller."""
    done: Any = I64(0)
    for step in steps:
        end = builder.sub(size, builder.srem(builder.sub(size, done), I64(step)))
        with for_range_slice(builder, done, end, I64(step), intp=I64) as (at, _):
            yield at, step
        done = end


def _build_grow(
    builder: Any, itemsize: int, y: Any, ldy: Any, x: Any, ldx: Any, w: Any, ldw: Any, rows: Any, k: Any, n: Any
) -> None:
    emitter = VectorBuilder(builder, itemsize)
    with builder.if_else(builder.icmp_signed("==", rows, I64(1))) as (alone, several):
        # One row by itself, a vector at a time: 1x128x784 on Zen 5 2.57 us so, 2.68 by loops over rows and two vectors.
        with alone:
            for p, terms in _in_steps(builder, k, (TOGETHER, 1)):
                w_terms = emitter.at(w, builder.mul(p, ldw))
                _grow_rows(emitter, y, ldy, emitter.at(x, p), ldx, w_terms, ldw, 1, terms, n, 1)
        with several:
            for p, terms in _in_steps(builder, k, (TOGETHER, 1)):
                x_terms, w_terms = emitter.at(x, p), emitter.at(w, builder.mul(p, ldw))
                for i, height in _in_steps(builder, rows, HEIGHTS):
                    y_rows, x_rows = emitter.at(y, builder.mul(i, ldy)), emitter.at(x_terms, builder.mul(i, ldx))
                    _grow_rows(emitter, y_rows, ldy, x_rows, ldx, w_terms, ldw, height, terms, n, ABREAST)


linkage.define("grow", "pipipiiii", _build_grow)


@lowered(twin=_grow)
def grow(typingctx: Any, y: Any, y_at: Any, ldy: Any, x: Any, x_at: Any, ldx: Any, w: Any, w_at: Any, ldw: Any,
         rows: Any, k: Any, n: Any) -> Any:  # fmt: skip
    """y[:rows, :n] += x[:rows, :k] @ w[:k, :n], in flat arrays from the offset beside each: w passes by once for every
    few rows (see passes)."""
    return _of_three("grow", y, x, w)


def _of_three(name: str, y: Any, x: Any, w: Any) -> Any:
    """Signature and code of (y, y_at, ldy, x, x_at, ldx, w, w_at, ldw, three sizes)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        y, x, w = pointers(context, builder, signature, args, 0, 3, 6)
        values = [y, args[2], x, args[5], w, *args[8:]]
        linkage.call(context, builder, name, signature.args[0].dtype.bitwidth // 8, values)
        return context.get_dummy_value()

    size = types.intp
    return types.void(y, size, size, x, size, size, w, size, size, size, size, size), codegen


def passes(rows: int) -> int:
    """How often w passes by so many rows."""
    count = 0
    for height in HEIGHTS:
        count, rows = count + rows // height, rows % height
    return count


def _outer(y: Any, y_at: int, ldy: int, x: Any, x_at: int, ldx: int, w: Any, w_at: int, ldw: int, k: int, rows: int,
           n: int) -> None:  # fmt: skip
    for i in range(rows):
        for j in range(n):
            total = y.dtype.type(0)
            for p in range(k):
                total = fma(x[x_at + p * ldx + i], w[w_at + p * ldw + j], total)
            y[y_at + i * ldy + j] = total


def _build_outer(
    builder: Any, itemsize: int, y: Any, ldy: Any, x: Any, ldx: Any, w: Any, ldw: Any, k: Any, rows: Any, n: Any
) -> None:
    emitter = VectorBuilder(builder, itemsize)
    whole, rest = whole_and_rest(emitter, n)
    has_rest, mask = builder.icmp_signed("!=", rest, I64(0)), emitter.mask(rest)

    def add_term(row: Any, factor: Any, term: Any, grows: bool) -> None:
        def part(at: Any, mask: Any) -> None:
            total = emitter.load(emitter.at(row, at), mask) if grows else emitter.zero
            total = emitter.fma(factor, emitter.load(emitter.at(term, at), mask), total)
            emitter.store(total, emitter.at(row, at), mask)

        with for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (at, _):
            part(at, None)
        with builder.if_then(has_rest):
            part(whole, mask)

    with for_range(builder, rows, intp=I64) as turn:
        row, factors = emitter.at(y, builder.mul(turn.index, ldy)), emitter.at(x, turn.index)
        add_term(row, emitter.broadcast(builder.load(factors)), w, grows=False)
        with for_range_slice(builder, I64(1), k, I64(1), intp=I64) as (p, _):
            factor = emitter.broadcast(builder.load(emitter.at(factors, builder.mul(p, ldx))))
            add_term(row, factor, emitter.at(w, builder.mul(p, ldw)), grows=True)


linkage.define("outer", "pipipiiii", _build_outer)


@lowered(twin=_outer)
def outer(typingctx: Any, y: Any, y_at: Any, ldy: Any, x: Any, x_at: Any, ldx: Any, w: Any, w_at: Any, ldw: Any,
          k: Any, rows: Any, n: Any) -> Any:  # fmt: skip
    """y[:rows, :n] = x[:k, :rows].T @ w[:k, :n] for k >= 1, in flat arrays from the offset beside each: row by row."""
    return _of_three("outer", y, x, w)


def _column_sums(y: Any, x: Any, ldx: int, rows: int, n: int) -> None:
    for j in range(n):
        chains = np.zeros(CHAINS, y.dtype)
        for i in range(rows):
            chains[i % CHAINS if i < rows // CHAINS * CHAINS else 0] += x[i * ldx + j]
        count = CHAINS
        while count > 1:
            count //= 2
            for c in range(count):
                chains[c] += chains[c + count]
        y[j] = chains[0]


def _build_column_sums(builder: Any, itemsize: int, y: Any, x: Any, ldx: Any, rows: Any, n: Any) -> None:
    emitter = VectorBuilder(builder, itemsize)
    whole_rows = builder.and_(rows, I64(-CHAINS))
    chains = [alloca_once(builder, emitter.type) for _ in range(CHAINS)]

    def add(chain: Any, i: Any, at: Any, mask: Any) -> None:
        term = emitter.load(emitter.at(x, builder.add(builder.mul(i, ldx), at)), mask)
        builder.store(builder.fadd(builder.load(chain), term), chain)

    def part(at: Any, mask: Any) -> None:
        for chain in chains:
            builder.store(emitter.zero, chain)
        with for_range_slice(builder, I64(0), whole_rows, I64(CHAINS), intp=I64) as (i, _):
            for c, chain in enumerate(chains):
                add(chain, builder.add(i, I64(c)), at, mask)
        with for_range_slice(builder, whole_rows, rows, I64(1), intp=I64) as (i, _):
            add(chains[0], i, at, mask)
        totals = [builder.load(chain) for chain in chains]
        while len(totals) > 1:
            half = len(totals) // 2
            totals = [builder.fadd(a, b) for a, b in zip(totals[:half], totals[half:], strict=True)]
        emitter.store(totals[0], emitter.at(y, at), mask)

    whole, rest = whole_and_rest(emitter, n)
    with for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (at, _):
        part(at, None)
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        part(whole, emitter.mask(rest))


linkage.define("column_sums", "ppiii", _build_column_sums)


@lowered(twin=_column_sums)
def column_sums(typingctx: Any, y: Any, x: Any, ldx: Any, rows: Any, n: Any) -> Any:
    """y[:n] = x[:rows, :n] summed over its rows, in CHAINS interleaved sums; flat arrays."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        y, x = (context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1))
        linkage.call(context, builder, "column_sums", signature.args[0].dtype.bitwidth // 8, [y, x, *args[2:]])
        return context.get_dummy_value()

    size = types.intp
    return types.void(y, x, size, size, size), codegen
