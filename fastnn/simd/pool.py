"""One owner at a time for numba's threads.

A parallel region is entered only by the thread that takes the pool; whoever finds it taken runs the serial twin, whose
bits are the same. Nobody waits, cores are never oversubscribed, and the workqueue layer, which aborts the process when
two threads enter it at once, is safe to use from many Python threads.
"""

from __future__ import annotations

import ctypes
from typing import Any

from numba import types

from fastnn._jit import lowered
from fastnn.compiler.numba_private import (
    THREAD_COUNT,
    add_reload_step,
    add_symbol,
    get_or_insert_function,
    ir,
    launch_threads,
)

# A named symbol and not an address in the code: constant addresses would keep kernels out of the disk cache.
_SYMBOL = "fastnn_pool_owner"
_owner = ctypes.c_int32(0)
add_symbol(_SYMBOL, ctypes.addressof(_owner))


def _word(builder: Any) -> Any:
    known = builder.module.globals.get(_SYMBOL)
    if known is None:
        known = ir.GlobalVariable(builder.module, ir.IntType(32), _SYMBOL)
        known.linkage = "external"
    return known


def _take() -> bool:
    return True


def _release() -> None:
    return None


def _one() -> int:
    return 1


@lowered(twin=_one)
def thread_count(typingctx: Any) -> Any:
    """numba.get_num_threads(), which itself keeps its callers out of the disk cache."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        launch_threads()
        add_reload_step(context, launch_threads)
        size = context.get_value_type(types.intp)
        function = get_or_insert_function(builder.module, ir.FunctionType(size, []), THREAD_COUNT)
        return builder.call(function, [])

    return types.intp(), codegen


@lowered(twin=_take)
def take_pool(typingctx: Any) -> Any:
    """True if the pool was free and is now the caller's, who must give it back with release_pool."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        free, taken = ir.IntType(32)(0), ir.IntType(32)(1)
        return builder.extract_value(builder.cmpxchg(_word(builder), free, taken, "acquire", "monotonic"), 1)

    return types.boolean(), codegen


@lowered(twin=_release)
def release_pool(typingctx: Any) -> Any:
    """Give the pool back."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(ir.IntType(32)(0), _word(builder), "release", 4)
        return context.get_dummy_value()

    return types.void(), codegen
