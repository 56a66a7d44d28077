"""A token drawn from logits.

    logits (V,)   weights, ordered (V,) float64, scratch

Of the softmax at a temperature, where 0 takes the first largest logit; of top_k > 0 the so many most probable tokens,
and whoever is as probable as the last of them; of top_p < 1 the most probable that together have at least that share
(Holtzman et al. 2020), likewise. The draw is a number in [0, 1), see `uniform`.
"""

from __future__ import annotations

import math

from fastnn.compiler.jit import kernel
from fastnn.kernels.dropout import DRAW_BITS, DRAWS, SPARE_BITS
from fastnn.kernels.softmax import first_largest
from fastnn.simd.rows import row_maximum
from fastnn.simd.splitmix import splitmix


@kernel(inlined=True)
def uniform(seed, row, position):
    """In [0, 1), by splitmix64: what a sequence draws at a position, whatever was drawn before."""
    bits = (splitmix(splitmix(seed, row), position) >> SPARE_BITS) & (DRAWS - 1)
    return bits * 2.0**-DRAW_BITS


@kernel
def _sift(heap, at, size):
    """Lets an element sink below those that are larger."""
    value = heap[at]
    below = 2 * at + 1
    while below < size:
        if below + 1 < size and heap[below + 1] > heap[below]:
            below += 1
        if heap[below] <= value:
            break
        heap[at] = heap[below]
        at, below = below, 2 * below + 1
    heap[at] = value


@kernel
def _pop(heap, size):
    """The largest of the first `size`, which goes behind the others."""
    top = heap[0]
    heap[0] = heap[size - 1]
    _sift(heap, 0 * size, size - 1)
    heap[size - 1] = top
    return top


@kernel(late=True)
def cut(weights, ordered, top_k, top_p):
    """Sets to 0 the weights that top_k and top_p leave out, one after the other."""
    size, popped, least, total = weights.size, 0 * top_k, 0.0, 0.0
    for j in range(size):
        ordered[j] = weights[j]
    for j in range(size // 2 - 1, -1, -1):
        _sift(ordered, j, size)
    if 0 < top_k < size:
        popped = top_k
        for k in range(top_k):
            least = _pop(ordered, size - k)
    for j in range(size):
        weights[j] = weights[j] if weights[j] >= least else 0.0
        total += weights[j]
    grown = 0.0
    for k in range(size if top_p < 1 else 0 * size):
        each = ordered[size - 1 - k] if k < popped else _pop(ordered, size - k)
        grown += each
        if grown >= top_p * total:
            least = max(least, each)
            break
    for j in range(size):
        weights[j] = weights[j] if weights[j] >= least else 0.0


@kernel
def sample(logits, weights, ordered, temperature, top_k, top_p, draw):
    """A token, or -1 where the logits are no numbers. Overwrites the scratch."""
    top = row_maximum(logits)
    if temperature == 0:
        best = first_largest(logits)
        return best if logits[best] == logits[best] else -1
    total = 0.0
    for j in range(logits.size):
        weights[j] = math.exp((float(logits[j]) - top) / temperature)
        total += weights[j]
    if not math.isfinite(total):
        return -1
    if top_k > 0 or top_p < 1:
        cut(weights, ordered, top_k, top_p)
        total = weights.sum()
    target, last = draw * total, 0
    for j in range(weights.size):
        if weights[j] > 0:
            last = j
            target -= weights[j]
            if target < 0:
                return j
    return last
