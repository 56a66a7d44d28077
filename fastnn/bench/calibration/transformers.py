"""Language models of all shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastnn.bench.calibration.drawing import size
from fastnn.networks.models import gpt_layers
from fastnn.study.layered import Layered

MOST_VOCABULARY, MOST_LENGTH, MOST_LAYERS, MOST_HEADS, MOST_HEAD, MOST_BATCH = 2000, 256, 6, 8, 64, 32


def drawn(rng: np.random.Generator) -> Iterator[tuple[Layered, int]]:
    """GPTs without biases, and batches."""
    while True:
        heads = size(rng, 1, MOST_HEADS)
        width = heads * size(rng, 8, MOST_HEAD)
        vocabulary, length = size(rng, 27, MOST_VOCABULARY), size(rng, 8, MOST_LENGTH)
        layers = gpt_layers(vocabulary, length, size(rng, 1, MOST_LAYERS), width, heads, bias=False)
        yield Layered(tuple(layers), (length,)), size(rng, 1, MOST_BATCH)
