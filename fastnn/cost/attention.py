"""Attention. B sequences, Q queries and K keys of each, P pairs of a query and a key that it sees, H heads, G groups of
them that share keys and values, S the width of one, D of all together, s bytes of a number."""

from __future__ import annotations

from fastnn.cost.counts import Cost, Formula, whole_sizes

# Of each query with every key, and of each weight with the key's value; scores stay in cache (Dao et al. 2022, arXiv
# 2205.14135).
ATTENTION_PRODUCTS = Formula(macs="B·Q·K·D + B·Q·K·D", bytes="2·s·B·Q·D + 2·s·B·K·D")


def attention_products(batch: int, queries: int, keys: int, width: int, itemsize: int = 4) -> Cost:
    """softmax(q k^T) v without the softmax, also of the scores that a mask hides: reads q, k and v, writes the sums.

    Where several heads share keys and values, of as many as there are queries' heads; bytes are then at most this.
    """
    batch, queries, keys, width, itemsize = whole_sizes(
        batch=batch, queries=queries, keys=keys, width=width, itemsize=itemsize
    )
    return ATTENTION_PRODUCTS.cost(B=batch, Q=queries, K=keys, D=width, s=itemsize)


# Scores and sums of values. A row of n scores: its maximum and its sum n - 1 each, differences and scaling 2 n, the
# inverse of the sum 1, by which S sums are multiplied. Kept are the maximum and the inverse.
ATTENTION = Formula(
    macs="B·H·P·S + B·H·P·S",
    flops_elementwise="4·B·H·P + B·H·Q·S - B·H·Q",
    transcendentals="B·H·P",
    bytes="2·s·B·Q·H·S + 2·s·B·K·G·S + 2·s·B·H·Q",
)
# Scores again, and the gradients of the weights, the values, the queries and the keys. A pair: the exponential and its
# scaling 3, its slope 3; a row: y . dy.
ATTENTION_BACKWARD = Formula(
    macs="B·H·P·S + B·H·P·S + B·H·P·S + B·H·P·S + B·H·P·S",
    flops_elementwise="6·B·H·P + 2·B·H·Q·S - B·H·Q",
    transcendentals="B·H·P",
    bytes="4·s·B·Q·H·S + 4·s·B·K·G·S + 2·s·B·H·Q",
)


# One position after the other, with the keys and values before it kept: P of both are read in all.
ATTENTION_STEPS = Formula(
    macs="H·P·S + H·P·S",
    flops_elementwise="4·H·P + H·Q·S - H·Q",
    transcendentals="H·P",
    bytes="2·s·Q·H·S + 2·s·Q·G·S + 2·s·P·G·S",
)


def attention_steps(positions: int, heads: int, groups: int, size: int, itemsize: int = 4) -> Cost:
    """Of one sequence, from its first position to its last: each reads its queries, keys and values, keeps two of them,
    reads all that are kept and writes its sums."""
    positions, heads, groups, size, itemsize = whole_sizes(
        positions=positions, heads=heads, groups=groups, size=size, itemsize=itemsize
    )
    seen = pairs(positions, positions, causal=True)
    return ATTENTION_STEPS.cost(Q=positions, P=seen, H=heads, G=groups, S=size, s=itemsize)


def pairs(queries: int, keys: int, causal: bool) -> int:
    """Of a query and a key that it sees: all, or, where the last query is at the last key, those of no later key."""
    queries, keys = whole_sizes(queries=queries, keys=keys)
    if not causal:
        return queries * keys
    first = max(keys - queries + 1, 1)  # keys that the first query that sees any sees
    rows = min(queries, keys)
    return rows * (first + keys) // 2


def attention_forward(
    batch: int, queries: int, keys: int, heads: int, groups: int, size: int, itemsize: int = 4, *, causal: bool
) -> Cost:
    """Exactly what is seen. Reads q, k and v, writes the sums and two numbers of each softmax."""
    return _of_heads(ATTENTION, batch, queries, keys, heads, groups, size, itemsize, causal)


def attention_backward(
    batch: int, queries: int, keys: int, heads: int, groups: int, size: int, itemsize: int = 4, *, causal: bool
) -> Cost:
    """Reads q, k, v, y and its gradient, and what was kept of each softmax; writes the gradients of q, k and v."""
    return _of_heads(ATTENTION_BACKWARD, batch, queries, keys, heads, groups, size, itemsize, causal)


def _of_heads(
    formula: Formula, batch: int, queries: int, keys: int, heads: int, groups: int, size: int, itemsize: int,
    causal: bool,
) -> Cost:  # fmt: skip
    batch, heads, groups, size, itemsize = whole_sizes(
        batch=batch, heads=heads, groups=groups, size=size, itemsize=itemsize
    )
    seen = pairs(queries, keys, causal)
    return formula.cost(B=batch, Q=queries, K=keys, P=seen, H=heads, G=groups, S=size, s=itemsize)
