"""Batch norm: each channel by mean and variance of all rows and places, or by running ones.

x, y (N, ..., C), w, b, mean, variance (C,). The variance is divided by how many numbers there are, that of a sample by
one less.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]


def statistics(x: Array) -> tuple[Array, Array]:
    """mean and variance of each channel"""
    rows = x.reshape(-1, x.shape[-1])
    mean = rows.sum(axis=0) / len(rows)
    return mean, ((rows - mean) ** 2).sum(axis=0) / len(rows)


def forward(x: Array, w: Array, b: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    """y"""
    y: Array = (x - mean) / np.sqrt(variance + epsilon) * w + b
    return y


def backward(dy: Array, x: Array, w: Array, mean: Array, variance: Array, epsilon: float) -> tuple[Array, Array, Array]:
    """dx, dw, db where mean and variance are those of x."""
    axes = tuple(range(x.ndim - 1))
    normal = (x - mean) / np.sqrt(variance + epsilon)
    dw, db, count = (dy * normal).sum(axes), dy.sum(axes), x.size // x.shape[-1]
    return (dy - db / count - normal * dw / count) * w / np.sqrt(variance + epsilon), dw, db


def moved(running: tuple[Array, Array], x: Array, momentum: float) -> tuple[Array, Array]:
    """running mean and variance after a step on x"""
    mean, variance = statistics(x)
    count = x.size // x.shape[-1]
    mine = mean, variance * count / (count - 1)
    first, second = ((1 - momentum) * before + momentum * now for before, now in zip(running, mine, strict=True))
    return first, second


def _inferred(p: Mapping[str, Array], x: Array) -> Array:
    return forward(x, p["weight"], p["bias"], p["running_mean"], p["running_var"], 1e-5)


def _by_its_rows(p: Mapping[str, Array], x: Array) -> Array:
    """With the statistics of the rows, as in training."""
    return forward(x, p["weight"], p["bias"], *statistics(x), 1e-5)


def _by_deviation(p: Mapping[str, Array], x: Array) -> Array:
    """With the variance taken for a deviation."""
    y: Array = (x - p["running_mean"]) / (p["running_var"] + 1e-5) * p["weight"] + p["bias"]
    return y


EXAMPLES = (Example(lambda of: of.BatchNorm(), _inferred, [_by_its_rows, _by_deviation], ((7,), (4, 6), (3, 4, 5))),)
