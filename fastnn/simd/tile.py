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

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, lanes_of, pointers
from fastnn.simd.host import PANEL_ROWS, UNIT, VECTORS
from fastnn.simd.scalar import fma
from fastnn.simd.views import LINE_BYTES

# Whether pointers walk from term to term, which turns of several terms want; else their places follow from the index.
# Sixteen rows, one vector wide, leave no register for pointers that walk: 256x16x64 on Zen 5 3.67 us so, and 2.23.
WALKS = UNIT.unrolled > 1


class Operands(NamedTuple):
    """The pointers and strides of a stripe, as values of the function that is being built.

    begin null: from zero. panel null: w is not copied there.
    """

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
    panel: Any

    def of_row(self, builder: Any, row: Any) -> Operands:
        """The operands of the rows from this one on; of packed x, whose column_x is negative, inside of a panel."""
        y = builder.gep(self.y, [builder.mul(row, self.ldy)])
        begin = builder.gep(self.begin, [builder.mul(row, self.ldb)])
        if not UNIT.rows_share:
            return self._replace(y=y, x=builder.gep(self.x, [builder.mul(row, self.row_x)]), begin=begin)
        packed = builder.icmp_signed("<", self.column_x, I64(0))
        inside = builder.srem(row, I64(PANEL_ROWS))
        in_panel = builder.sub(inside, builder.mul(builder.sub(row, inside), self.column_x))
        x = builder.gep(self.x, [builder.select(packed, in_panel, builder.mul(row, self.row_x))])
        return self._replace(y=y, x=x, begin=begin, column_x=builder.select(packed, I64(PANEL_ROWS), self.column_x))


class LastVector(NamedTuple):
    """Where the last vector of a row begins, in elements, and which of its lanes count (None: all).

    Where a mask takes a vector register, an edge of several vectors has none: its last one moves to the left until it
    ends with the row, and the lanes that two vectors share are computed twice, to the same bits. With AVX2 12 sums, 3
    vectors of w and a broadcast are all the registers that there are: 32x10x128 1.03 us for 1.12, 64x20x64 1.45 for
    1.58. With mask registers it would cost 1 to 2 %.
    """

    at: Any
    mask: Any = None


