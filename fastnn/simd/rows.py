"""A row by vectors, its rest by shorter ones: the maximum, sums in float64, a shifted copy, a scaling.

Loops of the compiler's own do element by element what is left over after their whole vectors; in a row of ten classes
that is everything: softmax took 6.9 ns an element there, with these 1.2. Masked vectors would do (3.0), but a masked
store holds up the loads behind it. The order of each sum is fixed by the length of the row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import ir, pointer_to
from fastnn.simd.host import UNIT
from fastnn.simd.scalar import call, fma

I64 = ir.IntType(64)
# Vectors a turn of the main loop takes, so that the additions of a sum, 4 cycles each, do not wait for each other.
UNROLLED = 4


def _shuffled(builder: Any, vector: Any, lanes: list[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)


def _spread(builder: Any, scalar: Any, lanes: int) -> Any:
    undefined = ir.Constant(ir.VectorType(scalar.type, lanes), ir.Undefined)
    return _shuffled(builder, builder.insert_element(undefined, scalar, I64(0)), [0] * lanes)


def _halves(lanes: int) -> list[int]:
    return [lanes >> k for k in range(1, lanes.bit_length())]


class _Row:
    """A one-dimensional array as vectors."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        struct = context.make_array(array_type)(context, builder, array)
        self.builder, self.data, self.size = builder, struct.data, struct.nitems
        self.number = context.get_data_type(array_type.dtype)
        self.itemsize = context.get_abi_sizeof(self.number)
        self.lanes = UNIT.bytes // self.itemsize

    def _address(self, at: Any, lanes: int) -> Any:
        vector = ir.VectorType(self.number, lanes)
        return self.builder.bitcast(self.builder.gep(self.data, [at]), pointer_to(vector))

    def load(self, at: Any, lanes: int) -> Any:
        return self.builder.load(self._address(at, lanes), align=self.itemsize)

    def load_doubles(self, at: Any, lanes: int) -> Any:
        values, wide = self.load(at, lanes), ir.VectorType(ir.DoubleType(), lanes)
        return values if values.type == wide else self.builder.fpext(values, wide)

    def store(self, value: Any, at: Any) -> None:
        self.builder.store(value, self._address(at, value.type.count), align=self.itemsize)

    def _turns(self, begin: Any, step: int, carried: list[Any], body: Callable[..., list[Any]]) -> Any:
        """body(at, carried) while a step of elements is left; returns where it ended and what was carried."""
        builder = self.builder
        entry = builder.block
        loop, inside, done = (builder.append_basic_block(name) for name in ("row.loop", "row.body", "row.done"))
        builder.branch(loop)
        builder.position_at_end(loop)
        at, phis = builder.phi(I64), [builder.phi(value.type) for value in carried]
        following = builder.add(at, I64(step))
        builder.cbranch(builder.icmp_signed("<=", following, self.size), inside, done)
        builder.position_at_end(inside)
        grown = body(at, phis)
        builder.branch(loop)
        for phi, first, later in zip([at, *phis], [begin, *carried], [following, *grown], strict=True):
            phi.add_incoming(first, entry)
            phi.add_incoming(later, inside)
        builder.position_at_end(done)
        return at, phis

    def _if(self, condition: Any, begin: Any, carried: list[Any], body: Callable[..., Any]) -> Any:
        """What body(begin, carried) returns, where it ended and what was carried, or else its arguments."""
        builder = self.builder
        entry = builder.block
        with builder.if_then(condition):
            ended, grown = body(begin, carried)
            inside = builder.block
        merged = []
        for before, after in zip([begin, *carried], [ended, *grown], strict=True):
            phi = builder.phi(before.type)
            phi.add_incoming(before, entry)
            phi.add_incoming(after, inside)
            merged.append(phi)
        return merged[0], merged[1:]

    def _is_long(self) -> Any:
        """Asked first, since rows of few classes have no whole vector: 1.15 ns an element of ten in place of 1.24."""
        return self.builder.icmp_signed(">=", self.size, I64(self.lanes))

    def _piece(self, begin: Any, lanes: int, carried: list[Any], body: Callable[..., list[Any]]) -> Any:
        """body(begin, carried) once if the size has that power of two; returns as _turns."""
        has = self.builder.trunc(self.builder.lshr(self.size, I64(lanes.bit_length() - 1)), ir.IntType(1))
        return self._if(has, begin, carried, lambda at, old: (self.builder.add(at, I64(lanes)), body(at, old)))

    def each(self, body: Callable[[Any, int], None]) -> None:
        """body(at, lanes) for each vector: whole ones, then the rest in vectors of half, a quarter, ..."""

        def run(lanes: int, times: int = 1) -> Callable[..., list[Any]]:
            def turn(at: Any, _: list[Any]) -> list[Any]:
                for k in range(times):
                    body(self.builder.add(at, I64(k * lanes)), lanes)
                return []

            return turn

        def whole(begin: Any, _: list[Any]) -> Any:
            at, _ = self._turns(begin, UNROLLED * self.lanes, [], run(self.lanes, UNROLLED))
            return self._turns(at, self.lanes, [], run(self.lanes))

        at, _ = self._if(self._is_long(), I64(0), [], whole)
        for lanes in _halves(self.lanes):
            at, _ = self._piece(at, lanes, [], run(lanes))

    def reduce(self, first: Any, value: Callable[[Any, int], Any], combine: Callable[[Any, Any], Any]) -> Any:
        """All value(at, lanes) combined, lane by lane and the lanes in halves; `first` is a vector of nothing."""

        def run(lanes: int) -> Callable[..., list[Any]]:
            def turn(at: Any, carried: list[Any]) -> list[Any]:
                places = [self.builder.add(at, I64(k * lanes)) for k in range(len(carried))]
                return [combine(value(place, lanes), old) for place, old in zip(places, carried, strict=True)]

            return turn

        def folded(value: Any) -> Any:
            half = value.type.count // 2
            return combine(*(_shuffled(self.builder, value, list(range(k, k + half))) for k in (0, half)))

        def whole(begin: Any, _: list[Any]) -> tuple[Any, list[Any]]:
            at, values = self._turns(begin, UNROLLED * self.lanes, [first] * UNROLLED, run(self.lanes))
            while len(values) > 1:
                values = [combine(a, b) for a, b in zip(values[::2], values[1::2], strict=True)]
            at, values = self._turns(at, self.lanes, values, run(self.lanes))
            return at, [folded(values[0])]

        nothing = _shuffled(self.builder, first, list(range(self.lanes // 2)))
        at, values = self._if(self._is_long(), I64(0), [nothing], whole)
        for lanes in _halves(self.lanes):
            if lanes < self.lanes // 2:
                values = [folded(values[0])]
            at, values = self._piece(at, lanes, values, run(lanes))
        return self.builder.extract_element(values[0], I64(0))


def _row_maximum(row: Any) -> Any:
    top = row.dtype.type(-math.inf)
    for j in range(row.size):
        top = row[j] if row[j] > top else top
    return top


@lowered(twin=_row_maximum)
def row_maximum(typingctx: Any, row: Any) -> Any:
    """The largest element that is not NaN; -inf in an empty row."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = _Row(context, builder, signature.args[0], args[0])

        def larger(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered(">", a, b), a, b)

        return source.reduce(_spread(builder, source.number(-math.inf), source.lanes), source.load, larger)

    return row.dtype(row), codegen


def _row_sum(row: Any) -> float:
    total = 0.0
    for j in range(row.size):
        total += row[j]
    return total


@lowered(twin=_row_sum)
def row_sum(typingctx: Any, row: Any) -> Any:
    """Sum in float64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = _Row(context, builder, signature.args[0], args[0])
        nothing = _spread(builder, ir.DoubleType()(0.0), source.lanes)
        return source.reduce(nothing, source.load_doubles, builder.fadd)

    return types.float64(row), codegen


def _row_dot(a: Any, b: Any) -> float:
    total = 0.0
    for j in range(a.size):
        total += np.float64(a[j]) * np.float64(b[j])
    return total


@lowered(twin=_row_dot)
def row_dot(typingctx: Any, a: Any, b: Any) -> Any:
    """Sum of a * b in float64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second = (_Row(context, builder, signature.args[k], args[k]) for k in (0, 1))
        nothing = _spread(builder, ir.DoubleType()(0.0), first.lanes)

        def value(at: Any, lanes: int) -> Any:
            return builder.fmul(first.load_doubles(at, lanes), second.load_doubles(at, lanes))

        return first.reduce(nothing, value, builder.fadd)

    return types.float64(a, b), codegen


def _shift_row(out: Any, row: Any, top: Any, scale: Any, more: Any) -> None:
    for j in range(row.size):
        out[j] = fma(row[j] - top, scale, more)


@lowered(twin=_shift_row)
def shift_row(typingctx: Any, out: Any, row: Any, top: Any, scale: Any, more: Any) -> Any:
    """out = (row - top) * scale + more; out may be row."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = (_Row(context, builder, signature.args[k], args[k]) for k in (0, 1))

        def body(at: Any, lanes: int) -> None:
            top, scale, more = (_spread(builder, scalar, lanes) for scalar in args[2:])
            target.store(call(builder, "llvm.fma", (builder.fsub(source.load(at, lanes), top), scale, more)), at)

        source.each(body)
        return context.get_dummy_value()

    return types.void(out, row, row.dtype, row.dtype, row.dtype), codegen


def _scale_row(row: Any, factor: Any) -> None:
    for j in range(row.size):
        row[j] *= factor


@lowered(twin=_scale_row)
def scale_row(typingctx: Any, row: Any, factor: Any) -> Any:
    """row *= factor"""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = _Row(context, builder, signature.args[0], args[0])

        def body(at: Any, lanes: int) -> None:
            target.store(builder.fmul(target.load(at, lanes), _spread(builder, args[1], lanes)), at)

        target.each(body)
        return context.get_dummy_value()

    return types.void(row, row.dtype), codegen
