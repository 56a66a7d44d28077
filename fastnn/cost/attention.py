"""The products of attention. B sequences, Q queries and K keys of each, D the width of all heads together, s bytes of a
number."""

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
