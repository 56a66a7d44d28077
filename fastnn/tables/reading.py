"""A Table of a source: which columns are inputs, what they hold, and all rows in one array that fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_choice, as_dtype, require_memory
from fastnn.tables.columns import Column, Target
from fastnn.tables.encoding import Encoder, require_columns
from fastnn.tables.errors import DataError
from fastnn.tables.form import Format
from fastnn.tables.missing import DROP, RULES
from fastnn.tables.source import Source
from fastnn.tables.survey import survey
from fastnn.tables.targets import Labels, are_numbers, choose
from fastnn.tables.weights import Weights

# Of x, what a run holds beside it: the rows of validation and test.
BESIDE = 0.5
DATA_REMEDY = "leave out rows, or columns (drop), or use float32"


@dataclass(frozen=True, eq=False)
class Table:
    """x (N, inputs), y (N,): classes int64 or numbers float64, what its columns mean, and where it came from.

    rule: what becomes of missing values; with "mean" or "median" they are NaN in x until the rows to train on are
    known. form: how numbers were written, see Source. told: what was taken for what, in words. weights (N,) float64:
    how often the loss of each row counts.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    columns: tuple[Column, ...]
    target: Target
    title: str
    rule: str | None = None
    form: Format | None = None
    told: str = ""
    weights: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.x)


def read(
    source: Source,
    target: str | None = None,
    *,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    task: str | None = None,
    weights: str | None = None,
    dtype: object = "float32",
    missing: str | None = None,
    centre: bool = True,
) -> Table:
    """All rows of a source.

    target: the column to predict; None: y, label or target, else the last. drop: columns to leave out. categorical:
    columns whose numbers, and NA, are names. task: "classification" or "regression"; None: text and whole numbers of at
    most 20 values are classes. weights: the column that says how often the loss of a row counts, which is no input.
    missing: "mean" or "median" of the rows that are trained on stands for a number that is missing, and no name for a
    name; "drop" leaves such rows out; None refuses them. centre: what lies far from 0 is kept as the difference from an
    origin (Column.origin).

    DataError, with line or row from 1 and column: a value that is missing, not finite or no number, a row of another
    length, one class only, a class of one row. ValueError: more than memory holds.
    """
    rule = None if missing is None else as_choice(missing, RULES, "missing")
    name = choose(source, target)
    require_columns(source, [*drop, *categorical])
    if name in drop:
        raise DataError(f"{source.title}: column {name!r} is to be predicted and dropped; name another target")
    if both := [column for column in categorical if column in drop]:
        raise DataError(f"{source.title}: column {both[0]!r} is categorical and dropped; leave one of them out")
    if weights is not None and weights in (name, *drop, *categorical):
        raise DataError(
            f"{source.title}: column {weights!r} is of weights, and to be predicted, dropped or categorical; leave one "
            "of them out"
        )
    weighing = None if weights is None else Weights(source, weights)
    names = [column for column in source.columns if column not in (name, weights, *drop)]
    if not names:
        raise DataError(f"{source.title} has no column beside {name!r} to predict it from")
    _require_room(source, len(names), as_dtype(dtype))
    columns = survey(source, names, categorical, rule, centre)
    labels = Labels(source, name, name in categorical or source.is_text(name), name in categorical)
    encoder = Encoder(source, columns, rule)
    x = _fill(encoder, labels, as_dtype(dtype), weighing)
    y, found = labels.finish(task)
    weigh = None if weighing is None else weighing.finish()
    told = _told(encoder, labels) + ("" if weights is None else f"; weights: {weights}")
    return Table(x, y, columns, found, source.title, rule, source.form, told.removeprefix("; "), weigh)


