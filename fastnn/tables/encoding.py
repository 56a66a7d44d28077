"""Columns of numbers and names become rows of numbers; what is no finite number is refused by its place, or, where
there is a rule for what is missing, filled or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.columns import Column
from fastnn.tables.errors import DataError, listed
from fastnn.tables.missing import DROP
from fastnn.tables.source import Source, Values

REMEDY = "fill it, leave the row out, or say what becomes of it (missing)"
NOTHING = f"nothing there; {REMEDY}"
# A name that may be one: NA is Namibia too.
MAY_BE_MISSING = f"{{cell}} may be a name (categorical) or stand for nothing; {REMEDY}"


def fault(source: Source, row: int, column: str, what: str) -> DataError:
    """what may hold {cell}, for what stands there."""
    where, cell = source.locate(row, column)
    return DataError(f"{source.title}, {where}, column {column!r}: {what.format(cell=repr(cell))}")


def no_name(source: Source, row: int, column: str, cell: str) -> DataError:
    """Of a cell that stands for nothing, where a name is wanted."""
    return fault(source, row, column, MAY_BE_MISSING if cell else NOTHING)


def require_columns(source: Source, names: Sequence[str]) -> None:
    """DataError: some are not there."""
    there = set(source.columns)
    if missing := [name for name in names if name not in there]:
        raise DataError(f"{source.title} has no column {listed(missing)}; it has {listed(source.columns)}")


class Encoder:
    """Writes batches of a source's columns as rows of numbers: (rows, width).

    rule: of fastnn.tables.missing, or None, which refuses what is missing and names that a column had not in training.
    With one, a number that is missing is NaN, and of such a name all inputs are 0; `encode` tells the rows that hold
    neither. missing: how many each column had.
    """

    def __init__(self, source: Source, columns: Sequence[Column], rule: str | None = None) -> None:
        self.source, self.columns, self.rule = source, tuple(columns), rule
        self.names = [column.name for column in columns]
        self.as_text = [column.name for column in columns if column.categories is not None]
        self.width = sum(column.width for column in columns)
        self.missing: Counter[str] = Counter()
        self._codes = [{name: i for i, name in enumerate(column.categories or ())} for column in columns]

    def encode(self, out: NDArray[Any], batch: Sequence[Values], row: int) -> NDArray[np.bool_]:
        """out (rows, width) from one batch, whose first row is `row` of the source; which rows are whole. DataError."""
        at, whole = 0, np.ones(len(out), np.bool_)
        for column, values, codes in zip(self.columns, batch, self._codes, strict=True):
            block = out[:, at : at + column.width]
            if column.categories is None:
                there = self._encode_numbers(block[:, 0], column, np.asarray(values), row)
            else:
                there = self._encode_names(block, column.name, values, codes, row)
            if not there.all():
                self.missing[column.name] += int(np.count_nonzero(~there))
                whole &= there
            at += column.width
        return whole

    def _encode_numbers(self, out: NDArray[Any], column: Column, values: NDArray[Any], row: int) -> NDArray[np.bool_]:
        values = values - column.origin if column.origin else values
        there = ~np.isnan(values) if self.rule else np.ones(len(values), np.bool_)
        require_finite(self.source, column.name, values, out.dtype, row, there)
        out[...] = values
        return there

    def _encode_names(
        self, block: NDArray[Any], name: str, values: Values, codes: dict[str, int], row: int
    ) -> NDArray[np.bool_]:
        found = np.array([codes.get(value, -1) for value in values], np.int64)
        there = found >= 0
        if not there.all() and self.rule is None:
            at = int(np.argmin(there))
            if values[at] in self.source.nothing(name):
                raise no_name(self.source, row + at, name, str(values[at]))
            unknown = "{cell} is none of the names that the column had in training: " + listed(list(codes))
            raise fault(self.source, row + at, name, unknown)
        block[...] = 0
        block[np.flatnonzero(there), found[there]] = 1
        return there

    def batches(self, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        """The whole source, as (rows, width) at a time: every row, whatever was left out in training. DataError."""
        row = 0
        for batch in self.source.batches(self.names, self.as_text):
            out = np.empty((len(batch[0]), self.width), dtype)
            whole = self.encode(out, batch, row)
            if self.rule == DROP and not whole.all():
                self._refuse(batch, row + int(np.argmin(whole)), int(np.argmin(whole)))
            row += len(out)
            yield out

    def _refuse(self, batch: Sequence[Values], row: int, at: int) -> None:
        """DataError: a row that the model's rule would leave out, where there must be a prediction of each."""
        for column, values, codes in zip(self.columns, batch, self._codes, strict=True):
            if values[at] != values[at] if column.categories is None else values[at] not in codes:
                what = "{cell}: in training such rows were left out (missing drop); leave it out here too, or fill it"
                raise fault(self.source, row, column.name, what)


def require_finite(
    source: Source,
    column: str,
    values: NDArray[Any],
    dtype: np.dtype[Any],
    row: int,
    asked: NDArray[np.bool_] | None = None,
) -> None:
    """DataError: a value, of those that are asked for, that is missing, not finite, or too large for the dtype."""
    wrong = ~(np.abs(values) <= np.finfo(dtype).max)
    if asked is not None:
        wrong &= asked
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    if np.isnan(values[at]):
        what = f"no number ({{cell}}); {REMEDY}"
    elif np.isinf(values[at]):
        what = "{cell} is not finite"
    else:
        what = "{cell} is more than float32 holds; scale the column, or use float64"
    raise fault(source, row + at, column, what)
