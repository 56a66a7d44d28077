"""Two threads that answer each other through memory: how far apart their cores are.

On one chip a word goes there and back in 0.1 us; between chips, where a hypervisor may move virtual cores at any time,
in 0.4 us, and what threads share of a layer's weights then takes three times as long.
"""

from __future__ import annotations

from typing import Any

from numba import prange, types

from fastnn.compiler.jit import kernel, lowered
from fastnn.simd.pool import disown_pool, own_pool

# Words between what one thread writes and what the other does: no line, nor a pair of lines, holds both.
APART = 32


def _load(words: Any, index: int) -> Any:
    return words[index]


def _store(words: Any, index: int, value: int) -> None:
    words[index] = value


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])


@lowered(twin=_load)
def load_shared(typingctx: Any, words: Any, index: Any) -> Any:
    """words[index], an int64, as another thread may have just written it."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, args), "acquire", 8)

    return types.int64(words, types.intp), codegen


@lowered(twin=_store)
def store_shared(typingctx: Any, words: Any, index: Any, value: Any) -> Any:
    """words[index] = value, an int64, for another thread to see."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _place(context, builder, signature, args), "release", 8)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), codegen


@kernel
def _take_turns(words, part, rounds, patience):
    """Thread 0 asks, thread 1 answers; gives up after so many looks, as nobody answers where threads run in turn."""
    mine, theirs = (0, APART) if part == 0 else (APART, 0)
    for turn in range(1, rounds + 1):
        if part == 0:
            store_shared(words, mine, turn)
        looks = 0
        while load_shared(words, theirs) < turn:
            looks += 1
            if looks > patience:
                return
        if part == 1:
            store_shared(words, mine, turn)


@kernel(parallel=True)
def _both(words, rounds, patience):
    for part in prange(2):
        _take_turns(words, part, rounds, patience)


@kernel
def hand_over(words, rounds, patience):
    """So many times there and back, in words (2 APART,) of 0, on two threads; words[APART] tells how many it were."""
    if own_pool():
        _both(words, rounds, patience)
        disown_pool()
