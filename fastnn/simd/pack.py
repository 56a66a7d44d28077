"""Copies of blocks of matrices, as they are or transposed, at the speed of whole vectors.

A plain loop copies rows of 48 floats one by one: LLVM's own loop moves four vectors at a time and leaves the rest.
"""

from __future__ import annotations

from typing import Any

from numba import types

from fastnn._jit import lowered
from fastnn.compiler.numba_private import for_range, for_range_slice
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, pointers, whole_and_rest


def _of_blocks(name: str, t: Any, a: Any) -> Any:
    """Signature and code of (t, t_at, ldt, a, a_at, lda, rows, columns)."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = pointers(context, builder, signature, args, 0, 3)
        values = [target, source, args[2], args[5], args[6], args[7]]
        linkage.call(context, builder, name, t.dtype.bitwidth // 8, values)
        return context.get_dummy_value()

    size = types.intp
    return types.void(t, size, size, a, size, size, size, size), codegen


def _copy_block(t: Any, t_at: int, ldt: int, a: Any, a_at: int, lda: int, rows: int, columns: int) -> None:
    for i in range(rows):
        for j in range(columns):
            t[t_at + i * ldt + j] = a[a_at + i * lda + j]


def _build_copy(
    builder: Any, itemsize: int, target: Any, source: Any, ldt: Any, lda: Any, rows: Any, columns: Any
) -> None:
    emitter = VectorBuilder(builder, itemsize)
    whole, rest = whole_and_rest(emitter, columns)
    mask = emitter.mask(rest)
    with for_range(builder, rows, intp=I64) as row:
        to, of = (emitter.at(p, builder.mul(row.index, ld)) for p, ld in ((target, ldt), (source, lda)))
        with for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (at, _):
            emitter.store(emitter.load(emitter.at(of, at)), emitter.at(to, at))
        with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
            emitter.store(emitter.load(emitter.at(of, whole), mask), emitter.at(to, whole), mask)


linkage.define("copy", "ppiiii", _build_copy)


@lowered(twin=_copy_block)
def copy_block(
    typingctx: Any, t: Any, t_at: Any, ldt: Any, a: Any, a_at: Any, lda: Any, rows: Any, columns: Any
) -> Any:
    """t[i, j] = a[i, j] for i < rows, j < columns, in flat arrays from the offset beside each."""
    return _of_blocks("copy", t, a)


def _transpose_block(t: Any, t_at: int, ldt: int, a: Any, a_at: int, lda: int, rows: int, columns: int) -> None:
    for i in range(rows):
        for j in range(columns):
            t[t_at + j * ldt + i] = a[a_at + i * lda + j]


def _transpose_square(emitter: VectorBuilder, to: Any, ldt: Any, of: Any, lda: Any, rows: Any, columns: Any) -> None:
    """One square of lanes x lanes through registers, or what of it the rows and columns (None: all) leave."""
    builder, lanes = emitter.builder, emitter.lanes
    inside = None if columns is None else emitter.mask(columns)
    nothing = None if columns is None else emitter.mask(I64(0))
    vectors = []
    for r in range(lanes):
        mask = None if inside is None else builder.select(builder.icmp_signed("<", I64(r), rows), inside, nothing)
        vectors.append(emitter.load(emitter.at(of, builder.mul(lda, I64(r))), mask))
    written = None if rows is None else emitter.mask(rows)
    for c, vector in enumerate(emitter.transpose(vectors)):
        mask = None
        if written is not None:
            mask = builder.select(builder.icmp_signed("<", I64(c), columns), written, nothing)
        emitter.store(vector, emitter.at(to, builder.mul(ldt, I64(c))), mask)


def _build_transpose(
    builder: Any, itemsize: int, target: Any, source: Any, ldt: Any, lda: Any, rows: Any, columns: Any
) -> None:
    emitter = VectorBuilder(builder, itemsize)
    lanes = I64(emitter.lanes)
    with (
        for_range_slice(builder, I64(0), rows, lanes, intp=I64) as (i, _),
        for_range_slice(builder, I64(0), columns, lanes, intp=I64) as (j, _),
    ):
        to = emitter.at(target, builder.add(builder.mul(j, ldt), i))
        of = emitter.at(source, builder.add(builder.mul(i, lda), j))
        left, below = builder.sub(rows, i), builder.sub(columns, j)
        whole = builder.and_(builder.icmp_signed(">=", left, lanes), builder.icmp_signed(">=", below, lanes))
        with builder.if_else(whole) as (square, edge):
            with square:
                _transpose_square(emitter, to, ldt, of, lda, None, None)
            with edge:
                _transpose_square(emitter, to, ldt, of, lda, left, below)


linkage.define("transpose", "ppiiii", _build_transpose)


@lowered(twin=_transpose_block)
def transpose_block(
    typingctx: Any, t: Any, t_at: Any, ldt: Any, a: Any, a_at: Any, lda: Any, rows: Any, columns: Any
) -> Any:
    """t[j, i] = a[i, j] for i < rows, j < columns, in flat arrays from the offset beside each."""
    return _of_blocks("transpose", t, a)
