"""Sums of the columns of a matrix and of their products, as norms of channels take them.

A few vectors of columns go down the rows with their sums in registers. TERMS rows are one chain of each in the arrays'
type, and chains are summed in float64: a sum's order follows from the number of rows alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import alloca_once, for_range_slice, ir
from fastnn.simd import linkage
from fastnn.simd.emit import I64, VectorBuilder, pointers, whole_and_rest
from fastnn.simd.scalar import fma

TERMS = 16
# Vectors that go down together, so that chains do not wait for each other and lines are read in their order.
ABREAST = (4, 2, 1)


class _Columns:
    """What the vectors of columns from `at` on need: their means, and their sums in float64."""

    def __init__(self, emitter: VectorBuilder, arrays: Any, at: Any, vectors: int, mask: Any) -> None:
        self.emitter, self.builder, self.mask = emitter, emitter.builder, mask
        self.u, self.v, means, self.ld = arrays
        self.places = [self.builder.add(at, I64(k * emitter.lanes)) for k in range(vectors)]
        self.means = [self._load(means, place) for place in self.places]
        self.double = ir.VectorType(ir.DoubleType(), emitter.lanes)
        self.totals = [[alloca_once(self.builder, self.double) for _ in range(vectors)] for _ in range(2)]
        for total in self.totals[0] + self.totals[1]:
            self.builder.store(ir.Constant(self.double, None), total)

    def _load(self, pointer: Any, place: Any) -> Any:
        return self.emitter.load(self.emitter.at(pointer, place), self.mask)

    def _terms(self, i: Any, k: int) -> tuple[Any, Any]:
        """u and v - mean of a row; without u the first is the second."""
        place = self.builder.add(self.builder.mul(i, self.ld), self.places[k])
        term = self.builder.fsub(self._load(self.v, place), self.means[k])
        return (term if self.u is None else self._load(self.u, place)), term

    def _add(self, total: Any, part: Any) -> None:
        wide = part if part.type == self.double else self.builder.fpext(part, self.double)
        self.builder.store(self.builder.fadd(self.builder.load(total), wide), total)

    def _add_rows(self, begin: Any, count: int) -> None:
        builder, vectors = self.builder, range(len(self.places))
        sums, products = ([self.emitter.zero for _ in vectors] for _ in range(2))
        for i in range(count):
            for k in vectors:
                first, second = self._terms(builder.add(begin, I64(i)), k)
                sums[k] = builder.fadd(sums[k], first)
                products[k] = self.emitter.fma(first, second, products[k])
        for totals, parts in zip(self.totals, (sums, products), strict=True):
            for total, part in zip(totals, parts, strict=True):
                self._add(total, part)

    def add_up(self, rows: Any) -> None:
        whole = self.builder.and_(rows, I64(-TERMS))
        for begin, end, count in ((I64(0), whole, TERMS), (whole, rows, 1)):
            with for_range_slice(self.builder, begin, end, I64(count), intp=I64) as (i, _):
                self._add_rows(i, count)

    def store(self, outs: tuple[Any, Any]) -> None:
        for out, totals in zip(outs, self.totals, strict=True):
            for place, kept in zip(self.places, totals, strict=True):
                total = self.builder.load(kept)
                value = total if total.type == self.emitter.type else self.builder.fptrunc(total, self.emitter.type)
                self.emitter.store(value, self.emitter.at(out, place), self.mask)


def _emit(builder: Any, itemsize: int, outs: tuple[Any, Any], u: Any, v: Any, means: Any, ld: Any, rows: Any,
          n: Any) -> None:  # fmt: skip
    emitter = VectorBuilder(builder, itemsize)

    def part(at: Any, vectors: int, mask: Any) -> None:
        columns = _Columns(emitter, (u, v, means, ld), at, vectors, mask)
        columns.add_up(rows)
        columns.store(outs)

    whole, rest = whole_and_rest(emitter, n)
    done: Any = I64(0)
    for vectors in ABREAST:
        end, step = builder.and_(n, I64(-vectors * emitter.lanes)), I64(vectors * emitter.lanes)
        with for_range_slice(builder, done, end, step, intp=I64) as (at, _):
            part(at, vectors, None)
        done = end
    with builder.if_then(builder.icmp_signed("!=", rest, I64(0))):
        part(whole, 1, emitter.mask(rest))


def _build_moments(builder: Any, itemsize: int, sums: Any, squares: Any, x: Any, *rest: Any) -> None:
    _emit(builder, itemsize, (sums, squares), None, x, *rest)


def _build_products(builder: Any, itemsize: int, sums: Any, products: Any, u: Any, v: Any, *rest: Any) -> None:
    _emit(builder, itemsize, (sums, products), u, v, *rest)


linkage.define("moments", "ppppiii", _build_moments, linkage.NORMS)
linkage.define("products", "pppppiii", _build_products, linkage.NORMS)


def _column_products(sums: Any, products: Any, u: Any, u_at: int, v: Any, v_at: int, means: Any, ld: int, rows: int,
                     n: int) -> None:  # fmt: skip
    for j in range(n):
        total, product_total = 0.0, 0.0
        for first in range(0, rows, TERMS):
            count = TERMS if first + TERMS <= rows else 1
            for begin in range(first, min(first + TERMS, rows), count):
                part = product = v.dtype.type(0)
                for at in range(begin * ld + j, (begin + count) * ld + j, ld):
                    part += u[u_at + at]
                    product = fma(u[u_at + at], v[v_at + at] - means[j], product)
                total += float(part)
                product_total += float(product)
        sums[j], products[j] = total, product_total


@lowered(twin=_column_products)
def column_products(typingctx: Any, sums: Any, products: Any, u: Any, u_at: Any, v: Any, v_at: Any, means: Any,
                    ld: Any, rows: Any, n: Any) -> Any:  # fmt: skip
    """sums[:n] = u[:rows, :n] summed over its rows, products[:n] = u * (v - means); flat arrays, u and v from the
    offset beside each, their rows ld elements apart."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        outs = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 6)]
        terms = pointers(context, builder, signature, args, 2, 4)
        itemsize = signature.args[0].dtype.bitwidth // 8
        linkage.call(context, builder, "products", itemsize, [*outs[:2], *terms, outs[2], *args[7:]])
        return context.get_dummy_value()

    size = types.intp
    return types.void(sums, products, u, size, v, size, means, size, size, size), codegen


def _column_moments(sums: Any, squares: Any, x: Any, x_at: int, means: Any, ld: int, rows: int, n: int) -> None:
    centred = np.empty(rows * n, x.dtype)
    for i in range(rows):
        for j in range(n):
            centred[i * n + j] = x[x_at + i * ld + j] - means[j]
    column_products(sums, squares, centred, 0, centred, 0, np.zeros(n, x.dtype), n, rows, n)


@lowered(twin=_column_moments)
def column_moments(typingctx: Any, sums: Any, squares: Any, x: Any, x_at: Any, means: Any, ld: Any, rows: Any,
                   n: Any) -> Any:  # fmt: skip
    """sums[:n] = x[:rows, :n] - means, summed over its rows, squares[:n] = that squared; see column_products."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        outs = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4)]
        terms = pointers(context, builder, signature, args, 2)
        itemsize = signature.args[0].dtype.bitwidth // 8
        linkage.call(context, builder, "moments", itemsize, [*outs[:2], *terms, outs[2], *args[5:]])
        return context.get_dummy_value()

    size = types.intp
    return types.void(sums, squares, x, size, means, size, size, size), codegen
