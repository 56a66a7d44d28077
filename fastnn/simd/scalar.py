"""Scalar operations with one exact meaning, which the vectoriser widens: fused multiply-add, rounding, powers of 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fastnn.compiler.jit import by_dtype, lowered
from fastnn.compiler.numba_private import ir

# Significand and exponent fields of IEEE 754: integer width, bits of significand, bias.
FIELDS = {32: (32, 23, 127), 64: (64, 52, 1023)}
# Adding 1.5 * 2**23 (2**52) rounds a small number to a whole one and leaves that in the low bits of the sum.
ROUNDER_4, ROUNDER_8 = np.float32(1.5 * 2**23), np.float64(1.5 * 2**52)
# Where a binade ends, for the logarithm.
SQRT_HALF_BITS = {32: int(np.float32(np.sqrt(0.5)).view(np.int32)), 64: int(np.sqrt(np.float64(0.5)).view(np.int64))}

rounder = by_dtype(lambda x: ROUNDER_4, lambda x: ROUNDER_8)
exponent_bias = by_dtype(lambda x: np.float32(127), lambda x: np.float64(1023))


def call(builder: Any, name: str, operands: Any) -> Any:
    """Call the LLVM intrinsic of that name on floating-point numbers, or vectors of them, of one type."""
    operand = operands[0].type
    lanes, element = ("", operand) if not isinstance(operand, ir.VectorType) else (f"v{operand.count}", operand.element)
    name = f"{name}.{lanes}{'f32' if isinstance(element, ir.FloatType) else 'f64'}"
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(operand, [operand] * len(operands)), name)
    return builder.call(function, operands)


def _fma(a: Any, b: Any, c: Any) -> Any:
    return a * b + c


@lowered(twin=_fma)
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return call(builder, "llvm.fma", args)

    return c(c, c, c), codegen


def _power_of_low_bits(t: Any) -> Any:
    return type(t)(2.0) ** (t - rounder(t) - exponent_bias(t))


@lowered(twin=_power_of_low_bits)
def power_of_low_bits(typingctx: Any, t: Any) -> Any:
    """2**n where t = rounder + bias + n: the low bits of t, shifted, are the exponent of a normal number."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, significand, _ = FIELDS[signature.return_type.bitwidth]
        integer = ir.IntType(width)
        shifted = builder.shl(builder.bitcast(args[0], integer), integer(significand))
        return builder.bitcast(shifted, args[0].type)

    return t(t), codegen


def _lifted_bits(builder: Any, x: Any, width: int) -> Any:
    """The bits of x, moved so that the exponent field changes at sqrt(1/2) and not at 1."""
    _, significand, bias = FIELDS[width]
    integer = ir.IntType(width)
    return builder.add(builder.bitcast(x, integer), integer((bias << significand) - SQRT_HALF_BITS[width]))


def _binade(x: Any) -> Any:
    return type(x)(np.floor(np.log2(x) + type(x)(0.5)))


@lowered(twin=_binade)
def binade(typingctx: Any, x: Any) -> Any:
    """The whole n for which a positive normal x is m * 2**n with m in [sqrt(1/2), sqrt(2)), as a number of its type."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, significand, bias = FIELDS[signature.return_type.bitwidth]
        integer, number = ir.IntType(width), args[0].type
        field = builder.lshr(_lifted_bits(builder, args[0], width), integer(significand))
        # By a sum and not by a conversion, which AVX2 has for 32 bits only.
        round_to = ROUNDER_4 if width == 32 else ROUNDER_8
        low_bits = builder.add(field, integer(int(round_to.view(f"i{width // 8}"))))
        return builder.fsub(builder.bitcast(low_bits, number), number(float(round_to) + bias))

    return x(x), codegen


def _significand(x: Any) -> Any:
    return x * type(x)(2.0) ** -binade(x)


@lowered(twin=_significand)
def significand(typingctx: Any, x: Any) -> Any:
    """The m in [sqrt(1/2), sqrt(2)) for which a positive normal x is m * 2**n."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, significand, bias = FIELDS[signature.return_type.bitwidth]
        integer, field = ir.IntType(width), ((1 << (width - 1 - significand)) - 1) << significand
        exponent = builder.and_(_lifted_bits(builder, args[0], width), integer(field))
        bits = builder.sub(builder.bitcast(args[0], integer), exponent)
        return builder.bitcast(builder.add(bits, integer(bias << significand)), args[0].type)

    return x(x), codegen


def _polynomial(x: Any, coefficients: Any) -> Any:
    value = coefficients[-1]
    for k in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[k]
    return value


@lowered(twin=_polynomial)
def polynomial(typingctx: Any, x: Any, coefficients: Any) -> Any:
    """coefficients[0] + x * (coefficients[1] + ...), by fused multiply-adds, unrolled.

    One chain: even and odd powers side by side cost as much, since loops keep the multipliers busy either way.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, coefficients = args
        *lower, value = (builder.extract_value(coefficients, k) for k in range(len(signature.args[1])))
        for coefficient in reversed(lower):
            value = call(builder, "llvm.fma", (value, x, coefficient))
        return value

    return x(x, coefficients), codegen


def _as_double(bits: Any) -> Any:
    return np.int64(bits).view(np.float64)


@lowered(twin=_as_double)
def as_double(typingctx: Any, bits: Any) -> Any:
    """The float64 whose bits an int64 holds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen
