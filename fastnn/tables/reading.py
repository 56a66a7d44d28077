"""A Table of a source: which columns are inputs, what they hold, and all rows in one array that fits in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_dtype, require_memory
from fastnn.tables.columns import Column, Target
from fastnn.tables.dialect import is_number
from fastnn.tables.encoding import NOTHING, Encoder, fault, require_columns
from fastnn.tables.errors import DataError, listed
from fastnn.tables.source import Source
from fastnn.tables.targets import Labels, choose

# Names that a column may hold, each of which becomes an input.
CATEGORIES = 100
# Of x, what a run holds beside it: the rows of validation and test.
BESIDE = 0.5


@dataclass(frozen=True, eq=False)
class Table:
    """x (N, inputs), y (N,): classes int64 or numbers float64, what its columns mean, and where it came from."""

    x: NDArray[Any]
    y: NDArray[Any]
    columns: tuple[Column, ...]
    target: Target
    title: str

    def __len__(self) -> int:
        return len(self.x)


def read(
    source: Source,
    target: str | None = None,
    *,
    drop: Sequence[str] = (),
    categorical: Sequence[str] = (),
    task: str | None = None,
    dtype: object = "float32",
) -> Table:
    """All rows of a source.

    target: the column to predict; None: y, label or target, else the last. drop: columns to leave out. categorical:
    columns whose numbers are names. task: "classification" or "regression"; None: text and whole numbers of at most
    20 values are classes. DataError, with line or row from 1 and column: a value that is missing, not finite or no
    number, a row of another length, one class only, a class of one row. ValueError: more than memory holds.
    """
    name = choose(source, target)
    require_columns(source, [*drop, *categorical])
    if name in drop:
        raise DataError(f"{source.title}: column {name!r} is to be predicted and dropped; name another target")
    if both := [column for column in categorical if column in drop or column == name]:
        raise DataError(f"{source.title}: column {both[0]!r} is categorical, and no input; leave one of them out")
    names = [column for column in source.columns if column != name and column not in drop]
    if not names:
        raise DataError(f"{source.title} has no column beside {name!r} to predict it from")
    columns = _survey(source, names, categorical)
    labels = Labels(source, name, source.is_text(name))
    x = _fill(Encoder(source, columns), labels, as_dtype(dtype))
    y, found = labels.finish(task)
    return Table(x, y, columns, found, source.title)


def read_as(source: Source, columns: Sequence[Column], target: Target, dtype: object = "float32") -> Table:
    """All rows of a source with the columns of a trained model, by name, in any order. DataError as `read`."""
    require_columns(source, [*(column.name for column in columns), target.name])
    labels = Labels(source, target.name, source.is_text(target.name))
    x = _fill(Encoder(source, columns), labels, as_dtype(dtype))
    return Table(x, labels.as_trained(target), tuple(columns), target, source.title)


def batches(source: Source, columns: Sequence[Column], dtype: object = "float32") -> Iterator[NDArray[Any]]:
    """x (rows, inputs) of a source, some thousand rows at a time, with the columns of a trained model. DataError."""
    require_columns(source, [column.name for column in columns])
    return Encoder(source, columns).batches(as_dtype(dtype))


def _survey(source: Source, names: Sequence[str], categorical: Sequence[str]) -> tuple[Column, ...]:
    """What each column holds: names are collected by reading those columns once."""
    text = [name for name in names if name in categorical or source.is_text(name)]
    seen: dict[str, dict[str, int]] = {name: {} for name in text}
    row = 0
    for batch in source.batches(text, text) if text else ():
        for name, values in zip(text, batch, strict=True):
            kinds = seen[name]
            for at, value in enumerate(values):
                kinds.setdefault(value, row + at)
            if len(kinds) > CATEGORIES:
                raise DataError(
                    f"{source.title}: column {name!r} holds more than {CATEGORIES} different texts, such as "
                    f"{listed(list(kinds)[:3])}; each would be an input. Leave it out (drop)"
                )
        row += len(batch[0])
    for name, kinds in seen.items():
        _check_names(source, name, kinds, name in categorical)
    return tuple(Column(name, tuple(sorted(seen[name])) if name in seen else None) for name in names)


def _check_names(source: Source, name: str, kinds: dict[str, int], wanted: bool) -> None:
    """DataError: a missing name, or numbers among names."""
    for kind, row in kinds.items():
        if not kind.strip():
            raise fault(source, row, name, NOTHING)
        if not wanted and is_number(kind):
            raise fault(
                source, row, name,
                "a number, {cell}, and the column begins with text; mend it, or say that it holds names (categorical)",
            )  # fmt: skip


def _fill(encoder: Encoder, labels: Labels, dtype: np.dtype[Any]) -> NDArray[Any]:
    """x (N, inputs), filled a batch at a time; labels collects the target on the way."""
    source = encoder.source
    numbers = int(source.rows * encoder.width * (1 + BESIDE)) + source.rows * (8 // dtype.itemsize) * 2
    what = f"{source.title}, {source.rows:,} rows of {encoder.width:,} inputs,"
    require_memory(numbers, dtype, what, DATA_REMEDY)
    x = np.empty((source.rows, encoder.width), dtype)
    names, as_text = encoder.names, encoder.as_text + [labels.name] * labels.as_text
    row = 0
    for batch in source.batches([*names, labels.name], as_text):
        rows = len(batch[0])
        # Others take memory meanwhile.
        require_memory(numbers * (source.rows - row) // source.rows, dtype, f"the rest of {what}", DATA_REMEDY)
        encoder.encode(x[row : row + rows], batch[:-1], row)
        labels.add(batch[-1])
        row += rows
    return x[:row]


DATA_REMEDY = "leave out rows, or columns (drop), or use float32"
