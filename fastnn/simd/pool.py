"""One owner at a time for numba's threads, who are left alone while others have their cores.

A parallel region is entered only by the thread that takes the pool; whoever finds it taken runs the serial twin, whose
bits are the same. Nobody waits, cores are never oversubscribed, and the workqueue layer, which aborts the process when
two threads enter it at once, is safe to use from many Python threads.

Where another process has a core, a thread of ours waits there for its time slice, some milliseconds, and all wait
for it: a step of 784-128-10 at batch 32, 0.23 ms on one thread, took 16 ms on two with one core of two busy. So each
thread tells when it is done. Where the first was done after t and the last after t + w, one thread would have taken
about 2 t: the region gained t - w. Where gains and losses of late come to a loss, the pool rests: regions run on one
thread for a while, and longer each time that it happens again.
"""

from __future__ import annotations

import ctypes
from typing import Any

from numba import types

from fastnn.compiler.jit import kernel, lowered
from fastnn.compiler.numba_private import (
    THREAD_COUNT,
    add_reload_step,
    add_symbol,
    get_or_insert_function,
    ir,
    launch_threads,
)
from fastnn.simd.clock import nanoseconds

# A named symbol and not an address in the code: constant addresses would keep kernels out of the disk cache.
_SYMBOL = "fastnn_pool_owner"
_owner = ctypes.c_int32(0)
add_symbol(_SYMBOL, ctypes.addressof(_owner))


# What else is known of it, int64 each: the piece of work to be taken next; when the region began, and when the first
# thread was done with its part; what regions gained of late; how long the pool rests when it is to, and until when.
# All but the first in nanoseconds.
NEXT, BEGUN, FIRST_DONE, GAINED, REST, RESTS_UNTIL = range(6)
PLACES = 6
_STATE_SYMBOL = "fastnn_pool_state"
_state = (ctypes.c_int64 * PLACES)()
add_symbol(_STATE_SYMBOL, ctypes.addressof(_state))
FAR = 2**62
# A loss of less than a time slice (3 to 4 ms), but of more than threads that wake up cost (50 us); gains that make up
# for two of them.
LOSS, ENOUGH = 1_000_000, 8_000_000
LEAST_REST, MOST_REST = 10_000_000, 640_000_000


def _word(builder: Any) -> Any:
    known = builder.module.globals.get(_SYMBOL)
    if known is None:
        known = ir.GlobalVariable(builder.module, ir.IntType(32), _SYMBOL)
        known.linkage = "external"
    return known


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


def _own() -> bool:
    return True


def _disown() -> None:
    return None


@lowered(twin=_own)
def own_pool(typingctx: Any) -> Any:
    """True if the pool was free and is now the caller's, who must give it back with disown_pool."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        free, taken = ir.IntType(32)(0), ir.IntType(32)(1)
        return builder.extract_value(builder.cmpxchg(_word(builder), free, taken, "acquire", "monotonic"), 1)

    return types.boolean(), codegen


@lowered(twin=_disown)
def disown_pool(typingctx: Any) -> Any:
    """Give the pool back."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(ir.IntType(32)(0), _word(builder), "release", 4)
        return context.get_dummy_value()

    return types.void(), codegen


def _get(place: int) -> int:
    return 0


def _put(place: int, value: int) -> None:
    return None


def _add(place: int, value: int) -> int:
    return 0


def _place(builder: Any, place: Any) -> Any:
    known = builder.module.globals.get(_STATE_SYMBOL)
    if known is None:
        known = ir.GlobalVariable(builder.module, ir.ArrayType(ir.IntType(64), PLACES), _STATE_SYMBOL)
        known.linkage = "external"
    return builder.gep(known, [ir.IntType(32)(0), place])


@lowered(twin=_get)
def get_state(typingctx: Any, place: Any) -> Any:
    """What stands at that place of the pool's state."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(builder, args[0]), "acquire", 8)

    return types.int64(types.intp), codegen


@lowered(twin=_put)
def put_state(typingctx: Any, place: Any, value: Any) -> Any:
    """Sets it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _place(builder, args[0]), "release", 8)
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), codegen


@lowered(twin=_add)
def add_state(typingctx: Any, place: Any, value: Any) -> Any:
    """Adds to it, and returns what stood there."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, args[0]), args[1], "monotonic")

    return types.int64(types.intp, types.int64), codegen


@lowered(twin=_put)
def lower_state(typingctx: Any, place: Any, value: Any) -> Any:
    """The lesser of it and the value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.atomic_rmw("min", _place(builder, args[0]), args[1], "monotonic")
        return context.get_dummy_value()

    return types.void(types.intp, types.int64), codegen


@kernel(inlined=True)
def take_pool():
    """True if the pool was free and does not rest; the caller must give it back with release_pool."""
    if not own_pool():
        return False
    now = nanoseconds()
    if now < get_state(RESTS_UNTIL):
        disown_pool()
        return False
    put_state(NEXT, 0)
    put_state(BEGUN, now)
    put_state(FIRST_DONE, FAR)
    return True


@kernel(inlined=True)
def next_piece():
    """The number of a piece of work that no thread has taken yet, from 0 on."""
    return add_state(NEXT, 1)


@kernel(inlined=True)
def part_done():
    """Each thread calls it when its part of a region is done."""
    lower_state(FIRST_DONE, nanoseconds())


@kernel
def release_pool():
    """Give the pool back; it rests where regions of late were no gain."""
    now = nanoseconds()
    first = min(get_state(FIRST_DONE), now)
    gained = min(get_state(GAINED) + (first - get_state(BEGUN)) - (now - first), ENOUGH)
    if gained < -LOSS:
        rest = min(max(2 * get_state(REST), LEAST_REST), MOST_REST)
        put_state(REST, rest)
        put_state(RESTS_UNTIL, now + rest)
        gained = 0 * gained
    elif gained == ENOUGH:
        put_state(REST, 0)
    put_state(GAINED, gained)
    disown_pool()
