"""Recurrent networks of all shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn.bench.calibration.drawing import size, width
from fastnn.layers import GRU, LSTM, RNN, Dense, Embedding
from fastnn.study.layered import Layered

MOST_UNITS, MOST_POSITIONS, MOST_FEATURES, MOST_LAYERS, MOST_VOCABULARY, MOST_BATCH = 256, 128, 64, 2, 200, 64
CLASSES = 10
CELLS = RNN, GRU, LSTM


def drawn(rng: np.random.Generator) -> Iterator[tuple[Layered, int]]:
    """Cells in turn, one way or both, of numbers or of ids, up to a class or to one of each position; and batches."""
    number = 0
    while True:
        cell: Any = CELLS[number % len(CELLS)]
        units, positions = width(rng, 8, MOST_UNITS), size(rng, 8, MOST_POSITIONS)
        states = cell(units, size(rng, 1, MOST_LAYERS), bool(rng.random() < 0.2), bool(rng.random() < 0.3))
        if rng.random() < 0.3:
            ids = Embedding(size(rng, 27, MOST_VOCABULARY), size(rng, 8, MOST_FEATURES))
            network = Layered((ids, states, Dense(CLASSES)), (positions,))
        else:
            network = Layered((states, Dense(CLASSES)), (positions, size(rng, 1, MOST_FEATURES)))
        yield network, size(rng, 1, MOST_BATCH)
        number += 1
