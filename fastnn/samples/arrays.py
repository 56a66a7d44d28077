"""Images and sequences of an npz file, or of a built-in set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.samples.form import IMAGES, SEQUENCES, Form
from fastnn.samples.layout import arranged, axes_of, kind_of
from fastnn.samples.rows import LEVELS
from fastnn.tables import Target
from fastnn.tables.arrays import TARGET, Arrays
from fastnn.tables.errors import DataError
from fastnn.tables.targets import Labels, are_numbers


def rows_of(
    source: Arrays, kind: str | None, axes: str | None, dtype: np.dtype[Any]
) -> tuple[NDArray[Any], Form, str]:  # fmt: skip
    """x (N, H, W, C), bytes where it holds nothing but those, or (N, T, F), NaN behind the lengths of rows; what a row
    is; and by which axes."""
    found = axes or axes_of(source.array, kind or (None if source.lengths is None else SEQUENCES), source.title)
    if kind not in (None, kind_of(found)):
        raise DataError(f"{source.title}: axes are {found}, of {kind_of(found)}, and the model takes {kind}")
    x = arranged(source.array, found, source.title)
    x = np.require(x, np.uint8 if kind_of(found) == IMAGES and _are_bytes(x) else dtype, ["C", "W"])
    there = _there(source, kind_of(found), x)
    _require_finite(source, x, there)
    if there is not None:
        x = np.where(there, x, np.asarray(np.nan, x.dtype))
    unit = kind_of(found) == IMAGES and (x.dtype == np.uint8 or (x.min() >= 0 and x.max() <= 1))
    return x, Form(kind_of(found), x.shape[1:], unit=bool(unit), varies=there is not None), found


def _are_bytes(x: NDArray[Any]) -> bool:
    return x.dtype == np.uint8 or (x.dtype.kind in "iu" and x.min() >= 0 and x.max() <= LEVELS)


def _there(source: Arrays, kind: str, x: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which positions are there, (N, T, 1), where lengths say so. DataError: lengths that cannot be."""
    lengths = source.lengths
    if lengths is None:
        return None
    if kind == IMAGES:
        raise DataError(f"{source.title} holds lengths beside images; they are of sequences (axes NTF)")
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu":
        raise DataError(
            f"{source.title}: lengths are {lengths.dtype} {lengths.shape}; expected ({len(x)},), a whole number a row"
        )
    if (wrong := (lengths < 0) | (lengths > x.shape[1])).any():
        row = int(np.argmax(wrong))
        raise DataError(f"{source.title}, row {row + 1}: its length is {lengths[row]}; expected 0 to {x.shape[1]}")
    return (np.arange(x.shape[1]) < lengths[:, None])[..., None]


def _require_finite(source: Arrays, x: NDArray[Any], there: NDArray[np.bool_] | None) -> None:
    """Of what is there."""
    right = np.isfinite(x) if there is None else np.isfinite(x) | ~there
    finite = right.reshape(len(x), -1).all(axis=1)
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
    if found.varies and not form.varies and not np.isfinite(x).all():
        raise DataError(f"{source.title} holds sequences of several lengths; the model takes {form}")
    if found.shape != form.shape:
        raise DataError(f"{source.title} holds {found}; the model takes {form}")
    if found.unit == form.unit or not x.size:
        return
    low, high = x.min(), x.max()
    told = "bytes" if x.dtype == np.uint8 else f"values from {low:g} to {high:g}"
    if form.unit or x.dtype == np.uint8:
        expected = "values from 0 to 1, or bytes" if form.unit else "values of another range"
        raise DataError(f"{source.title} holds {told}; the model was trained on {expected}")
