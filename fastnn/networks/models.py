"""Networks by their sizes, and from files."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastnn.edge.checks import as_choice
from fastnn.kernels.activation import NAMES
from fastnn.layers import Dense, layer_of
from fastnn.learning.losses import Loss, loss_of
from fastnn.networks.io import read
from fastnn.networks.network import Network


def _of_description(description: dict[str, Any]) -> Network:
    chain = [layer_of(layer) for layer in description["layers"]]
    loss = loss_of(description["loss"])
    return Network(description["inputs"], chain, loss=loss, dtype=description["dtype"], initialize=False)


def load(path: str | PathLike[str]) -> Network:
    """Read a network that save wrote. FileError where the file is anything else; FileNotFoundError where it is not."""
    return read(path, _of_description)


def mlp(
    inputs: int,
    *units: int,
    activation: str = "relu",
    output_activation: str = "identity",
    loss: str | Loss = "cross_entropy",
    dtype: DTypeLike = "float32",
    seed: int | np.random.Generator | None = None,
    initializer: str = "auto",
    device: str = "cpu",
    precision: str | None = None,
) -> Network:
    """A multilayer perceptron by its sizes: mlp(3, 4, 2) has 3 inputs, 4 hidden units and 2 outputs."""
    if not units:
        raise ValueError("mlp needs the number of inputs and of at least one layer's units, such as mlp(3, 4, 2)")
    as_choice(activation, NAMES, "activation")
    hidden = [Dense(size, activation, initializer=initializer) for size in units[:-1]]
    last = Dense(units[-1], output_activation, initializer=initializer)
    return Network(inputs, [*hidden, last], loss=loss, dtype=dtype, seed=seed, device=device, precision=precision)
