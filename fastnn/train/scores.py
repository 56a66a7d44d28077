"""How well a model does on rows that are known."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.train.model import Model


def scores(
    model: Model, x: NDArray[Any], y: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> dict[str, Any]:
    """Of standardised x (N, inputs) and y (N,) as a table has it: rows, loss, and accuracy, or rmse and r2.

    rmse is in the units of the target; r2 is None where all of y is one number. weights (N,): of the loss alone.
    """
    network = model.network
    found = network.evaluate(x, model.encoded(y), weights)
    result = {"rows": len(x), "loss": found.loss}
    if model.target.classes is not None:
        return result | {"accuracy": found.accuracy}
    error = float(np.mean(np.square(model.decoded(network(x)) - y)))
    spread = float(np.var(y))
    return result | {"rmse": error**0.5, "r2": 1 - error / spread if spread else None}


def as_json(found: dict[str, Any]) -> dict[str, Any]:
    """Scores with None for what is not finite."""
    return {name: value if value is None or np.isfinite(value) else None for name, value in found.items()}


def confusion(model: Model, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.int64]:
    """Of standardised x and labels y: rows of each class (first axis) by the class that was predicted."""
    count = model.target.count
    found = model.decoded(model.network.predict(x))
    table: NDArray[np.int64] = np.bincount(y * count + found, minlength=count * count).reshape(count, count)
    return table
