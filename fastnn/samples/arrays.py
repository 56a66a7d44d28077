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

# Of a feature's deviation, what rounding may take of its numbers.
MOST_LOST = 0.01


def rows_of(
    source: Arrays, kind: str | None, axes: str | None, dtype: np.dtype[Any], form: Form | None = None
) -> tuple[NDArray[Any], Form, str]:  # fmt: skip
    """x (N, H, W, C), bytes where it holds nothing but those, or (N, T, F), NaN behind the lengths of rows; what a row
    is; and by which axes. form: what a trained model takes."""
    found = axes or axes_of(source.array, kind or (None if source.lengths is None else SEQUENCES), source.title)
    if kind not in (None, kind_of(found)):
        raise DataError(f"{source.title}: axes are {found}, of {kind_of(found)}, and the model takes {kind}")
    x = arranged(source.array, found, source.title)
    are_bytes = kind_of(found) == IMAGES and _are_bytes(x, form)
    there = _there(source, kind_of(found), x)
    _require_finite(source, x, there)
    if form is None and kind_of(found) == SEQUENCES:
        _require_told_apart(source, x, there, dtype)
    with np.errstate(over="ignore"):
        x = np.require(x, np.uint8 if are_bytes else dtype, ["C", "W"])
    _require_finite(source, x, there)  # in that type
    if there is not None:
        x = np.where(there, x, np.asarray(np.nan, x.dtype))
    unit = kind_of(found) == IMAGES and (x.dtype == np.uint8 or (x.min() >= 0 and x.max() <= 1))
    return x, Form(kind_of(found), x.shape[1:], unit=bool(unit), varies=there is not None), found


def _are_bytes(x: NDArray[Any], form: Form | None) -> bool:
    """Bytes by their type, or whole numbers up to 255, more than 0 and 1 alone, where a model does not take others."""
    if x.dtype == np.uint8 or x.dtype.kind not in "iu" or not x.size:
        return bool(x.dtype == np.uint8)
    return (form is None or form.unit) and bool(x.min() >= 0 and 1 < x.max() <= LEVELS)


def _require_told_apart(
    source: Arrays, x: NDArray[Any], there: NDArray[np.bool_] | None, dtype: np.dtype[Any]
) -> None:  # fmt: skip
    """DataError: features so far from 0 that nothing of what they differ by is left in the type."""
    flat = (x if there is None else x[there[..., 0]]).reshape(-1, x.shape[-1]).astype(np.float64)
    if not len(flat):
        raise DataError(f"{source.title}: all lengths are 0; expected positions that are there")
    means, deviations = flat.mean(axis=0), flat.std(axis=0)
    lost = np.abs(means) * np.finfo(dtype).eps > MOST_LOST * deviations
    if (lost & (deviations > 0)).any():
        feature = int(np.argmax(lost & (deviations > 0)))
        raise DataError(
            f"{source.title}: feature {feature + 1} is {means[feature]:.6g} with a deviation of "
            f"{deviations[feature]:.4g}, which {dtype} rounds away; subtract its mean first"
        )


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


def padded(x: NDArray[Any], found: Form, form: Form) -> tuple[NDArray[Any], Form]:
    """Sequences as long as those of a form that may be shorter: what is added is not there."""
    if not form.varies or found.kind != SEQUENCES or found.features != form.features:
        return x, found
    more = form.shape[0] - found.shape[0]
    if more <= 0:
        return x, found
    return np.pad(x, ((0, 0), (0, more), (0, 0)), constant_values=np.nan), form


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
