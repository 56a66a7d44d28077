"""One row times a matrix transposed: dot products with rows of w, a lane a row, as fast as they can be transposed.

Each sum is one chain in the order of k, so that a vector of sums needs the same term of as many rows of w: squares of w
are transposed in registers. On Zen 3 a line of 8 rows, 512 bytes, takes 32 shuffles, 16 loads that join halves and 16
multiply-adds, which its ports do in 24 cycles: 61 GB/s at 2.9 GHz, what its third cache gives, and half of that where a
sibling thread has half of the ports. OpenBLAS, whose sums are not chains in the order of k, needs no shuffle. Sums of
every eighth term would need none either, but tiles then eight times as many sums as there are registers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import alloca_once, for_range_slice, ir, pointer_to
from fastnn.simd import linkage
from fastnn.simd.emit import I32, I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.host import UNIT
from fastnn.simd.scalar import fma
from fastnn.simd.views import LINE_BYTES

# Groups of rows whose dot products grow side by side, since the additions of one wait 4 cycles for each other; and how
# many vectors ahead they ask for. GB/s on Zen 5 at 1 x 1008 x 1008 with one group 63, with two 74, that ask 90. But
# rows that lie a multiple of 4 kB apart fight for the same lines of L1: 1 x 1024 x 1024, not aligned, 58 and 28. There
# squares take one group, and lines a second that is LAG lines behind the first: on Zen 3, 1 x 1024 x 1024 takes 178 us
# with one group, 261 with two abreast, and 169, 149, 132, 133, 143 with lags of 1, 4, 12, 16, 32.
GROUPS, AHEAD, CONFLICT_BYTES, LAG = 2, 4, 4096, 12


def _dots(y: Any, y_at: int, x: Any, x_at: int, w: Any, w_at: int, ldw: int, k: int, n: int) -> None:
    for j in range(n):
        total = y.dtype.type(0)
        for p in range(k):
            total = fma(x[x_at + p], w[w_at + j * ldw + p], total)
        y[y_at + j] = total


def _square(emitter: VectorBuilder, total: Any, x: Any, w: Any, ldw: Any, asks: bool) -> Any:
    """`total`, a lane a row of w, grown by a square of w, transposed in registers; may ask for what is to its right."""
    builder = emitter.builder
    starts = [emitter.at(w, builder.mul(ldw, I64(r))) for r in range(emitter.lanes)]
    rows = [emitter.load(start) for start in starts]
    for start in starts if asks else ():
        emitter.prefetch(emitter.at(start, AHEAD * emitter.lanes), writes=False)
    for p, column in enumerate(emitter.transpose(rows)):
        total = emitter.fma(emitter.broadcast(builder.load(emitter.at(x, p))), column, total)
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


def _columns(emitter: VectorBuilder, rows: list[Any]) -> list[Any]:
    """As many terms of as many rows as lanes as 16 bytes hold, a vector a term: halves of vectors are joined as they
    are loaded, which saves the shuffles that would exchange them."""
    builder, size = emitter.builder, 16 // emitter.itemsize
    piece = pointer_to(ir.VectorType(emitter.element, size))

    def joined(parts: list[Any]) -> Any:
        if len(parts) == 1:
            return builder.load(builder.bitcast(parts[0], piece), align=emitter.itemsize)
        half = len(parts) // 2
        low, high = joined(parts[:half]), joined(parts[half:])
        both = ir.Constant(ir.VectorType(I32, 2 * low.type.count), list(range(2 * low.type.count)))
        return builder.shuffle_vector(low, high, both)

    return emitter.unpacked([joined(rows[r::size]) for r in range(size)])


def _line(emitter: VectorBuilder, total: Any, x: Any, rows: list[Any]) -> Any:
    """`total`, a lane a row of w, grown by a cache line of each."""
    builder, size = emitter.builder, 16 // emitter.itemsize
    for at in range(0, LINE_BYTES // emitter.itemsize, size):
        for p, column in enumerate(_columns(emitter, [emitter.at(row, at) for row in rows]), start=at):
            total = emitter.fma(emitter.broadcast(builder.load(emitter.at(x, p))), column, total)
    return total


def _turns(emitter: VectorBuilder, begin: Any, end: Any, step: int, sums: list[Any], body: Callable[..., Any]) -> Any:
    """sums = body(p, sums) for p from begin to end, in registers."""
    builder = emitter.builder
    entry = builder.block
    loop, inside, done = (builder.append_basic_block(name) for name in ("dots.loop", "dots.body", "dots.done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    p, carried = builder.phi(I64), [builder.phi(emitter.type) for _ in sums]
    builder.cbranch(builder.icmp_signed("<", p, end), inside, done)
    builder.position_at_end(inside)
    grown, following = body(p, carried), builder.add(p, I64(step))
    last = builder.block
    builder.branch(loop)
    for phi, first, later in zip([p, *carried], [begin, *sums], [following, *grown], strict=True):
        phi.add_incoming(first, entry)
        phi.add_incoming(later, last)
    builder.position_at_end(done)
    return carried


def _lesser(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_signed("<", one, other), one, other)


def _dots_of_whole_groups(
    emitter: VectorBuilder, y: Any, x: Any, w: Any, ldw: Any, k: Any, groups: int, conflicts: bool
) -> None:  # fmt: skip
    """Groups of as many rows as lanes, a line of each in turn, so that their sums overlap; where rows conflict, the
    second LAG lines behind the first."""
    builder, lanes, line = emitter.builder, emitter.lanes, LINE_BYTES // emitter.itemsize
    rows = [emitter.at(w, builder.mul(ldw, I64(r))) for r in range(groups * lanes)]
    each_group = [rows[at : at + lanes] for at in range(0, groups * lanes, lanes)]
    whole = builder.and_(k, I64(-line))
    behind = _lesser(builder, I64(LAG * line), whole) if conflicts else I64(0)

    def lines(p: Any, sums: list[Any], first: int = 0) -> list[Any]:
        """Of the groups from `first` on."""
        found = []
        for g, total in enumerate(sums, start=first):
            at = builder.sub(p, behind) if g else p
            found.append(_line(emitter, total, emitter.at(x, at), [emitter.at(row, at) for row in each_group[g]]))
        return found

    def rest(p: Any, sums: list[Any]) -> list[Any]:
        left = builder.sub(k, p)
        return [
            _edge(emitter, total, emitter.at(x, p), emitter.at(group[0], p), ldw, left, I64(lanes))
            for total, group in zip(sums, each_group, strict=True)
        ]

    sums = [emitter.zero] * groups
    if conflicts:
        sums = _turns(emitter, I64(0), behind, line, sums[:1], lines) + sums[1:]
    sums = _turns(emitter, behind, whole, line, sums, lines)
    if conflicts:
        end = builder.add(whole, behind)
        sums = sums[:1] + _turns(emitter, whole, end, line, sums[1:], partial(lines, first=1))
    sums = _turns(emitter, whole, k, lanes, sums, rest)
    for g, total in enumerate(sums):
        emitter.store(total, emitter.at(y, g * lanes))


def _dots_by_lines(
    emitter: VectorBuilder, y: Any, x: Any, w: Any, ldw: Any, k: Any, n: Any, conflicts: bool
) -> None:  # fmt: skip
    """All rows, no fewer than lanes; the last group may take rows again, to the same bits."""
    builder, lanes = emitter.builder, emitter.lanes

    def of_rows(j: Any, groups: int) -> None:
        row_w = emitter.at(w, builder.mul(j, ldw))
        _dots_of_whole_groups(emitter, emitter.at(y, j), x, row_w, ldw, k, groups, conflicts and groups > 1)

    done = builder.sub(n, builder.srem(n, I64(GROUPS * lanes)))
    with for_range_slice(builder, I64(0), done, I64(GROUPS * lanes), intp=I64) as (j, _):
        of_rows(j, GROUPS)
    with for_range_slice(builder, done, n, I64(lanes), intp=I64) as (j, _):
        last = builder.sub(n, I64(lanes))
        of_rows(builder.select(builder.icmp_signed("<", j, last), j, last), 1)


def _build_dots(builder: Any, itemsize: int, y: Any, x: Any, w: Any, ldw: Any, k: Any, n: Any) -> None:
    emitter = VectorBuilder(builder, itemsize)
    conflict = builder.icmp_signed("==", builder.srem(ldw, I64(CONFLICT_BYTES // itemsize)), I64(0))
    few = builder.icmp_signed("<", n, I64(emitter.lanes)) if UNIT.dots_by_lines else ir.IntType(1)(1)
    with builder.if_else(conflict) as (apart, together):
        for choice, conflicts in ((apart, True), (together, False)):
            with choice, builder.if_else(few) as (squares, lines):
                with squares:
                    _dots_by_squares(emitter, y, x, w, ldw, k, n, 1 if conflicts else GROUPS)
                with lines:
                    if UNIT.dots_by_lines:
                        _dots_by_lines(emitter, y, x, w, ldw, k, n, conflicts)


def _dots_by_squares(emitter: VectorBuilder, y: Any, x: Any, w: Any, ldw: Any, k: Any, n: Any, groups: int) -> None:
    builder, band = emitter.builder, I64(groups * emitter.lanes)
    with for_range_slice(builder, I64(0), n, band, intp=I64) as (j, _):
        left = builder.sub(n, j)
        rows = builder.select(builder.icmp_signed("<", left, band), left, band)
        _dots_of_groups(emitter, emitter.at(y, j), x, emitter.at(w, builder.mul(j, ldw)), ldw, k, rows, groups)


def _dots_of_groups(emitter: VectorBuilder, y: Any, x: Any, w: Any, ldw: Any, k: Any, rows: Any, groups: int) -> None:
    """Up to `groups` groups of as many rows as lanes: a square of each in turn, so that their sums overlap."""
    builder, lanes = emitter.builder, I64(emitter.lanes)
    whole, _ = whole_and_rest(emitter, k)
    full, _ = whole_and_rest(emitter, rows)
    sums = alloca_once(builder, ir.ArrayType(emitter.type, groups))

    def each_group(end: Any) -> Any:
        return for_range_slice(builder, I64(0), end, lanes, intp=I64)

    def corner(row: Any, p: Any) -> Any:
        return emitter.at(w, builder.add(builder.mul(row, ldw), p))

    def total_of(row: Any) -> Any:
        return builder.gep(sums, [I64(0), I64(0) if groups == 1 else builder.udiv(row, lanes)])

    def grow(row: Any, p: Any) -> None:
        total = _square(emitter, builder.load(total_of(row)), emitter.at(x, p), corner(row, p), ldw, groups > 1)
        builder.store(total, total_of(row))

    with each_group(rows) as (row, _):
        builder.store(emitter.zero, total_of(row))
    end = builder.select(builder.icmp_signed(">", full, I64(0)), whole, I64(0))
    with for_range_slice(builder, I64(0), end, lanes, intp=I64) as (p, _):
        if groups == 1:
            grow(I64(0), p)
        else:
            with each_group(full) as (row, _):
                grow(row, p)
    with each_group(rows) as (row, _):
        begin = builder.select(builder.icmp_signed("<", row, full), whole, I64(0))
        left = builder.sub(rows, row)
        with for_range_slice(builder, begin, k, lanes, intp=I64) as (p, _):
            at = emitter.at(x, p), corner(row, p), ldw
            builder.store(_edge(emitter, builder.load(total_of(row)), *at, builder.sub(k, p), left), total_of(row))
        emitter.store(builder.load(total_of(row)), emitter.at(y, row), emitter.mask(left))


linkage.define("dots", "pppiii", _build_dots)


@lowered(twin=_dots)
def dots(typingctx: Any, y: Any, y_at: Any, x: Any, x_at: Any, w: Any, w_at: Any, ldw: Any, k: Any, n: Any) -> Any:
    """y[:n] = x[:k] @ w[:n, :k].T, in flat arrays from the offset beside each: squares of w transposed in registers."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        values = [*pointers(context, builder, signature, args, 0, 2, 4), *args[6:]]
        linkage.call(context, builder, "dots", y.dtype.bitwidth // 8, values)
        return context.get_dummy_value()

    size = types.intp
    return types.void(y, size, x, size, w, size, size, size, size), codegen