class TileBuilder(VectorBuilder):
    """Emits the tile of one literal shape (rows x vectors) for one element type. asks: see Family."""

    def __init__(self, builder: Any, rows: int, vectors: int, itemsize: int, asks: bool = UNIT.asks) -> None:
        super().__init__(builder, itemsize)
        self.rows, self.vectors, self.asks = rows, vectors, asks

    def row_of(self, pointer: Any, last: LastVector) -> list[tuple[Any, Any]]:
        """Address and mask of each vector of a row."""
        inner: list[tuple[Any, Any]] = [(self.at(pointer, v * self.lanes), None) for v in range(self.vectors - 1)]
        return [*inner, (self.at(pointer, last.at), last.mask)]

    def load_row(self, pointer: Any, last: LastVector) -> list[Any]:
        return [self.load(address, mask) for address, mask in self.row_of(pointer, last)]

    def store_row(self, values: list[Any], pointer: Any, last: LastVector) -> None:
        for value, (address, mask) in zip(values, self.row_of(pointer, last), strict=True):
            self.store(value, address, mask)

    def prefetch_row(self, pointer: Any, writes: bool = False) -> None:
        """Asks for a row of a tile, a line at a time."""
        for v in range(0, self.vectors, max(1, LINE_BYTES // UNIT.bytes)):
            self.prefetch(self.at(pointer, v * self.lanes), writes)

    def rows_at(self, pointer: Any, stride: Any) -> list[Any]:
        return [self.at(pointer, self.builder.mul(stride, I64(r))) for r in range(self.rows)]

    def begin(self, begin: Any, ldb: Any, zero: Any, last: LastVector) -> list[Any]:
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

    def grow(self, sums: list[Any], at: Operands, last: LastVector, keeps: bool) -> list[Any]:
        """One more term of every sum; w is copied to the panel where it is kept. Asks for w of the stripe to the right
        where the family does, and while w is copied."""
        w = self.load_row(at.w, last)
        if keeps:
            self.store_row(w, at.panel, last)
        if self.asks or keeps:
            self.prefetch_row(self.at(at.w, self.vectors * self.lanes))
        x: Iterable[Any] = (self.broadcast(self.builder.load(row)) for row in self.rows_at(at.x, at.row_x))
        if last.mask is None or UNIT.masks:
            x = list(x)
        # Else one by one, each where it is used: the mask and eight of them at once would not leave room for the sums.
        rows = (sums[at : at + self.vectors] for at in range(0, len(sums), self.vectors))
        return [
            self.fma(each, v, total) for each, row in zip(x, rows, strict=True) for v, total in zip(w, row, strict=True)
        ]

    def unknown(self, value: Any) -> Any:
        """The value, of which the compiler is to know nothing: loops that step by it are unrolled as they are written.

        Otherwise LLVM unrolls by itself what is left over: twice the code, and some loops of it spill.
        """
        return self.builder.asm(ir.FunctionType(value.type, [value.type]), "", "=r,0", [value], side_effect=False)

    def prefetch_line(self, y: Any, ldy: Any, index: Any) -> None:
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

    def emit(self, at: Operands, next_y: Any, from_zero: Any, last: LastVector, keeps: bool = False) -> None:
        """One tile: its first values, k terms, and the store, while y of the next one is on its way. k may be 0."""
        sums = self.begin(at.begin, at.ldb, from_zero, last)
        if not UNIT.asks:
            for row in self.rows_at(next_y, at.ldy):
                self.prefetch_row(row)
        self.store_tile(at, self.add_terms(at, sums, next_y, last, keeps), last)

    def add_terms(
        self, at: Operands, sums: list[Any], next_y: Any, last: LastVector, keeps: bool = False
    ) -> list[Any]:  # fmt: skip
        """The sums after all k terms."""
        # Smaller tiles have registers to spare, and unrolled are scheduled until they spill.
        unrolled = UNIT.unrolled if self.rows * self.vectors == PANEL_ROWS * VECTORS else 1
        whole = self.builder.and_(at.k, I64(-unrolled))
        index: Any = I64(0)
        for step, end in {unrolled: whole, 1: at.k}.items():
            index, at, sums = self._terms(index, end, step, at, sums, next_y, last, keeps)
        return sums

    def store_tile(self, at: Operands, sums: list[Any], last: LastVector) -> None:
        for r, row in enumerate(self.rows_at(at.y, at.ldy)):
            self.store_row(sums[r * self.vectors : (r + 1) * self.vectors], row, last)

    def _terms(self, first: Any, end: Any, step: int, at: Operands, sums: list[Any], next_y: Any, last: LastVector,
               keeps: bool) -> tuple[Any, Operands, list[Any]]:  # fmt: skip
        """The terms from the first to the end, in turns of `step`; returns where it ended and what was carried."""
        builder = self.builder
        length = I64(step) if UNIT.unrolled == 1 else self.unknown(I64(step))
        entry = builder.block
        loop, body, done = (builder.append_basic_block(name) for name in ("k.loop", "k.body", "k.done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        walked = (at.x, at.w, at.panel) if WALKS else ()
        index = builder.phi(I64)
        carried = [builder.phi(value.type) for value in (*walked, *sums)]
        here = at._replace(x=carried[0], w=carried[1], panel=carried[2]) if WALKS else at
        grown = carried[len(walked) :]
        ended = here, grown
        builder.cbranch(builder.icmp_signed("<", index, end), body, done)

        builder.position_at_end(body)
        if not WALKS:
            here = self._after(at, index)
        for _ in range(step):
            grown = self.grow(grown, here, last, keeps)
            here = self._after(here, I64(1))
        if self.asks:
            self.prefetch_line(next_y, at.ldy, index)
        following = builder.add(index, length)
        builder.branch(loop)

        later = (here.x, here.w, here.panel) if WALKS else ()
        ways = zip([index, *carried], [first, *walked, *sums], [following, *later, *grown], strict=True)
        for phi, value, next_value in ways:
            phi.add_incoming(value, entry)
            phi.add_incoming(next_value, body)
        builder.position_at_end(done)
        return index, *ended

    def _after(self, at: Operands, terms: Any) -> Operands:
        """The operands so many terms on."""
        x, w, panel = (
            self.at(pointer, self.builder.mul(terms, stride))
            for pointer, stride in (
                (at.x, at.column_x), (at.w, at.ldw), (at.panel, I64(self.vectors * self.lanes)),
            )
        )  # fmt: skip
        return at._replace(x=x, w=w, panel=panel)


def _stripe(rows: int, columns: int, y: Any, y_at: int, ldy: int, begin: Any, begin_at: int, ldb: int, x: Any,
            x_at: int, row_x: int, column_x: int, w: Any, w_at: int, ldw: int, panel: Any, panel_at: int,
            k: int) -> None:  # fmt: skip
    if panel_at >= 0 and rows >= PANEL_ROWS:
        for p in range(k):
            for c in range(columns):
                panel[panel_at + p * columns + c] = w[w_at + p * ldw + c]
    for r in range(rows):
        x_row, step = x_at + r * row_x, column_x
        if column_x < 0:
            x_row, step = x_at - r // PANEL_ROWS * PANEL_ROWS * column_x + r % PANEL_ROWS, PANEL_ROWS
        for c in range(columns):
            total = begin[begin_at + r * ldb + c] if begin_at >= 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[x_row + p * step], w[w_at + p * ldw + c], total)
            y[y_at + r * ldy + c] = total


def _emit_rows(tiles: list[TileBuilder], rows: Any, operands: Operands, from_zero: Any, last: LastVector,
               keeps: bool) -> None:  # fmt: skip
    """The rows in tiles of falling height; the last tile of the list is one row."""
    builder = tiles[0].builder
    to_the_right = tiles[0].at(operands.y, tiles[0].vectors * tiles[0].lanes)
    packed = builder.icmp_signed("<", operands.column_x, I64(0))
    done: Any = I64(0)
    if keeps:
        done, operands = _emit_first(tiles, rows, operands, from_zero, last)
    for emitter in tiles:
        left = builder.sub(rows, done)
        end = builder.add(done, builder.sub(left, builder.srem(left, I64(emitter.rows))))
        if emitter.rows > PANEL_ROWS:
            end = builder.select(packed, done, end)
        with for_range_slice(builder, done, end, I64(emitter.rows), intp=I64) as (row, _):
            below = builder.add(row, I64(emitter.rows))
            next_y = emitter.at(operands.y, builder.mul(below, operands.ldy))
            next_y = builder.select(builder.icmp_signed("<", below, rows), next_y, to_the_right)
            emitter.emit(operands.of_row(builder, row), next_y, from_zero, last)
        done = end


def keeps_panels(vectors: int) -> bool:
    """Whether a whole stripe so wide can copy w to a panel."""
    return vectors > 1 and not UNIT.asks


def _emit_first(tiles: list[TileBuilder], rows: Any, operands: Operands, from_zero: Any, last: LastVector) -> Any:
    """The first tile, where a panel is to be kept: copies w there, and the others read it."""
    emitter = next(tile for tile in tiles if tile.rows <= PANEL_ROWS)
    builder, columns = emitter.builder, I64(emitter.vectors * emitter.lanes)
    entry = builder.block
    asked = builder.icmp_unsigned("!=", operands.panel, ir.Constant(operands.panel.type, None))
    with builder.if_then(builder.and_(asked, builder.icmp_signed(">=", rows, I64(emitter.rows)))):
        emitter.emit(operands.of_row(builder, I64(0)), operands.y, from_zero, last, keeps=True)
        kept = builder.block
    merged = []
    for before, after in ((I64(0), I64(emitter.rows)), (operands.w, operands.panel), (operands.ldw, columns)):
        phi = builder.phi(before.type)
        phi.add_incoming(before, entry)
        phi.add_incoming(after, kept)
        merged.append(phi)
    done, w, ldw = merged
    return done, operands._replace(w=w, ldw=ldw)


def _emit_stripe(builder: Any, itemsize: int, rows: Any, columns: Any, *args: Any, vectors: int) -> None:
    tiles = [TileBuilder(builder, height, vectors, itemsize) for height in UNIT.tiles[vectors]]
    operands = Operands(*args)
    from_zero = builder.icmp_unsigned("==", operands.begin, ir.Constant(operands.begin.type, None))
    lanes = tiles[0].lanes
    full = builder.icmp_signed("==", columns, I64(vectors * lanes))
    with builder.if_else(full) as (whole, edge):
        with whole:
            inner = LastVector(I64((vectors - 1) * lanes))
            _emit_rows(tiles, rows, operands, from_zero, inner, keeps=keeps_panels(vectors))
        with edge:
            if vectors > 1 and not UNIT.masks:
                last = LastVector(builder.sub(columns, I64(lanes)))
            else:
                inner = I64((vectors - 1) * lanes)
                last = LastVector(inner, tiles[0].mask(builder.sub(columns, inner)))
            _emit_rows(tiles, rows, operands, from_zero, last, keeps=False)


for _vectors in UNIT.tiles:
    linkage.define(f"stripe_{_vectors}", "iipipipiipiip", partial(_emit_stripe, vectors=_vectors))


@lowered(twin=_stripe)
def stripe(typingctx: Any, rows: Any, columns: Any, y: Any, y_at: Any, ldy: Any, begin: Any, begin_at: Any, ldb: Any,
           x: Any, x_at: Any, row_x: Any, column_x: Any, w: Any, w_at: Any, ldw: Any, panel: Any, panel_at: Any,
           k: Any) -> Any:  # fmt: skip
    """y[r, c] = begin[r, c] + x[r, :k] . w[:k, c] for r < rows, c < columns, at most as many as three vectors hold.

    All arrays are flat, the stripe's first element at the offset beside each; begin_at = -1 begins from zero. x[r, p]
    lies at r * row_x + p * column_x, so x is read transposed by exchanging the two; with row_x = 1 and a negative
    column_x in panels -column_x terms apart, as pack_rows and pack_columns make them. Where panel_at is not -1, the
    first rows copy w there for the rest.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rows, columns = args[:2]
        dtype = signature.args[2].dtype
        itemsize = dtype.bitwidth // 8
        y, begin, x, w, panel = pointers(context, builder, signature, args, 2, 5, 8, 12, 15)
        null = ir.Constant(begin.type, None)
        begin, panel = (
            builder.select(builder.icmp_signed("<", at, I64(0)), null, pointer)
            for at, pointer in ((args[6], begin), (args[16], panel))
        )
        operands = (y, args[4], begin, args[7], x, args[10], args[11], w, args[14], args[17], panel)
        for vectors in UNIT.tiles:
            inner, full = (I64(count * lanes_of(itemsize)) for count in (vectors - 1, vectors))
            wide = builder.and_(builder.icmp_signed(">", columns, inner), builder.icmp_signed("<=", columns, full))
            with builder.if_then(wide):
                linkage.call(context, builder, f"stripe_{vectors}", itemsize, [rows, columns, *operands])
        return context.get_dummy_value()

    size = types.intp
    operands = (y, size, size, y, size, size, x, size, size, size, w, size, size, w, size, size)
    return types.void(size, size, *operands), codegen
