"""Emits vector instructions: what the functions of linkage.py are written with."""

from __future__ import annotations

from typing import Any

from fastnn.compiler.numba_private import ir, pointer_to
from fastnn.simd.host import UNIT

I32, I64 = ir.IntType(32), ir.IntType(64)
ELEMENTS = {4: ir.FloatType(), 8: ir.DoubleType()}

# Masks by its own instructions: LLVM keeps a general mask as bits, and widens it again at each turn of a loop.
AVX2 = UNIT.name == "avx2"


def lanes_of(itemsize: int) -> int:
    """Elements in a vector."""
    return UNIT.bytes // itemsize


class VectorBuilder:
    """Loads, stores and arithmetic on whole vectors of one element type, all or only their first lanes."""

    def __init__(self, builder: Any, itemsize: int) -> None:
        self.builder, self.itemsize = builder, itemsize
        self.element = ELEMENTS[itemsize]
        self.lanes = lanes_of(itemsize)
        self.type = ir.VectorType(self.element, self.lanes)
        self.zero = ir.Constant(self.type, None)
        self.suffix = f"v{self.lanes}f{8 * itemsize}"
        self._avx = "llvm.x86.avx.mask{}." + {4: "ps", 8: "pd"}[itemsize] + ".256"

    def _declare(self, name: str, result: Any, operands: list[Any]) -> Any:
        known = self.builder.module.globals.get(name)
        return known or ir.Function(self.builder.module, ir.FunctionType(result, operands), name)

    def spread(self, scalar: Any, vector_type: Any) -> Any:
        """A scalar in all lanes."""
        undefined = ir.Constant(vector_type, ir.Undefined)
        one = self.builder.insert_element(undefined, scalar, I32(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(I32, self.lanes), None))

    def broadcast(self, scalar: Any) -> Any:
        return self.spread(scalar, self.type)

    def mask(self, count: Any) -> Any:
        """The first `count` lanes: none where it is 0 or less, all where it is no less than the lanes."""
        lane = ir.VectorType(ir.IntType(8 * self.itemsize) if AVX2 else I64, self.lanes)
        index = ir.Constant(lane, list(range(self.lanes)))
        if AVX2:  # the sign of each lane counts; of a comparison LLVM would make a mask of bits again
            return self.builder.sub(index, self.spread(self.builder.trunc(count, lane.element), lane))
        return self.builder.icmp_signed("<", index, self.spread(count, lane))

    def at(self, pointer: Any, elements: Any) -> Any:
        """The pointer moved by a number of elements."""
        return self.builder.gep(pointer, [elements if isinstance(elements, ir.Value) else I64(elements)])

    def load(self, pointer: Any, mask: Any = None) -> Any:
        """A vector; 0 in the lanes outside the mask, whose memory is not touched."""
        address = self.builder.bitcast(pointer, pointer_to(self.type))
        if mask is None:
            return self.builder.load(address, align=self.itemsize)
        if AVX2:
            masked = self._declare(self._avx.format("load"), self.type, [address.type, mask.type])
            return self.builder.call(masked, [address, mask])
        name = f"llvm.masked.load.{self.suffix}.p0"
        masked = self._declare(name, self.type, [address.type, I32, mask.type, self.type])
        return self.builder.call(masked, [address, I32(self.itemsize), mask, self.zero])

    def store(self, value: Any, pointer: Any, mask: Any = None) -> None:
        address = self.builder.bitcast(pointer, pointer_to(self.type))
        if mask is None:
            self.builder.store(value, address, align=self.itemsize)
            return
        if AVX2:
            operands = [address.type, mask.type, self.type]
            masked = self._declare(self._avx.format("store"), ir.VoidType(), operands)
            self.builder.call(masked, [address, mask, value])
            return
        name = f"llvm.masked.store.{self.suffix}.p0"
        masked = self._declare(name, ir.VoidType(), [self.type, address.type, I32, mask.type])
        self.builder.call(masked, [value, address, I32(self.itemsize), mask])

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self._declare(f"llvm.fma.{self.suffix}", self.type, [self.type] * 3), [a, b, c])

    def prefetch(self, pointer: Any, writes: bool) -> None:
        """Asks for a line that will be read, or written; the address may lie outside of any array."""
        address = self.builder.bitcast(pointer, pointer_to(ir.IntType(8)))
        fetch = self._declare("llvm.prefetch.p0", ir.VoidType(), [address.type, I32, I32, I32])
        self.builder.call(fetch, [address, I32(int(writes)), I32(3), I32(1)])

    def transpose(self, rows: list[Any]) -> list[Any]:
        """As many vectors as lanes, transposed: squares of 16 bytes by unpacking pairs, then pieces of 16 bytes."""
        size = min(16 // self.itemsize, self.lanes)
        squares = [self.unpacked(rows[at : at + size]) for at in range(0, self.lanes, size)]
        columns = [self._pieces([square[c] for square in squares], size) for c in range(size)]
        return [columns[c][piece] for piece in range(self.lanes // size) for c in range(size)]

    def interleave(self, rows: list[Any]) -> list[Any]:
        """The elements of a power of two of vectors in turn: the first of each, then the second of each, ..."""
        half, lanes = len(rows) // 2, self.lanes
        if half == 0:
            return rows
        order = [lane // 2 + lane % 2 * lanes for lane in range(2 * lanes)]
        pairs = zip(self.interleave(rows[::2]), self.interleave(rows[1::2]), strict=True)
        return [self._pick(list(pair), order[at : at + lanes]) for pair in pairs for at in (0, lanes)]

    def unpacked(self, rows: list[Any]) -> list[Any]:
        """Squares of as many elements as there are rows, 2 or 4, transposed side by side."""
        size = len(rows)
        if size == 2:
            return [self._pick(rows, self._pairs(size, 1, high)) for high in (0, 1)]
        halves = [[self._pick(rows[at : at + 2], self._pairs(size, 1, high)) for at in (0, 2)] for high in (0, 1)]
        return [self._pick(pair, self._pairs(size, 2, high)) for pair in halves for high in (0, 1)]

    def _pairs(self, size: int, unit: int, high: int) -> list[int]:
        """Lanes that interleave units of the lower or upper half of each square of two vectors."""
        picked = []
        for square in range(0, self.lanes, size):
            for at in range(high * size // 2, (high + 1) * size // 2, unit):
                picked += [vector * self.lanes + square + at + k for vector in (0, 1) for k in range(unit)]
        return picked

    def _pieces(self, vectors: list[Any], size: int) -> list[Any]:
        """Vectors of as many pieces as there are vectors, 1, 2 or 4, transposed piece by piece."""
        if len(vectors) == 1:
            return vectors

        def picked(pair: list[Any], first: int, step: int) -> Any:
            half = [
                size * piece + k for piece in range(first, len(vectors), step)[: len(vectors) // 2] for k in range(size)
            ]
            return self._pick(pair, half + [self.lanes + lane for lane in half])

        if len(vectors) == 2:
            return [picked(vectors, first, 1) for first in (0, 1)]
        halves = [[picked(vectors[at : at + 2], first, 1) for at in (0, 2)] for first in (0, 2)]
        return [picked(pair, first, 2) for pair in halves for first in (0, 1)]

    def _pick(self, pair: list[Any], lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(I32, self.lanes), lanes))


def whole_and_rest(emitter: VectorBuilder, count: Any) -> tuple[Any, Any]:
    """The elements of a row that fill whole vectors, and the others."""
    whole = emitter.builder.and_(count, I64(-emitter.lanes))
    return whole, emitter.builder.sub(count, whole)


def pointers(context: Any, builder: Any, signature: Any, args: Any, *places: int) -> list[Any]:
    """The data pointers of the array arguments at these places, each moved by the offset that follows it."""
    arrays = (context.make_array(signature.args[i])(context, builder, args[i]) for i in places)
    return [builder.gep(array.data, [args[i + 1]]) for i, array in zip(places, arrays, strict=True)]
