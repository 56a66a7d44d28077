"""Kernels that reach what a core can do: fused multiply-adds in registers, and streams through a buffer.

A ceiling is what these attain, not what a data sheet says. Each row of an array belongs to one thread.
"""

from __future__ import annotations

from typing import Any

from numba import prange, types

from fastnn.compiler.jit import kernel, lowered
from fastnn.compiler.numba_private import ir, pointer_to
from fastnn.simd.emit import lanes_of
from fastnn.simd.host import UNIT
from fastnn.simd.pool import disown_pool, own_pool
from fastnn.simd.scalar import fma
from fastnn.simd.views import vector

I64 = ir.IntType(64)

# Independent sums in flight: units x latency is 4 to 10 on x86 and 16 on the largest ARM cores; with the two operands
# they must fit 32 registers, on AVX2 and the baseline 16.
CHAINS = 20 if UNIT.name in ("avx512", "neon") else 12

COPY, TRIAD, READ = range(3)
# Arrays that each stream runs through, as STREAM counts its traffic: a store is one transfer.
STREAMS = {"copy": (COPY, 2), "triad": (TRIAD, 3), "read": (READ, 1)}


def flops_of_round(itemsize: int) -> int:
    """FLOPs of one round of multiply_add_rounds on one thread."""
    return 2 * CHAINS * lanes_of(itemsize)


def chain_elements(itemsize: int) -> int:
    """Elements of a row that multiply_add_rounds works on: the sums, a factor and a term."""
    return (CHAINS + 2) * lanes_of(itemsize)


def _rounds(row: Any, rounds: int) -> None:
    lanes = row.size // (CHAINS + 2)
    factor, term = CHAINS * lanes, (CHAINS + 1) * lanes
    for _ in range(rounds):
        for i in range(CHAINS * lanes):
            row[i] = fma(row[i], row[factor + i % lanes], row[term + i % lanes])


@lowered(twin=_rounds)
def multiply_add_rounds(typingctx: Any, row: Any, rounds: Any) -> Any:
    """CHAINS vectors s of the row become s * factor + term, `rounds` times, without leaving the registers."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(signature.args[0].dtype)
        itemsize = signature.args[0].dtype.bitwidth // 8
        lanes = lanes_of(itemsize)
        vectors = ir.VectorType(element, lanes)
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        base = builder.bitcast(data, pointer_to(vectors))
        places = [builder.gep(base, [I64(i)]) for i in range(CHAINS + 2)]
        *first, factor, term = [builder.load(place, align=itemsize) for place in places]
        multiply_add = ir.Function(
            builder.module, ir.FunctionType(vectors, [vectors] * 3), f"llvm.fma.v{lanes}f{8 * itemsize}"
        )
        entry = builder.block
        loop, body, done = (builder.append_basic_block(name) for name in ("loop", "body", "done"))
        builder.branch(loop)

        builder.position_at_end(loop)
        index = builder.phi(I64)
        sums = [builder.phi(vectors) for _ in first]
        builder.cbranch(builder.icmp_signed("<", index, args[1]), body, done)

        builder.position_at_end(body)
        grown = [builder.call(multiply_add, [total, factor, term]) for total in sums]
        following = builder.add(index, I64(1))
        builder.branch(loop)

        index.add_incoming(I64(0), entry)
        index.add_incoming(following, body)
        for phi, before, after in zip(sums, first, grown, strict=True):
            phi.add_incoming(before, entry)
            phi.add_incoming(after, body)
        builder.position_at_end(done)
        for total, place in zip(sums, places, strict=False):
            builder.store(total, place, align=itemsize)
        return context.get_dummy_value()

    return types.void(row, types.intp), codegen


@kernel
def _fma_row(buffer, part, rounds):
    width = buffer.shape[1]
    multiply_add_rounds(vector(buffer.reshape(buffer.size), part * width, width), rounds)


@kernel(parallel=True)
def _fma_parallel(buffer, rounds):
    for part in prange(buffer.shape[0]):
        _fma_row(buffer, part, rounds)


@kernel
def fma_peak(buffer, rounds):
    """multiply_add_rounds on each row of the buffer, a thread a row."""
    if buffer.shape[0] > 1 and own_pool():
        _fma_parallel(buffer, rounds)
        disown_pool()
    else:
        for part in range(buffer.shape[0]):
            _fma_row(buffer, part, rounds)


@kernel(reassociate=True)
def _sum(a):
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i]
    return total


@kernel
def _stream_row(buffer, part, kind, repeats):
    """The roles of the arrays rotate, so that no pass repeats the one before."""
    width = buffer.shape[1]
    flat = buffer.reshape(buffer.size)
    arrays = 3 if kind == TRIAD else (2 if kind == COPY else 1)
    n = width // arrays
    at = part * width
    half = buffer.dtype.type(0.5)
    for r in range(repeats):
        a = vector(flat, at + r % arrays * n, n)
        b = vector(flat, at + (r + 1) % arrays * n, n)
        c = vector(flat, at + (r + 2) % arrays * n, n)
        if kind == COPY:
            for i in range(n):
                a[i] = b[i]
        elif kind == TRIAD:
            for i in range(n):
                a[i] = b[i] + half * c[i]
        else:
            b[0] = half * _sum(a)


@kernel(parallel=True)
def _stream_parallel(buffer, kind, repeats):
    for part in prange(buffer.shape[0]):
        _stream_row(buffer, part, kind, repeats)


@kernel
def stream(buffer, kind, repeats):
    """`repeats` passes of a stream through each row of the buffer, a thread a row; see STREAMS."""
    if buffer.shape[0] > 1 and own_pool():
        _stream_parallel(buffer, kind, repeats)
        disown_pool()
    else:
        for part in range(buffer.shape[0]):
            _stream_row(buffer, part, kind, repeats)


@kernel
def first(array):
    """The first element: what a call with one array costs, and no more."""
    return array[0]
