"""Targets as the kernels read them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.edge.checks import as_contiguous, as_labels, as_numeric, as_rows
from fastnn.learning.losses import CrossEntropy, Loss

# Of rows that all count alike, or a pair with what each weighs; see fastnn.tape.targets.
AnyTarget = NDArray[Any] | tuple[NDArray[Any], NDArray[np.float64]]


def as_target(
    y: ArrayLike, rows: int, shape: tuple[int, ...], loss: Loss, dtype: np.dtype[Any]
) -> NDArray[Any]:  # fmt: skip
    """Labels int64, (rows,) or (rows, positions), or rows of numbers (rows, O), for outputs of this shape a row.
    ValueError, TypeError.

    Labels have the axes of the outputs without the last; an axis more are rows. What is one number a row may lack it.
    Both may come as they are given here.
    """
    array, around = as_numeric(y, "y"), shape[:-1]
    of_labels = array.ndim != 1 + len(shape) and array.shape[1:] != (math.prod(shape),)
    if isinstance(loss, CrossEntropy) and of_labels:
        return _labels(array, rows, around, shape[-1], loss.ignore_index)
    if shape[-1] == 1 and array.ndim == 1 + len(around):
        array = array[..., None]
    target = as_rows(array, shape, dtype, "y")
    if len(target) != rows:
        raise ValueError(f"y has {len(target)} rows; expected {rows}, as x")
    loss.require_target(target[~np.isnan(target)] if loss.leaves_out_missing else target)
    return target


def part_of(target: AnyTarget, first: int, last: int) -> AnyTarget:
    """Rows first..last."""
    if isinstance(target, tuple):
        return target[0][first:last], target[1][first:last]
    return target[first:last]


def rows_of(target: AnyTarget, order: NDArray[np.int64]) -> AnyTarget:
    """Copies of rows, in this order."""
    return (target[0][order], target[1][order]) if isinstance(target, tuple) else target[order]


def weighted(target: NDArray[Any], sample_weight: ArrayLike | None) -> AnyTarget:
    """A target that is checked, or a pair of it and a copy of the weights of its rows. ValueError, TypeError."""
    if sample_weight is None:
        return target
    rows = len(target)
    given = as_numeric(sample_weight, "sample_weight")
    if given.shape != (rows,):
        raise ValueError(f"sample_weight has shape {given.shape}; expected ({rows},), a number a row of x")
    weights = as_contiguous(given, np.dtype(np.float64)).copy()
    if wrong := np.flatnonzero(~(np.isfinite(weights) & (weights >= 0))).tolist():
        raise ValueError(f"sample_weight[{wrong[0]}] is {weights[wrong[0]]:g}; expected numbers of at least 0")
    return target, weights


def _labels(
    array: NDArray[Any], rows: int, around: tuple[int, ...], classes: int, ignore_index: int
) -> NDArray[np.int64]:  # fmt: skip
    """(rows,), or (rows, positions) however many axes they have."""
    flat = (rows, math.prod(around))
    labels = as_labels(array, flat if around and array.shape == flat else (rows, *around), classes, ignore_index, "y")
    return labels.reshape(flat) if around else labels
