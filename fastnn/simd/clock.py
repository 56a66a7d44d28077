"""The system's monotonic clock, time.monotonic_ns, in nopython code: 25 ns a look."""

from __future__ import annotations

import time
from typing import Any

from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import get_or_insert_function, ir


def _nanoseconds() -> int:
    return 0  # where kernels are not compiled, or by numba alone, nobody waits for a thread


@lowered(twin=_nanoseconds)
def nanoseconds(typingctx: Any) -> Any:
    """Since a moment of the system's; 0 in plain Python and in debug mode."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, number = ir.IntType(64), ir.IntType(32)
        stamp = ir.ArrayType(word, 2)  # of seconds and nanoseconds, on all 64-bit systems that have it
        kind = ir.FunctionType(number, [number, stamp.as_pointer()])
        clock = get_or_insert_function(builder.module, kind, "clock_gettime")
        with builder.goto_entry_block():
            place = builder.alloca(stamp)
        builder.call(clock, [number(time.CLOCK_MONOTONIC), place])
        told = builder.load(place)
        seconds, rest = (builder.extract_value(told, k) for k in (0, 1))
        return builder.add(builder.mul(seconds, word(1_000_000_000)), rest)

    return types.int64(), codegen
