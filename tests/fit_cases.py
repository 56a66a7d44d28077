"""Data, networks and orders that the tests of fit share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn import (
    Network,
    mlp,
)

Array = npt.NDArray[Any]

ROWS, BATCH, EPOCHS = 23, 8, 3  # the last batch of an epoch has 7 rows
X = np.random.default_rng(1).normal(size=(ROWS, 5))
LABELS = np.argmax(X[:, :3] + 0.3 * X[:, 2:], axis=1)
ORDER = np.arange(ROWS)
NUMBERS = np.sin(X[:, :2]) + X[:, 2:4]


def net_of(loss: Any = "cross_entropy", outputs: int = 3, dtype: str = "float64", seed: int = 0) -> Network:
    return mlp(5, 8, outputs, activation="tanh", loss=loss, dtype=dtype, seed=seed)


def shuffled(seed: int, rows: int = ROWS, batch: int = BATCH, epochs: int = EPOCHS) -> Iterator[list[Array]]:
    """The batches of each epoch, as the documentation has them: one order, shuffled anew each epoch."""
    generator = np.random.default_rng(seed)
    order = np.arange(rows)
    for _ in range(epochs):
        generator.shuffle(order)
        yield [order[at : at + batch].copy() for at in range(0, rows, batch)]
