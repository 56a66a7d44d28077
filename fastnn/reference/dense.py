"""Dense layer: y = act(x @ w + b).

B batch, I inputs, O outputs: x (B, I), w (I, O), b (O,) or None, z and y (B, O).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from . import activation as act
from .example import Example, bare

Array = npt.NDArray[Any]


def forward(
    x: Array, w: Array, b: Array | None, activation: str = "identity", alpha: float | None = None
) -> tuple[Array, Array]:
    """Pre-activation z and output y, both (B, O). For identity they are one array."""
    z = x @ w if b is None else x @ w + b
    return z, act.value(activation, z, alpha)


def backward(
    dy: Array,
    x: Array,
    w: Array,
    z: Array,
    y: Array,
    activation: str = "identity",
    alpha: float | None = None,
    input_gradient: bool = True,
) -> tuple[Array | None, Array, Array]:
    """Gradients dx (B, I), dw (I, O), db (O,) of a loss whose gradient in y is dy (B, O).

    dx is None where `input_gradient` is false, as for a network's first layer. Step has no gradient: dy
    passes through it, which makes the perceptron rule of the perceptron loss.
    """
    dz = dy if activation in ("identity", "step") else dy * act.derivative(activation, z, y, alpha)
    dx = dz @ w.T if input_gradient else None
    return dx, x.T @ dz, np.sum(dz, axis=0)


def _gelu(p: Mapping[str, Array], x: Array) -> Array:
    return forward(x, p["weight"], p["bias"], "gelu")[1]


EXAMPLES = (
    Example(lambda of: of.Dense(5, "gelu"), _gelu, [lambda p, x: _gelu(bare(p), x)]),
    Example(
        lambda of: of.Activation("tanh"),
        lambda p, x: act.value("tanh", x),
        [lambda p, x: act.value("tanh", x) * (1 + 1e-10)],
    ),
)
