"""Functions and intrinsics that the tests of Numba's private interface compile."""

from __future__ import annotations

from typing import Any

import numba
from numba import types
from numba.extending import intrinsic

from fastnn.compiler.numba_private import ir

I64 = ir.IntType(64)
NUMBERS = types.Array(types.float64, 1, "C")


def compiled(function: Any, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Dispatcher, and compile result for types of arguments."""
    dispatcher = numba.njit(**options)(function)
    dispatcher.compile(arguments)
    return dispatcher, dispatcher.overloads[arguments]


def written(returns: Any, write: Any) -> Any:
    """An intrinsic of whole numbers; write(context, builder, signature, args) gives its value."""

    @intrinsic
    def instruction(typingctx, a, b):
        return returns(types.intp, types.intp), write

    @numba.njit
    def call(a, b):
        return instruction(a, b)

    return call
