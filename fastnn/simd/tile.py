"""The register tile of a product: rows x columns of y stay in registers while k runs.

    y[r, c] = fma(x[r, k-1], w[k-1, c], ... fma(x[r, 0], w[0, c], begin[r, c]))

Each element is one chain of fused multiply-adds in the order of k. However a product is cut into tiles, blocks and
threads, its bits are those of three plain loops.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from fastnn._jit import lowered
from fastnn.simd.host import UNIT
from fastnn.simd.scalar import fma

I64 = ir.IntType(64)


def lanes_of(itemsize: int) -> int:
    """Elements in a vector."""
    return UNIT.bytes // itemsize


class _TileBuilder:
    """Emits the tile of one literal shape (rows x vectors) for one element type."""

    def __init__(self, builder: Any, element: Any, rows: int, vectors: int, itemsize: int) -> None:
        self.builder, self.element, self.itemsize = builder, element, itemsize
        self.rows, self.vectors, self.lanes = rows, vectors, lanes_of(itemsize)
        self.type = ir.VectorType(element, self.lanes)
        self.suffix = f"v{self.lanes}f{8 * itemsize}"

    def _declare(self, name: str, result: Any, operands: list[Any]) -> Any:
        known = self.builder.module.globals.get(name)
        return known or ir.Function(self.builder.module, ir.FunctionType(result, operands), name)

    def mask(self, columns: Any) -> Any:
        """Lanes of the last vector that lie inside the given number of columns."""
        index = ir.VectorType(I64, self.lanes)
        left = self.builder.sub(columns, I64((self.vectors - 1) * self.lanes))
        one = self.builder.insert_element(ir.Constant(index, ir.Undefined), left, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        spread = self.builder.shuffle_vector(one, ir.Constant(index, ir.Undefined), zeros)
        return self.builder.icmp_signed("<", ir.Constant(index, list(range(self.lanes))), spread)

    def _vector_at(self, pointer: Any, vector: int) -> Any:
        address = self.builder.gep(pointer, [I64(vector * self.lanes)])
        return self.builder.bitcast(address, self.type.as_pointer())

    def load(self, pointer: Any, vector: int, mask: Any) -> Any:
        address = self._vector_at(pointer, vector)
        if mask is None or vector < self.vectors - 1:
            return self.builder.load(address, align=self.itemsize)
        masked = self._declare(
            f"llvm.masked.load.{self.suffix}.p0", self.type, [address.type, ir.IntType(32), mask.type, self.type]
        )
        return self.builder.call(masked, [address, ir.IntType(32)(self.itemsize), mask, ir.Constant(self.type, None)])

    def store(self, value: Any, pointer: Any, vector: int, mask: Any) -> None:
        address = self._vector_at(pointer, vector)
        if mask is None or vector < self.vectors - 1:
            self.builder.store(value, address, align=self.itemsize)
            return
        masked = self._declare(
            f"llvm.masked.store.{self.suffix}.p0", ir.VoidType(), [self.type, address.type, ir.IntType(32), mask.type]
        )
        self.builder.call(masked, [value, address, ir.IntType(32)(self.itemsize), mask])

    def broadcast(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.type, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self._declare(f"llvm.fma.{self.suffix}", self.type, [self.type] * 3), [a, b, c])

    def begin(self, begin: Any, ldb: Any, zero: Any, mask: Any) -> list[Any]:
        """The accumulators' first values: zeros, or the tile at `begin` (a bias is a tile whose rows are one row)."""
        builder = self.builder
        with builder.if_else(zero) as (zeros, loads):
            with zeros:
                zero_block = builder.block
            with loads:
                rows = [builder.gep(begin, [builder.mul(ldb, I64(r))]) for r in range(self.rows)]
                values = [self.load(row, v, mask) for row in rows for v in range(self.vectors)]
                load_block = builder.block
        merged = []
        for value in values:
            phi = builder.phi(self.type)
            phi.add_incoming(ir.Constant(self.type, None), zero_block)
            phi.add_incoming(value, load_block)
            merged.append(phi)
        return merged

    def emit(self, y: Any, ldy: Any, first: list[Any], x: Any, row_x: Any, column_x: Any, w: Any, ldw: Any, k: Any,
             mask: Any) -> None:  # fmt: skip
        """Run k from the first values and store the tile at y. Pointers are at the tile's first element; k may be 0."""
        builder = self.builder
        x_rows = [builder.mul(row_x, I64(r)) for r in range(self.rows)]
        cells = [(r, v) for r in range(self.rows) for v in range(self.vectors)]
        entry = builder.block
        loop, body, done = (builder.append_basic_block(name) for name in ("k.loop", "k.body", "k.done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        index = builder.phi(I64)
        sums = [builder.phi(self.type) for _ in cells]
        builder.cbranch(builder.icmp_signed("<", index, k), body, done)

        builder.position_at_end(body)
        w_row = builder.gep(w, [builder.mul(index, ldw)])
        w_vectors = [self.load(w_row, v, mask) for v in range(self.vectors)]
        x_column = builder.gep(x, [builder.mul(index, column_x)])
        x_values = [self.broadcast(builder.load(builder.gep(x_column, [row]))) for row in x_rows]
        grown = [self.fma(x_values[r], w_vectors[v], total) for (r, v), total in zip(cells, sums, strict=True)]
        following = builder.add(index, I64(1))
        builder.branch(loop)

        index.add_incoming(I64(0), entry)
        index.add_incoming(following, body)
        for phi, value, later in zip(sums, first, grown, strict=True):
            phi.add_incoming(value, entry)
            phi.add_incoming(later, body)
        builder.position_at_end(done)
        y_rows = [builder.gep(y, [builder.mul(ldy, I64(r))]) for r in range(self.rows)]
        for (r, v), total in zip(cells, sums, strict=True):
            self.store(total, y_rows[r], v, mask)


def _tile(rows: int, vectors: int, columns: int, y: Any, y_at: int, ldy: int, begin: Any, begin_at: int, ldb: int,
          x: Any, x_at: int, row_x: int, column_x: int, w: Any, w_at: int, ldw: int, k: int) -> None:  # fmt: skip
    for r in range(rows):
        for c in range(columns):
            total = begin[begin_at + r * ldb + c] if begin_at >= 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[x_at + r * row_x + p * column_x], w[w_at + p * ldw + c], total)
            y[y_at + r * ldy + c] = total


@lowered(twin=_tile)
def tile(typingctx: Any, rows: Any, vectors: Any, columns: Any, y: Any, y_at: Any, ldy: Any, begin: Any,
         begin_at: Any, ldb: Any, x: Any, x_at: Any, row_x: Any, column_x: Any, w: Any, w_at: Any, ldw: Any,
         k: Any) -> Any:  # fmt: skip
    """y[r, c] = begin[r, c] + x[r, :k] . w[:k, c] for r < rows, c < columns.

    rows and vectors are literals, vectors the least that hold the columns. All arrays are flat, the tile's first
    element at the offset beside each; begin_at = -1 begins from zero. x[r, p] lies at r * row_x + p * column_x, so x
    is read transposed by exchanging the two.
    """
    shape = rows.literal_value, vectors.literal_value
    itemsize = y.dtype.bitwidth // 8

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        columns, ldy, ldb, row_x, column_x, ldw, k = (args[i] for i in (2, 5, 8, 11, 12, 15, 16))
        y, begin, x, w = (
            builder.gep(context.make_array(signature.args[i])(context, builder, args[i]).data, [args[i + 1]])
            for i in (3, 6, 9, 13)
        )
        emitter = _TileBuilder(builder, context.get_data_type(signature.args[3].dtype), *shape, itemsize)
        from_zero = builder.icmp_signed("<", args[7], I64(0))
        full = builder.icmp_signed("==", columns, I64(shape[1] * lanes_of(itemsize)))
        with builder.if_else(full) as (whole, edge):
            with whole:
                first = emitter.begin(begin, ldb, from_zero, None)
                emitter.emit(y, ldy, first, x, row_x, column_x, w, ldw, k, None)
            with edge:
                mask = emitter.mask(columns)
                first = emitter.begin(begin, ldb, from_zero, mask)
                emitter.emit(y, ldy, first, x, row_x, column_x, w, ldw, k, mask)
        return context.get_dummy_value()

    size = types.intp
    operands = (y, size, size, begin, size, size, x, size, size, size, w, size, size, size)
    return types.void(rows, vectors, size, *operands), codegen
