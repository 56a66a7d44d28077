"""Splitmix64: random bits by their number, with no state to keep.

Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number generators", with the constants of Vigna's C
version.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from fastnn.compiler.jit import lowered
from fastnn.compiler.numba_private import ir

I64 = ir.IntType(64)
GOLDEN = 0x9E3779B97F4A7C15
# Shifts to the right, each with the factor after it.
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT = 31


def _signed(bits: int) -> int:
    return bits - 2**64 if bits >= 2**63 else bits


GOLDEN_SIGNED = _signed(GOLDEN)
(SHIFT_1, FACTOR_1), (SHIFT_2, FACTOR_2) = ((shift, _signed(factor)) for shift, factor in ROUNDS)


def _splitmix(state: Any, index: Any) -> Any:
    # In an array, whose whole numbers wrap around without a warning; >> copies the sign, which the mask takes away.
    bits = np.array([index], np.int64)
    bits = (bits + 1) * GOLDEN_SIGNED + state
    bits = (bits ^ ((bits >> SHIFT_1) & (2 ** (64 - SHIFT_1) - 1))) * FACTOR_1
    bits = (bits ^ ((bits >> SHIFT_2) & (2 ** (64 - SHIFT_2) - 1))) * FACTOR_2
    return (bits ^ ((bits >> LAST_SHIFT) & (2 ** (64 - LAST_SHIFT) - 1)))[0]


@lowered(twin=_splitmix)
def splitmix(typingctx: Any, state: Any, index: Any) -> Any:
    """Output number `index`, from 0, of splitmix64 begun at `state`: 64 bits as an int64."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        state, index = args
        bits = builder.add(state, builder.mul(builder.add(index, I64(1)), I64(GOLDEN)))
        for shift, factor in ROUNDS:
            bits = builder.mul(builder.xor(bits, builder.lshr(bits, I64(shift))), I64(factor))
        return builder.xor(bits, builder.lshr(bits, I64(LAST_SHIFT)))

    return types.int64(types.int64, types.int64), codegen
