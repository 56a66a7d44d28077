"""Rungs of convolutional and recurrent networks, on MNIST's digits: as images, and as sequences of their pixels; or of
other positions and features, on numbers that are drawn; and a recurrent language model."""

from __future__ import annotations

import re
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
from fastnn.study.layered import Layered

SIDE = 28
# Units, positions and features of each: 784 pixels of a digit are a sequence of as many rows.
SEQUENCES = ((64, 28, 28), (128, 56, 14), (256, 112, 7))
CELLS: dict[str, Any] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
CLASSES = 10
RECURRENT = re.compile(r"(rnn|gru|lstm)-([1-9]\d*)-([1-9]\d*)(?:-([1-9]\d*))?")
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
    units, positions = CHARACTERS
    reader = Rung(f"char-lstm-{units}-{positions}", partial(_on_cpu, _reader), lambda: characters(positions)[1])
    return [*(_recurrent(cell, *sizes) for sizes in SEQUENCES for cell in CELLS), reader]


def _recurrent(cell: str, units: int, positions: int, features: int) -> Rung:
    name = f"{cell}-{units}-{positions}"
    if positions * features != SIDE * SIDE:
        name = f"{name}-{features}"
    network = Layered((CELLS[cell](units, return_sequences=False), Dense(CLASSES)), (positions, features))
    return Rung(name, partial(_on_cpu, partial(_made, network)), partial(_rows, positions, features),
                layers=lambda: network)  # fmt: skip


def named(text: str) -> Rung | None:
    """The rung "lenet5", or "lstm-64-28": units and positions, and the features of each where those are not the pixels
    of a digit. None where it names no such network. ValueError: positions that no digit has."""
    if found := RECURRENT.fullmatch(text):
        cell, units, positions = found[1], int(found[2]), int(found[3])
        if found[4] is None and SIDE * SIDE % positions:
            raise ValueError(
                f"{text} has {positions} positions, which do not share the {SIDE * SIDE} pixels of a digit; say the "
                f"features of each, as {text}-3"
            )
        return _recurrent(cell, units, positions, int(found[4] or SIDE * SIDE // positions))
    return next((rung for rung in (*images(), *sequences()) if rung.name == text), None)


def _on_cpu(
    make: Callable[..., Network], *, dtype: str, seed: int, device: str, precision: str | None
) -> Network:  # fmt: skip
    """ValueError: another device."""
    if device != "cpu":
        raise ValueError(f"convolutions and recurrent layers run on the cpu; device is {device!r}")
    return make(dtype=dtype, seed=seed)


def _made(network: Layered, *, dtype: str, seed: int) -> Network:
    return Network(network.shape, network.layers, dtype=dtype, seed=seed)


def _reader(*, dtype: str, seed: int) -> Network:
    units, positions = CHARACTERS
    return CharRNN(characters(positions)[0], positions, 1, units, dtype=dtype, seed=seed)


def _images(border: int) -> Dataset:
    """28 x 28 pixels, in a border of zeros."""
    digits = data.for_inputs(SIDE * SIDE)
    x = np.pad(digits.x.reshape(-1, SIDE, SIDE, 1), ((0, 0), (border, border), (border, border), (0, 0)))
    return Dataset(x, digits.y, digits.name, digits.description)


def _rows(positions: int, features: int) -> Dataset:
    inputs = positions * features
    rows = data.for_inputs(inputs) if inputs == SIDE * SIDE else data.synthetic(inputs, CLASSES)
    return Dataset(rows.x.reshape(-1, positions, features), rows.y, rows.name, rows.description)
