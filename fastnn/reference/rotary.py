"""Rotary positions: features i and i + S / 2 of position t, turned by t / base^(2 i / S). x (B, T, H S)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .attention import attention
from .example import Example

Array = npt.NDArray[Any]


def rotary(x: Array, heads: int, base: float) -> Array:
    """Each head's pairs turned, as complex numbers."""
    batch, positions, width = x.shape
    size = width // heads
    first, second = np.split(x.reshape(batch, positions, heads, size), 2, axis=-1)
    angles = np.arange(positions)[:, None] / base ** (np.arange(0, size, 2) / size)
    turned = (first + 1j * second) * np.exp(1j * angles)[:, None]
    return np.concatenate([turned.real, turned.imag], axis=-1).reshape(x.shape)


def self_attention(p: Mapping[str, Array], x: Array, heads: int, base: float) -> Array:
    """The layer, with as many heads of keys and values."""
    q, k, v = np.split(x @ p["qkv.weight"] + p["qkv.bias"], 3, axis=2)
    y: Array = attention(rotary(q, heads, base), rotary(k, heads, base), v, heads, heads, True)
    return y @ p["out.weight"] + p["out.bias"]


EXAMPLES = (
    Example(
        lambda of: of.SelfAttention(2, rotary=100.0),
        lambda p, x: self_attention(p, x, 2, 100.0),
        [lambda p, x: self_attention(p, x, 2, 10.0), lambda p, x: self_attention(p, x, 1, 100.0)],
        ((5, 8),),
    ),
)
