"""Images and sequences of an npz file, or of a built-in set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.samples.form import IMAGES, Form
from fastnn.samples.layout import arranged, axes_of, kind_of
from fastnn.samples.rows import LEVELS
from fastnn.tables import Target
from fastnn.tables.arrays import TARGET, Arrays
from fastnn.tables.errors import DataError
from fastnn.tables.targets import Labels, are_numbers


def rows_of(
    source: Arrays, kind: str | None, axes: str | None, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], Form, str]:  # fmt: skip
    """x (N, H, W, C), bytes where it holds nothing but those, or (N, T, F); what a row is; and by which axes."""
    if source.lengths is not None:
        raise DataError(
            f"{source.title} holds lengths, and sequences of several lengths are not trained on here; fill them to one "
            "length, and leave lengths out"
        )
    found = axes or axes_of(source.array, kind, source.title)
    if kind not in (None, kind_of(found)):
        raise DataError(f"{source.title}: axes are {found}, of {kind_of(found)}, and the model takes {kind}")
    x = arranged(source.array, found, source.title)
    x = np.require(x, np.uint8 if kind_of(found) == IMAGES and _are_bytes(x) else dtype, ["C", "W"])
    _require_finite(source, x)
    unit = kind_of(found) == IMAGES and (x.dtype == np.uint8 or (x.min() >= 0 and x.max() <= 1))
    return x, Form(kind_of(found), x.shape[1:], unit=bool(unit)), found


def _are_bytes(x: NDArray[Any]) -> bool:
    return x.dtype == np.uint8 or (x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= LEVELS)


def _require_finite(source: Arrays, x: NDArray[Any]) -> None:
    finite = np.isfinite(x).reshape(len(x), -1).all(axis=1)
    if not finite.all():
        raise DataError(f"{source.title}, row {np.argmin(finite) + 1}: x holds what is no finite number; fill it")


def labels_of(source: Arrays, task: str | None) -> tuple[NDArray[Any], Target]:
    """y (N,): classes, or numbers. DataError."""
    return _labels(source, source.is_text(TARGET) if source.y is not None else False).finish(task)


def labels_as(source: Arrays, target: Target) -> NDArray[Any]:
    """y (N,) as a model knows it. DataError."""
    classes = target.classes or ()
    as_text = source.y is not None and (source.is_text(TARGET) or not are_numbers(classes))
    return _labels(source, as_text).as_trained(target)


def _labels(source: Arrays, as_text: bool) -> Labels:
    if source.y is None:
        raise DataError(f"{source.title} holds x and no y; expected what is to be predicted, one a row of x")
    labels = Labels(source, TARGET, as_text)
    for (values,) in source.batches([TARGET], [TARGET] * as_text):
        labels.add(values, np.ones(len(values), np.bool_), False)
    return labels


def require_form(source: Arrays, x: NDArray[Any], found: Form, form: Form) -> None:
    """DataError: rows that are not as those that a model was trained on."""
    if found.shape != form.shape:
        raise DataError(f"{source.title} holds {found}; the model takes {form}")
    if found.unit == form.unit or not x.size:
        return
    low, high = x.min(), x.max()
    told = "bytes" if x.dtype == np.uint8 else f"values from {low:g} to {high:g}"
    if form.unit or x.dtype == np.uint8:
        expected = "values from 0 to 1, or bytes" if form.unit else "values of another range"
        raise DataError(f"{source.title} holds {told}; the model was trained on {expected}")
