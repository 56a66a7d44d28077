"""A chain of layers that attends to what another makes of the beginning of a row. x (B, S + T, C)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .attention import attention
from .example import Example

Array = npt.NDArray[Any]
READ = 3


def cross_attention(p: Mapping[str, Array], name: str, x: Array, memory: Array, heads: int, groups: int) -> Array:
    """Queries of x, keys and values of the memory."""

    def dense(part: str, values: Array) -> Array:
        found: Array = values @ p[f"{name}.{part}.weight"] + p[f"{name}.{part}.bias"]
        return found

    k, v = np.split(dense("kv", memory), 2, axis=2)
    return dense("out", attention(dense("q", x), k, v, heads, groups, causal=False))


def model(p: Mapping[str, Array], x: Array, read: int = READ, groups: int = 1) -> Array:
    """An encoder of one dense layer, a decoder that is attention to it and a way around."""
    memory = np.tanh(x[:, :read] @ p["encoder.0.weight"] + p["encoder.0.bias"])
    own = x[:, READ:]
    return own + cross_attention(p, "decoder.0.0", own, memory, 2, groups)


EXAMPLES = (
    Example(
        lambda of: of.EncoderDecoder(READ, [of.Dense(5, "tanh")], [of.Residual(of.CrossAttention(2, kv_heads=1))]),
        model,
        # What is read one position short, and the other way round.
        [lambda p, x: model(p, x, READ - 1), lambda p, x: model(p, np.concatenate([x[:, READ:], x[:, :READ]], axis=1))],
        ((2 * READ, 4), (READ + 1, 4)),
    ),
)
