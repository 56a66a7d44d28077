"""Rungs of convolutional and recurrent networks, on MNIST's digits: as images, and as sequences of their pixels; and a
recurrent language model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fastnn import data
from fastnn.bench.characters import characters
from fastnn.bench.rung import Rung
from fastnn.data import Dataset
from fastnn.layers import GRU, LSTM, RNN, Dense
from fastnn.networks.models import CharRNN
from fastnn.networks.network import Network
from fastnn.networks.vision import KerasConvNet, LeNet5, ResNet, SimpleChainsLeNet

SIDE = 28
# Units, positions and features of each: 784 pixels of a digit are a sequence of as many rows.
SEQUENCES = ((64, 28, 28), (128, 56, 14), (256, 112, 7))
CELLS: dict[str, Any] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
# Units, of one layer, and positions of the character LSTM.
CHARACTERS = (128, 64)


def images() -> list[Rung]:
    """LeNets, Keras' convnet, and a residual network of ten layers."""

    made: dict[str, tuple[Callable[..., Network], int]] = {
        "simplechains": (SimpleChainsLeNet, 0),
        "lenet5": (LeNet5, 2),
        "keras-convnet": (partial(KerasConvNet, dropout=0.0), 0),
        "resnet10": (partial(ResNet, (SIDE, SIDE, 1), blocks=1), 0),
    }
    return [Rung(name, partial(_on_cpu, make), partial(_images, border)) for name, (make, border) in made.items()]


def sequences() -> list[Rung]:
    """Each cell, from 64 units and 28 positions to 256 and 112, and a dense layer on the last state; an LSTM that reads
    characters and says the next one at each position."""
    classifiers = [
        Rung(f"{cell}-{units}-{positions}", partial(_on_cpu, partial(_classifier, cell, units, positions, features)),
             partial(_rows, positions, features))
        for units, positions, features in SEQUENCES
        for cell in CELLS
    ]  # fmt: skip
    units, positions = CHARACTERS
    name = f"char-lstm-{units}-{positions}"
    return [*classifiers, Rung(name, partial(_on_cpu, _reader), lambda: characters(positions)[1])]


def _on_cpu(
    make: Callable[..., Network], *, dtype: str, seed: int, device: str, precision: str | None
) -> Network:  # fmt: skip
    """ValueError: another device."""
    if device != "cpu":
        raise ValueError(f"convolutions and recurrent layers run on the cpu; device is {device!r}")
    return make(dtype=dtype, seed=seed)


def _classifier(cell: str, units: int, positions: int, features: int, *, dtype: str, seed: int) -> Network:
    layers = [CELLS[cell](units, return_sequences=False), Dense(10)]
    return Network((positions, features), layers, dtype=dtype, seed=seed)


def _reader(*, dtype: str, seed: int) -> Network:
    units, positions = CHARACTERS
    return CharRNN(characters(positions)[0], positions, 1, units, dtype=dtype, seed=seed)


def _images(border: int) -> Dataset:
    """28 x 28 pixels, in a border of zeros."""
    digits = data.for_inputs(SIDE * SIDE)
    x = np.pad(digits.x.reshape(-1, SIDE, SIDE, 1), ((0, 0), (border, border), (border, border), (0, 0)))
    return Dataset(x, digits.y, digits.name, digits.description)


def _rows(positions: int, features: int) -> Dataset:
    digits = data.for_inputs(SIDE * SIDE)
    return Dataset(digits.x.reshape(-1, positions, features), digits.y, digits.name, digits.description)
