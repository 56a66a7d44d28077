"""A GPT in JAX: logits as a function of its parameters."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def _norm(h: Any, weight: Any) -> Any:
    centred = h - h.mean(-1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * weight


def logits(p: Any, ids: Any, heads: int) -> Any:
    """(B, T, V) of fastnn.GPT without biases, with layer norms, gelu and a tied head, by its names of parameters."""
    layers = sum(".qkv." in name for name in p)
    h = p["0.weight"][ids] + p["1.weight"][: ids.shape[1]]
    for i in range(2, 2 + layers):
        parts = jnp.split(_norm(h, p[f"{i}.0.0.weight"]) @ p[f"{i}.0.1.qkv.weight"], 3, axis=2)
        split = [each.reshape(*h.shape[:2], heads, -1) for each in parts]
        seen = jax.nn.dot_product_attention(*split, is_causal=True)
        h = h + seen.reshape(h.shape) @ p[f"{i}.0.1.out.weight"]
        inner = jax.nn.gelu(_norm(h, p[f"{i}.1.0.weight"]) @ p[f"{i}.1.1.weight"], approximate=False)
        h = h + inner @ p[f"{i}.1.2.weight"]
    return _norm(h, p[f"{2 + layers}.weight"]) @ p["0.weight"].T


def loss(p: Any, x: Any, y: Any, heads: int) -> Any:
    """Mean cross-entropy of labels (B, T)."""
    log_p = jax.nn.log_softmax(logits(p, x, heads))
    return -jnp.mean(jnp.take_along_axis(log_p, y[..., None], axis=2))
