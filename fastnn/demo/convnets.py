"""Convolutional networks beside dense ones of equal cost, and what becomes of both where a digit moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.digits import SIDES, moved
from fastnn.demo.looking_inside import values
from fastnn.layers import Activation, Conv2d, Dense, Flatten, MaxPool2d
from fastnn.learning.optimizers import AdamW, Cosine
from fastnn.networks.models import mlp
from fastnn.networks.network import Network

CLASSES, FILTERS, KERNEL = 10, 8, 3
# Of a step, and the rate that it begins with.
BATCH, RATE = 32, 5e-3
# Convolutions stand on sides of at least so many pixels.
LEAST_SIDE = 4

Array = NDArray[Any]


class Read(NamedTuple):
    """right: shares of held-out digits as they are and moved by 1, 2, ... pixels, the mean of four sides."""

    name: str
    network: Network
    right: tuple[float, ...]


def convolutions(side: int, filters: int = FILTERS) -> list[Any]:
    """Of images (side, side, 1): convolutions of so many filters, twice as many, ..., each with a relu and a maximum of
    2 x 2."""
    layers: list[Any] = []
    while side >= LEAST_SIDE:
        layers += [Conv2d(filters, KERNEL, padding="same"), Activation("relu"), MaxPool2d(2)]
        filters, side = 2 * filters, side // 2
    return layers


def convnet(side: int, anywhere: bool, seed: int) -> Network:
    """Convolutions of 8, 16, ... filters, and a dense layer. anywhere: the last maximum is of all places."""
    layers = convolutions(side)
    if anywhere:
        layers[-1] = MaxPool2d(side >> (len(layers) // 3 - 1))
    return Network((side, side, 1), [*layers, Flatten(), Dense(CLASSES)], seed=seed)


def dense(inputs: int, units: float, seed: int) -> Network:
    return mlp(inputs, max(1, round(units)), CLASSES, seed=seed)


def networks(side: int, seed: int) -> Iterator[tuple[str, Network, bool]]:
    """Names, networks, and whether they are shown digits that moved. A dense network of H units has
    H (inputs + 11) + 10 parameters and makes H (inputs + 10) multiply-adds."""
    of, inputs = convnet(side, False, seed), side * side
    small = (of.parameter_count - CLASSES) / (inputs + CLASSES + 1)
    large = of.cost(1).forward.macs / (inputs + CLASSES)
    yield "convolutions", of, False
    yield "convolutions, anywhere", convnet(side, True, seed), False
    yield "dense, as many parameters", dense(inputs, small, seed), False
    yield "dense, as many multiply-adds", dense(inputs, large, seed), False
    yield "convolutions, shown moved", convnet(side, False, seed), True
    yield "dense, shown moved", dense(inputs, large, seed), True


def train(network: Network, x: Array, y: Array, steps: int, moving: bool, seed: int) -> None:
    """In batches drawn at random; moving: each of them moved by a pixel to one of 8 sides, or not."""
    rng = np.random.default_rng(seed)
    trainer: Any = network.trainer(AdamW(RATE, weight_decay=0.0, schedule=Cosine(steps)), batch=BATCH)
    for _ in range(steps):
        rows = rng.integers(0, len(x), BATCH)
        seen = moved(x[rows], *SIDES[rng.integers(len(SIDES))]) if moving else x[rows]
        trainer.step(as_rows(network, seen), y[rows])


def as_rows(network: Network, x: Array) -> Array:
    """Images (N, pixels) as a network takes them."""
    return x.reshape(-1, *network.input_shape)


def four_sides(by: int) -> tuple[tuple[int, int], ...]:
    return ((0, by), (0, -by), (by, 0), (-by, 0)) if by else ((0, 0),)


def right_by_shift(network: Network, x: Array, y: Array, most: int) -> tuple[float, ...]:
    return tuple(
        float(np.mean([network.accuracy(as_rows(network, moved(x, *side)), y) for side in four_sides(by)]))
        for by in range(most + 1)
    )


def ink_left(x: Array, by: int) -> float:
    """The share of the ink that is still inside, the mean of four sides."""
    return float(np.mean([moved(x, *side).sum() for side in four_sides(by)]) / x.sum())


def changes(network: Network, x: Array, by: int) -> dict[str, float]:
    """How much each operation's values change where digits move by so many pixels: the norm of the difference, as a
    share of that of the values, the mean of four sides."""
    before = values(network, as_rows(network, x))
    after = [values(network, as_rows(network, moved(x, *side))) for side in four_sides(by)]
    return {
        name: float(np.mean([norm(each[name] - there) for each in after]) / norm(there))
        for name, there in before.items()
    }


def norm(array: Array) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def same_bits(network: Network, x: Array, by: int) -> float:
    """The share of the numbers of the first convolution's maps of digits moved to the right that are, bit for bit,
    those of the maps moved to the right. The last column, which sees what has left, does not count."""
    name = network.operations[0].name
    before, after = (values(network, as_rows(network, each))[name] for each in (x, moved(x, 0, by)))
    last = before.shape[2] - 1
    return float(np.mean(after[:, :, by:last] == before[:, :, : last - by]))
