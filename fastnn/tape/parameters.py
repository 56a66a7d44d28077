"""The table of parameter blocks at the end of a tape; see fastnn.lowering.parameters."""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.scalar import as_double
from fastnn.simd.views import flat
from fastnn.tape.columns import (
    BLOCK_ENTRY,
    BLOCK_FLAGS,
    BLOCK_OFFSET,
    BLOCK_RATE,
    BLOCK_SIZE,
    BLOCKS_AT,
    COLUMNS,
    COUNT,
    DECAYS,
    STATISTIC,
)


@kernel(inlined=True)
def block_of(tape, k):
    """Of parameter block k: where it lies, its size, whether it decays, and what its learning rate is multiplied by."""
    table, entry = flat(tape), tape[0, BLOCKS_AT] * COLUMNS + k * BLOCK_ENTRY
    decays, rate = table[entry + BLOCK_FLAGS] & DECAYS, as_double(table[entry + BLOCK_RATE])
    return table[entry + BLOCK_OFFSET], table[entry + BLOCK_SIZE], decays > 0, rate


@kernel(inlined=True)
def statistic_of(tape, k):
    """Whether parameter block k is a running statistic, and whether it is the count of those before it."""
    flags = flat(tape)[tape[0, BLOCKS_AT] * COLUMNS + k * BLOCK_ENTRY + BLOCK_FLAGS]
    return flags & STATISTIC > 0, flags & COUNT > 0
