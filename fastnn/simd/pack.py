"""Copies of blocks of matrices, as they are, transposed or in panels, at the speed of whole vectors.

A plain loop copies rows of 48 floats one by one: LLVM's own loop moves four vectors at a time and leaves the rest.

A panel holds PANEL_ROWS rows of x side by side, term after term, as a tile reads them; the next one begins so many
terms, of PANEL_ROWS elements each, behind it, also where rows are missing at the end.
"""

from __future__ import annotations

from typing import Any

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import for_range, for_range_slice, ir, pointer_to
from fastnn.simd import linkage
from fastnn.simd.emit import I32, I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.host import PANEL_ROWS


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


# Rows of a matrix whose pieces go to a panel together: as many as fill a line of it in float32.
TOGETHER = 4


def _pieces(most: int) -> list[int]:
    """Powers of two, none above `most`, that the rows of a panel are made of, falling."""
    pieces: list[int] = []
    while sum(pieces) < PANEL_ROWS:
        pieces.append(min(most, 1 << (PANEL_ROWS - sum(pieces)).bit_length() - 1))
    return pieces


def _move(emitter: VectorBuilder, value: Any, to: Any) -> None:
    """Stores a vector shorter than others."""
    address = emitter.builder.bitcast(to, pointer_to(value.type))
    emitter.builder.store(value, address, align=emitter.itemsize)


def _pack_columns(t: Any, t_at: int, terms: int, a: Any, a_at: int, lda: int, rows: int, columns: int) -> None:
    for i in range(rows):
        for j in range(columns):
            panel, inside = divmod(j, PANEL_ROWS)
            t[t_at + (panel * terms + i) * PANEL_ROWS + inside] = a[a_at + i * lda + j]


def _build_pack_columns(
    builder: Any, itemsize: int, target: Any, source: Any, terms: Any, lda: Any, rows: Any, columns: Any
) -> None:
    emitter, height = VectorBuilder(builder, itemsize), I64(PANEL_ROWS)
    whole = builder.mul(builder.udiv(columns, height), height)

    def row_of(i: Any, r: int) -> tuple[Any, Any]:
        """Where row i + r lies, and what becomes of it in the first panel."""
        row = builder.add(i, I64(r))
        return emitter.at(source, builder.mul(row, lda)), emitter.at(target, builder.mul(row, height))

    def panel_of(to: Any, j: Any) -> Any:
        return emitter.at(to, builder.mul(j, terms))

    done: Any = I64(0)
    for together in (TOGETHER, 1):
        end = builder.sub(rows, builder.srem(builder.sub(rows, done), I64(together)))
        with for_range_slice(builder, done, end, I64(together), intp=I64) as (i, _):
            lines = [row_of(i, r) for r in range(together)]
            with for_range_slice(builder, I64(0), whole, height, intp=I64) as (j, _):
                for of, to in lines:
                    at = 0
                    for size in _pieces(emitter.lanes):
                        piece = pointer_to(ir.VectorType(emitter.element, size))
                        place = builder.bitcast(emitter.at(emitter.at(of, j), at), piece)
                        _move(emitter, builder.load(place, align=itemsize), emitter.at(panel_of(to, j), at))
                        at += size
            for of, to in lines:
                with for_range_slice(builder, whole, columns, I64(1), intp=I64) as (j, _):
                    place = emitter.at(panel_of(to, whole), builder.sub(j, whole))
                    builder.store(builder.load(emitter.at(of, j)), place)
        done = end


linkage.define("pack_columns", "ppiiii", _build_pack_columns)


@lowered(twin=_pack_columns)
def pack_columns(
    typingctx: Any, t: Any, t_at: Any, terms: Any, a: Any, a_at: Any, lda: Any, rows: Any, columns: Any
) -> Any:
    """Panels `terms` terms apart: column j of a is row j of x, its row i term i; arrays as copy_block has them."""
    return _of_blocks("pack_columns", t, a)


def _pack_rows(t: Any, t_at: int, terms: int, a: Any, a_at: int, lda: int, rows: int, columns: int) -> None:
    for i in range(rows):
        panel, inside = divmod(i, PANEL_ROWS)
        for j in range(columns):
            t[t_at + (panel * terms + j) * PANEL_ROWS + inside] = a[a_at + i * lda + j]


def _build_pack_rows(
    builder: Any, itemsize: int, target: Any, source: Any, terms: Any, lda: Any, rows: Any, columns: Any
) -> None:
    emitter, height = VectorBuilder(builder, itemsize), I64(PANEL_ROWS)
    whole_rows = builder.mul(builder.udiv(rows, height), height)
    whole, _ = whole_and_rest(emitter, columns)

    def one_by_one(row: Any, to: Any, first: Any) -> None:
        of = emitter.at(source, builder.mul(row, lda))
        with for_range_slice(builder, first, columns, I64(1), intp=I64) as (j, _):
            builder.store(builder.load(emitter.at(of, j)), emitter.at(to, builder.mul(j, height)))

    with for_range_slice(builder, I64(0), whole_rows, height, intp=I64) as (i, _):
        of = [emitter.at(source, builder.mul(builder.add(i, I64(r)), lda)) for r in range(PANEL_ROWS)]
        to = emitter.at(target, builder.mul(i, terms))
        with for_range_slice(builder, I64(0), whole, I64(emitter.lanes), intp=I64) as (j, _):
            vectors = [emitter.load(emitter.at(row, j)) for row in of]
            _pack_vectors(emitter, vectors, emitter.at(to, builder.mul(j, height)))
        for r in range(PANEL_ROWS):
            one_by_one(builder.add(i, I64(r)), emitter.at(to, r), whole)
    with for_range_slice(builder, whole_rows, rows, I64(1), intp=I64) as (i, _):
        to = builder.add(builder.mul(whole_rows, terms), builder.sub(i, whole_rows))
        one_by_one(i, emitter.at(target, to), I64(0))


def _pack_vectors(emitter: VectorBuilder, rows: list[Any], to: Any) -> None:
    """A vector of each row of a panel, in turn."""
    first = 0
    for size in _pieces(emitter.lanes):
        for at, vector in enumerate(emitter.interleave(rows[first : first + size])):
            for lane in range(0, emitter.lanes, size):
                picked = ir.Constant(ir.VectorType(I32, size), list(range(lane, lane + size)))
                piece = emitter.builder.shuffle_vector(vector, vector, picked)
                term = (at * emitter.lanes + lane) // size
                _move(emitter, piece, emitter.at(to, term * PANEL_ROWS + first))
        first += size


linkage.define("pack_rows", "ppiiii", _build_pack_rows)


@lowered(twin=_pack_rows)
def pack_rows(
    typingctx: Any, t: Any, t_at: Any, terms: Any, a: Any, a_at: Any, lda: Any, rows: Any, columns: Any
) -> Any:
    """Panels `terms` terms apart: row i of a is row i of x, its column j term j; arrays as copy_block has them."""
    return _of_blocks("pack_rows", t, a)
