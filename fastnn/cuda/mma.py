"""Tensor cores: the warp's own instruction for a small product, and the words that it reads.

    tf32   a word is one number, rounded to 11 significant bits
    bf16   a word is two numbers of 8 significant bits, the first one in the lower half

Products of them are exact and their sums are float32. Sources: PTX ISA, mma.sync.m16n8k8 (tf32), m16n8k16 (bf16), and
cvt.rna.tf32, cvt.rn.bf16x2. The simulator has no warps: there words are the same, and threads multiply by themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fastnn.cuda.target import SIMULATED, description, device
from fastnn.learning.precision import rounded

# Terms of a word.
PACKED = {"tf32": 1, "bf16": 2}
# Devices before that of Ampere, 8.0, have none of these.
LEAST_CAPABILITY = 8.0
# Numbers that a lane gives and gets: of the left and right matrix, and of the sums.
LEFT, RIGHT, SUMS = 4, 2, 4
SHAPE = {"tf32": "m16n8k8", "bf16": "m16n8k16"}


def _instruction(text: str, constraints: str, returns: Any, *takes: Any, convergent: bool = False) -> Any:
    """A device function of one instruction of PTX; returns a number, or a tuple of as many as `returns` has."""
    from numba.extending import intrinsic

    from fastnn.compiler.numba_private import ir

    kinds = {types.float32: ir.FloatType(), types.uint32: ir.IntType(32)}
    several = isinstance(returns, types.UniTuple)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = ir.LiteralStructType([kinds[returns.dtype]] * returns.count) if several else kinds[returns]
        kind = ir.FunctionType(result, [kinds[t] for t in takes])
        values = [builder.extract_value(arguments[0], n) for n in range(len(takes))]
        call = builder.asm(kind, text, constraints, values, convergent)
        if convergent:
            call.attributes.add("convergent")
        if not several:
            return call
        return context.make_tuple(builder, returns, [builder.extract_value(call, n) for n in range(returns.count)])

    @intrinsic
    def call(typing_context, arguments):  # type: ignore[no-untyped-def]
        return returns(types.Tuple(takes)), generate

    return call


def multiply_of(precision: str) -> Any:
    """The device function that takes one tuple, four words of the left matrix, two of the right one and four sums, each
    the lane's part of its warp's, and returns the new sums."""
    name = f"mma.sync.aligned.{SHAPE[precision]}.row.col.f32.{precision}.{precision}.f32"
    text = f"{name} {{$0,$1,$2,$3}}, {{$4,$5,$6,$7}}, {{$8,$9}}, {{$10,$11,$12,$13}};"
    words, numbers = [types.uint32] * (LEFT + RIGHT), [types.float32] * SUMS
    constraints = ",".join(["=f"] * SUMS + ["r"] * (LEFT + RIGHT) + ["f"] * SUMS)
    return _instruction(text, constraints, types.UniTuple(types.float32, SUMS), *words, *numbers, convergent=True)


def _make_word(precision: str) -> Any:
    """The word of held[at:]."""
    if precision == "tf32":
        nearest = _instruction("cvt.rna.tf32.f32 $0, $1;", "=r,f", types.uint32, types.float32)

        @device
        def word(held, at):  # type: ignore[no-untyped-def]
            return nearest((held[at],))

    else:
        packed = _instruction("cvt.rn.bf16x2.f32 $0, $1, $2;", "=r,f,f", types.uint32, types.float32, types.float32)

        @device
        def word(held, at):  # type: ignore[no-untyped-def]
            return packed((held[at + 1], held[at]))

    return word


def _simulated_word(precision: str) -> Any:
    def bits(number: Any) -> int:
        return int(rounded(number, precision).view(np.uint32))

    def tf32(held: Any, at: int) -> np.uint32:
        return np.uint32(bits(held[at]))

    def bf16(held: Any, at: int) -> np.uint32:
        return np.uint32(bits(held[at + 1]) & 0xFFFF0000 | bits(held[at]) >> 16)

    return tf32 if precision == "tf32" else bf16


def numbers_of(word: Any, precision: str) -> Any:
    """The float32 numbers in a word; for the simulator."""
    bits = [word] if precision == "tf32" else [np.uint32(int(word) << 16 & 0xFFFFFFFF), word & np.uint32(0xFFFF0000)]
    return np.array(bits, np.uint32).view(np.float32)


def word_of(precision: str) -> Any:
    """The device function that makes a word of PACKED numbers."""
    return (_simulated_word if SIMULATED else _make_word)(precision)


def require_tensor_cores() -> None:
    """ValueError for a device without them."""
    found = description()["compute_capability"]
    if found is not None and float(found) < LEAST_CAPABILITY:
        raise ValueError(f"tf32 and bf16 take compute capability {LEAST_CAPABILITY}; this device has {found}")
