"""Scalar operations with one exact meaning, which the vectoriser widens: fused multiply-add, rounding, powers of 2."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from fastnn._jit import lowered

# Significand and exponent fields of IEEE 754: integer width, bits of significand, bias.
FIELDS = {32: (32, 23, 127), 64: (64, 52, 1023)}


def _call(builder: Any, name: str, operands: Any) -> Any:
    """Call the LLVM intrinsic of that name on operands of one floating-point type."""
    operand = operands[0].type
    name = f"{name}.{'f32' if isinstance(operand, ir.FloatType) else 'f64'}"
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
        return _call(builder, "llvm.fma", args)

    return c(c, c, c), codegen


def _nearest(x: Any) -> Any:
    return np.rint(x)


@lowered(twin=_nearest)
def nearest(typingctx: Any, x: Any) -> Any:
    """x rounded to the nearest whole number, ties to even."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.rint", args)

    return x(x), codegen


def _larger(a: Any, b: Any) -> Any:
    return a if a > b else b


@lowered(twin=_larger)
def larger(typingctx: Any, a: Any, b: Any) -> Any:
    """The larger of two numbers that are not NaN; unlike max(), a reduction over it vectorises."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _call(builder, "llvm.maxnum", args)

    return a(a, a), codegen


def _power_of_two(n: Any) -> Any:
    return type(n)(2.0) ** n


@lowered(twin=_power_of_two)
def power_of_two(typingctx: Any, n: Any) -> Any:
    """2**n for a whole n in the range of normal exponents, by its bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, significand, bias = FIELDS[signature.return_type.bitwidth]
        integer = ir.IntType(width)
        exponent = builder.add(builder.fptosi(args[0], integer), integer(bias))
        return builder.bitcast(builder.shl(exponent, integer(significand)), args[0].type)

    return n(n), codegen


def _exponent(x: Any) -> Any:
    return type(x)(np.floor(np.log2(x)))


@lowered(twin=_exponent)
def exponent(typingctx: Any, x: Any) -> Any:
    """floor(log2(x)) of a positive normal number, as a number of its type, by its bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width, significand, bias = FIELDS[signature.return_type.bitwidth]
        integer = ir.IntType(width)
        field = builder.lshr(builder.bitcast(args[0], integer), integer(significand))
        return builder.sitofp(builder.sub(field, integer(bias)), args[0].type)

    return x(x), codegen


def _as_double(bits: Any) -> Any:
    return np.int64(bits).view(np.float64)


@lowered(twin=_as_double)
def as_double(typingctx: Any, bits: Any) -> Any:
    """The float64 whose bits an int64 holds."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen
