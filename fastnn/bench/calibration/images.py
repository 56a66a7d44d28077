"""Convolutional networks of all shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn.bench.calibration.drawing import size, width
from fastnn.layers import (
    Activation,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dense,
    Flatten,
    GlobalAvgPool2d,
    MaxPool2d,
    Residual,
    operations_of,
)
from fastnn.study.layered import Layered

MOST_SIDE, MOST_CHANNELS, MOST_FILTERS, MOST_STAGES, MOST_UNITS, MOST_BATCH = 64, 8, 64, 4, 256, 128
# Of a row: what a batch of them has is held in memory.
MOST_VALUES = 1e6
WINDOWS = 1, 3, 3, 3, 5, 7
RELU = Activation("relu")


def drawn(rng: np.random.Generator) -> Iterator[tuple[Layered, int]]:
    """Stages of a convolution, some with a norm, a pool or a residual block, and dense layers; and batches."""
    while True:
        side, channels = size(rng, 8, MOST_SIDE), size(rng, 1, MOST_CHANNELS)
        layers, norm = [], bool(rng.random() < 0.4)
        for _ in range(size(rng, 1, MOST_STAGES)):
            layers += _stage(rng, norm)
        if rng.random() < 0.3:
            layers += [GlobalAvgPool2d()]
        dense = [Dense(width(rng, 16, MOST_UNITS), "relu") for _ in range(rng.integers(0, 3))]
        network = Layered((*layers, Flatten(), *dense, Dense(10)), (side, side, channels))
        batch = size(rng, 1, MOST_BATCH)
        if _fits(network):
            yield network, batch


def _stage(rng: np.random.Generator, norm: bool) -> list[Any]:
    filters, window = width(rng, 4, MOST_FILTERS), int(rng.choice(WINDOWS))
    stride, padding = 1 + int(rng.random() < 0.2), window // 2 * int(rng.random() < 0.6)
    found = [*_convolution(filters, window, norm, stride, padding), RELU]
    if rng.random() < 0.2:  # each channel for itself, then their sums
        found += [*_convolution(filters, 3, norm, 1, 1, filters), RELU, *_convolution(filters, 1, norm), RELU]
    if rng.random() < 0.3:
        found += [Residual(*_convolution(filters, 3, norm, 1, 1), RELU, *_convolution(filters, 3, norm, 1, 1)), RELU]
    if rng.random() < 0.5:
        found.append(MaxPool2d(2) if rng.random() < 0.7 else AvgPool2d(2))
    return found


def _convolution(
    filters: int, window: int, norm: bool, stride: int = 1, padding: int = 0, groups: int = 1
) -> list[Any]:  # fmt: skip
    found = Conv2d(filters, window, stride, padding, bias=not norm, groups=groups)
    return [found, BatchNorm()] if norm else [found]


def _fits(network: Layered) -> bool:
    """Whether all windows fit what is left of the images, and values are not too many."""
    try:
        operations = operations_of(network.layers, network.shape)
    except ValueError:
        return False
    return sum(operation.outputs for operation in operations) <= MOST_VALUES