def read_as(
    source: Source, columns: Sequence[Column], target: Target, dtype: object = "float32", missing: str | None = None
) -> Table:
    """All rows of a source with the columns of a trained model, by name, in any order. DataError as `read`."""
    require_columns(source, [*(column.name for column in columns), target.name])
    classes = target.classes or ()
    as_text = source.is_text(target.name) or not are_numbers(classes)
    labels = Labels(source, target.name, as_text, known=classes)
    encoder = Encoder(source, columns, missing)
    x = _fill(encoder, labels, as_dtype(dtype))
    y = labels.as_trained(target)
    return Table(x, y, tuple(columns), target, source.title, missing, source.form, _told(encoder, labels))


def batches(
    source: Source, columns: Sequence[Column], dtype: object = "float32", missing: str | None = None
) -> Iterator[NDArray[Any]]:
    """x (rows, inputs) of a source, some thousand rows at a time, with the columns of a trained model. DataError."""
    require_columns(source, [column.name for column in columns])
    return Encoder(source, columns, missing).batches(as_dtype(dtype))


def _require_room(source: Source, width: int, dtype: np.dtype[Any]) -> tuple[int, str]:
    """Numbers that a run on all rows of so many inputs holds, and what they are. ValueError: too many for memory."""
    numbers = int(source.rows * width * (1 + BESIDE)) + source.rows * (8 // dtype.itemsize) * 2
    what = f"{source.title}, {source.rows:,} rows of {width:,} inputs,"
    require_memory(numbers, dtype, what, DATA_REMEDY)
    return numbers, what


def _fill(encoder: Encoder, labels: Labels, dtype: np.dtype[Any], weights: Weights | None = None) -> NDArray[Any]:
    """x (N, inputs), filled a batch at a time; labels and weights collect theirs on the way."""
    source = encoder.source
    numbers, what = _require_room(source, encoder.width, dtype)
    x = np.empty((source.rows, encoder.width), dtype)
    names, as_text = encoder.names, encoder.as_text + [labels.name] * labels.as_text
    beside = [labels.name] if weights is None else [labels.name, weights.name]
    row = done = 0
    for batch in source.batches([*names, *beside], as_text):
        rows = len(batch[0])
        # Others take memory meanwhile.
        require_memory(numbers * (source.rows - row) // source.rows, dtype, f"the rest of {what}", DATA_REMEDY)
        part = x[done : done + rows]
        whole = encoder.encode(part, batch[: len(names)], row)
        drops = encoder.rule == DROP
        kept = labels.add(batch[len(names)], whole if drops else np.ones(rows, np.bool_), drops)
        if weights is not None:
            weights.add(batch[-1], kept)
        if not kept.all():
            part[: np.count_nonzero(kept)] = part[kept]
        row, done = row + rows, done + int(np.count_nonzero(kept))
    if not done:
        raise DataError(f"{source.title}: no row is left" + (" where nothing is missing" if row else ""))
    return x[:done]


def _told(encoder: Encoder, labels: Labels) -> str:
    """What was taken for what."""
    parts = [encoder.source.told] if encoder.source.told else []
    if names := [f"{column.name} ({column.width})" for column in encoder.columns if column.categories is not None]:
        parts.append(f"names: {', '.join(names)}")
    kinds = [*(column.categories or () for column in encoder.columns), labels.names]
    if alike := [pair for names in kinds for pair in _alike(names)]:
        parts.append(f"names that differ in spelling alone: {', '.join(alike[:3])}")
    if origins := [column.name for column in encoder.columns if column.origin]:
        parts.append(f"far from 0: {', '.join(origins)}")
    missing = encoder.missing + labels.missing
    if missing:
        what = "rows left out" if encoder.rule == DROP else f"numbers filled by the {encoder.rule}, names by none"
        parts.append(f"missing: {', '.join(f'{count} of {name}' for name, count in missing.items())}, {what}")
    return "; ".join(parts)


def _alike(names: Sequence[str]) -> list[str]:
    """Pairs of names that are the same but for capitals and blanks."""
    first: dict[str, str] = {}
    found = []
    for name in names:
        other = first.setdefault("".join(name.casefold().split()), name)
        if other != name:
            found.append(f"{other!r} and {name!r}")
    return found
