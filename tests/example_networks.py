"""Small networks and data that several tests share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn import Activation, Dense, Network
from fastnn.layers import Layer

Array = npt.NDArray[Any]

DTYPES = ("float32", "float64")


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape)


def with_biases(net: Network, seed: int = 5) -> Network:
    """Biases that are not the zeros they begin at."""
    for name, view in net.named_parameters.items():
        if name.endswith("bias"):
            view[...] = np.random.default_rng(seed).normal(0, 0.3, view.shape)
    return net


def one_by_one(layer: Any) -> list[Any]:
    """A recurrent layer of several, as that many, which is how an ONNX file has them."""
    one = replace(layer, layers=1, dropout=0.0)
    return [replace(one, return_sequences=True)] * (layer.layers - 1) + [one]


def deep(activation: str, dtype: str, loss: Any = "cross_entropy", last: str = "identity") -> Network:
    """Every kind of layer: dense, activation alone, without a bias, and one before any parameter."""
    layers: list[Layer] = [
        Activation("tanh"),
        Dense(17, activation),
        Activation(activation),
        Dense(5, activation, bias=False),
        Dense(3, last),
    ]
    return with_biases(Network(9, layers, loss=loss, dtype=dtype, seed=1))


def poison(array: Array, byte: int | None) -> None:
    """Fills it with NaN, or with a byte."""
    if byte is None:
        array.fill(np.nan)
    else:
        array.view(np.uint8).fill(byte)


def tree(parts: Sequence[Array]) -> Array:
    """The largest power of two of them that leaves some, and those: each added so by itself, then both."""
    if len(parts) == 1:
        return parts[0]
    left = 1 << ((len(parts) - 1).bit_length() - 1)
    return tree(parts[:left]) + tree(parts[left:])
