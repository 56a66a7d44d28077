"""Attention: each query's mean of values, weighted by a softmax of its products with keys.

B sequences, Q queries, K keys: q (B, Q, H S), k, v (B, K, G S), H heads of width S, of which H / G share keys and
values. Causal: query t of the last Q positions sees the keys up to its own. Who sees nothing gets 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example
from .softmax import softmax, softmax_backward

Array = npt.NDArray[Any]


def seen(query: int, queries: int, keys: int, length: int, causal: bool) -> int:
    """Keys that a query sees."""
    return max(min(length, keys - queries + query + 1), 0) if causal else length


def attention(
    q: Array, k: Array, v: Array, heads: int, groups: int, causal: bool, lengths: Sequence[int] | None = None
) -> Array:
    """y (B, Q, H S); lengths: keys of each sequence that are there."""
    size, keys = q.shape[2] // heads, k.shape[1]
    y = np.zeros_like(q)
    for b, t, h in np.ndindex(q.shape[0], q.shape[1], heads):
        own, shared = (slice(at * size, (at + 1) * size) for at in (h, h * groups // heads))
        n = seen(t, q.shape[1], keys, keys if lengths is None else lengths[b], causal)
        if n:
            y[b, t, own] = softmax(k[b, :n, shared] @ q[b, t, own] / np.sqrt(size)) @ v[b, :n, shared]
    return y


def attention_backward(
    dy: Array, q: Array, k: Array, v: Array, heads: int, groups: int, causal: bool, lengths: Sequence[int] | None = None
) -> tuple[Array, Array, Array]:
    """The gradients of q, k and v."""
    size, keys = q.shape[2] // heads, k.shape[1]
    dq, dk, dv = np.zeros_like(q), np.zeros_like(k), np.zeros_like(v)
    for b, t, h in np.ndindex(q.shape[0], q.shape[1], heads):
        own, shared = (slice(at * size, (at + 1) * size) for at in (h, h * groups // heads))
        n = seen(t, q.shape[1], keys, keys if lengths is None else lengths[b], causal)
        if n:
            p = softmax(k[b, :n, shared] @ q[b, t, own] / np.sqrt(size))
            scores = softmax_backward(v[b, :n, shared] @ dy[b, t, own], p) / np.sqrt(size)
            dq[b, t, own] += scores @ k[b, :n, shared]
            dk[b, :n, shared] += np.outer(scores, q[b, t, own])
            dv[b, :n, shared] += np.outer(p, dy[b, t, own])
    return dq, dk, dv


def self_attention(p: Mapping[str, Array], x: Array, heads: int, groups: int, causal: bool) -> Array:
    """The layer: x (B, T, C), p["qkv.weight"] (C, (H + 2 G) S) and so on."""
    packed = x @ p["qkv.weight"] + p.get("qkv.bias", 0)
    size = packed.shape[2] // (heads + 2 * groups)
    q, k, v = np.split(packed, [heads * size, (heads + groups) * size], axis=2)
    y: Array = attention(q, k, v, heads, groups, causal) @ p["out.weight"] + p.get("out.bias", 0)
    return y


SHAPES = ((5, 6), (1, 6))
EXAMPLES = (
    Example(
        lambda of: of.SelfAttention(3),
        lambda p, x: self_attention(p, x, 3, 3, causal=True),
        [lambda p, x: self_attention(p, np.roll(x, 1, axis=2), 3, 3, causal=True)],
        SHAPES,
    ),
    Example(
        lambda of: of.SelfAttention(2, kv_heads=1, bias=False),
        lambda p, x: self_attention(p, x, 2, 1, causal=True),
        [lambda p, x: self_attention(p, x, 2, 1, causal=False)],
        SHAPES[:1],
    ),
    Example(
        lambda of: of.SelfAttention(2, causal=False),
        lambda p, x: self_attention(p, x, 2, 2, causal=False),
        # Without the division by the root of the width, and with that of all heads.
        [
            lambda p, x: self_attention({**p, "qkv.weight": p["qkv.weight"] * np.sqrt(3)}, x, 2, 2, causal=False),
            lambda p, x: self_attention(p, x, 1, 1, causal=False),
        ],
        SHAPES[:1],
    ),
)
