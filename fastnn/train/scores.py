"""How well a model does on rows that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.learning.held import MadeRows, hold_rows
from fastnn.tables.chunks import chunks
from fastnn.train.predictor import Predictor

# As the network takes them.
Inputs = NDArray[Any] | MadeRows


def scores(model: Predictor, x: Inputs, y: NDArray[Any], weights: NDArray[np.float64] | None = None) -> dict[str, Any]:
    """Of standardised x (N, inputs) and y (N,) as it was read: rows, loss, and accuracy, or rmse and r2.

    rmse is in the units of the target; r2 is None where all of y is one number. weights (N,): of the loss alone.
    """
    network = model.network
    found = network.evaluate(hold_rows(network, x, model.encoded(y), weights))
    result = {"rows": len(x), "loss": found.loss}
    if model.target.classes is not None:
        return result | {"accuracy": found.accuracy}
    outputs = np.concatenate([network(part) for part in _parts(x)])
    error = float(np.mean(np.square(model.decoded(outputs) - y)))
    spread = float(np.var(y))
    return result | {"rmse": error**0.5, "r2": 1 - error / spread if spread else None}


def as_json(found: dict[str, Any]) -> dict[str, Any]:
    """Scores with None for what is not finite."""
    return {name: value if value is None or np.isfinite(value) else None for name, value in found.items()}


def _parts(x: Inputs) -> Iterator[NDArray[Any]]:
    """All rows, some at a time where they are made."""
    if isinstance(x, MadeRows):
        yield from (x[rows] for rows in chunks(*x.shape))
    else:
        yield x


def confusion(model: Predictor, x: Inputs, y: NDArray[Any]) -> NDArray[np.int64]:
    """Of standardised x and labels y: rows of each class (first axis) by the class that was predicted."""
    count = model.target.count
    found = np.concatenate([model.decoded(model.network.predict(part)) for part in _parts(x)])
    table: NDArray[np.int64] = np.bincount(y * count + found, minlength=count * count).reshape(count, count)
    return table
