"""Dropout: an element becomes 0 with probability `rate`, or else grows by 1 / (1 - rate), which keeps its mean.

    x, y flat, and a gradient of the same size beside each; y may not be x

Nothing is drawn from a state and no mask is kept: whether element e of an operation stays is told by output e of
splitmix64, begun at output number `operation` of splitmix64 begun at the key of a step. So the bits do not depend on
threads or chunks, and the backward pass asks again. Inverted dropout as in torch; Srivastava et al. 2014.
Reference: fastnn.reference.dropout.
"""

from __future__ import annotations

from fastnn.compiler.jit import kernel
from fastnn.simd.splitmix import splitmix

# No step of training: everything stays as it is.
NO_KEY = 0
# Bits of a draw, as many as a float64 holds, and those of 64 that are left over.
DRAW_BITS, SPARE_BITS = 53, 11
DRAWS = 2**DRAW_BITS
# Bits of a key that count steps; above them is the seed.
STEP_BITS = 32
SEEDS = 2**31


@kernel(inlined=True)
def key_of(seed, step):
    """The key of a step: no two have the same, and none NO_KEY. seed in 0..SEEDS-1, step in 0..2**32-2."""
    return (seed << STEP_BITS) + step + 1


@kernel
def dropout(y, x, rate, key, operation, first):
    """y = x * (0 or 1 / (1 - rate)); x[0] is element `first` of the operation's batch. dx is so made of dy."""
    number = y.dtype.type
    if key == NO_KEY:
        for i in range(y.size):
            y[i] = x[i]
        return
    stream = splitmix(key, operation)
    border = int(rate * DRAWS)
    nothing, scale = number(0), number(1 / (1 - rate))
    for i in range(y.size):
        # A product, so that NaN passes.
        y[i] = x[i] * (scale if (splitmix(stream, first + i) >> SPARE_BITS) & (DRAWS - 1) >= border else nothing)
