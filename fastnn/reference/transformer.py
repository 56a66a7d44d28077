"""A language model as GPT-2: its logits, their cross-entropy, and the gradients of all parameters.

B rows, T positions, C features, V tokens: ids, labels (B, T). Parameters by name: "0.weight" (V, C), "1.weight" (T, C),
of block i, from 2 on, "i.0.0" a layer norm, "i.0.1.qkv" and "i.0.1.out" its attention, "i.1.0" a norm, "i.1.1" and
"i.1.2" dense layers with gelu between them, and of the last norm "n"; biases where there are any. The head is
"0.weight" transposed.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import attention, dense, embedding, loss, norm

Array = npt.NDArray[Any]
EPSILON = 1e-5


class _Pass:
    """One forward pass, and back through it: each part keeps what its own way back needs."""

    def __init__(self, parameters: Mapping[str, Array], heads: int) -> None:
        self.p, self.heads = parameters, heads
        self.gradients: dict[str, Array] = {}

    def keep(self, name: str, weight: Array, bias: Array) -> None:
        for kind, values in (("weight", weight), ("bias", bias)):
            if f"{name}.{kind}" in self.p:
                self.gradients[f"{name}.{kind}"] = values

    def norm(self, name: str, x: Array) -> tuple[Array, Any]:
        w = self.p[f"{name}.weight"]
        y, normal, inverse = norm.forward(x, w, self.p.get(f"{name}.bias"), EPSILON, centred=True)

        def back(dy: Array) -> Array:
            dx, dw, db = norm.backward(dy, normal, inverse, w, centred=True)
            self.keep(name, dw, db)
            assert dx is not None
            return dx

        return y, back

    def dense(self, name: str, x: Array, activation: str = "identity") -> tuple[Array, Any]:
        w = self.p[f"{name}.weight"]
        z, y = dense.forward(x, w, self.p.get(f"{name}.bias"), activation)

        def back(dy: Array) -> Array:
            dx, dw, db = dense.backward(dy, x, w, z, y, activation, None, True)
            self.keep(name, dw, db)
            assert dx is not None
            return dx

        return y, back

    def attend(self, name: str, x: Array, rows: int) -> tuple[Array, Any]:
        packed, into = self.dense(f"{name}.qkv", x)
        q, k, v = np.split(packed.reshape(rows, -1, packed.shape[1]), 3, axis=2)
        seen = attention.attention(q, k, v, self.heads, self.heads, causal=True)
        y, out = self.dense(f"{name}.out", seen.reshape(x.shape))

        def back(dy: Array) -> Array:
            parts = attention.attention_backward(out(dy).reshape(seen.shape), q, k, v, self.heads, self.heads, True)
            found: Array = into(np.concatenate(parts, axis=2).reshape(packed.shape))
            return found

        return y, back

    def block(self, name: str, x: Array, rows: int) -> tuple[Array, Any]:
        normal, back_1 = self.norm(f"{name}.0.0", x)
        seen, back_2 = self.attend(f"{name}.0.1", normal, rows)
        between = x + seen
        normal, back_3 = self.norm(f"{name}.1.0", between)
        hidden, back_4 = self.dense(f"{name}.1.1", normal, "gelu")
        more, back_5 = self.dense(f"{name}.1.2", hidden)

        def back(dy: Array) -> Array:
            middle = dy + back_3(back_4(back_5(dy)))
            found: Array = middle + back_1(back_2(middle))
            return found

        return between + more, back


def loss_and_gradient(
    parameters: Mapping[str, Array], ids: Array, labels: Array, heads: int, blocks: int, **loss_options: Any
) -> tuple[Array, Any, dict[str, Array]]:
    """Logits (B T, V), the loss, and gradients by name."""
    rows, positions = ids.shape
    table, run, backs = parameters["0.weight"], _Pass(parameters, heads), []
    h = (embedding.embedding(ids, table) + parameters["1.weight"][:positions]).reshape(rows * positions, -1)
    for index in range(2, 2 + blocks):
        h, back = run.block(str(index), h, rows)
        backs.append(back)
    h, back = run.norm(str(2 + blocks), h)
    backs.append(back)
    logits = h @ table.T
    value, dlogits = loss.cross_entropy(logits, labels.reshape(-1), **loss_options)
    dh = dlogits @ table
    for back in reversed(backs):
        dh = back(dh)
    dh = dh.reshape(rows, positions, -1)
    own = embedding.embedding_backward(dh, ids, len(table)) + dlogits.T @ h
    of_positions = np.zeros_like(parameters["1.weight"])
    of_positions[:positions] = dh.sum(axis=0)
    return logits, value, {"0.weight": own, "1.weight": of_positions, **run.gradients}
