"""Columns of numbers and names become rows of numbers; what is no finite number is refused by its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.columns import Column
from fastnn.tables.errors import DataError, listed
from fastnn.tables.source import Source, Values

NOTHING = "nothing there; fill it, or leave the row out"


def fault(source: Source, row: int, column: str, what: str) -> DataError:
    """what may hold {cell}, for what stands there."""
    where, cell = source.locate(row, column)
    return DataError(f"{source.title}, {where}, column {column!r}: {what.format(cell=repr(cell))}")


def require_columns(source: Source, names: Sequence[str]) -> None:
    """DataError: some are not there."""
    there = set(source.columns)
    if missing := [name for name in names if name not in there]:
        raise DataError(f"{source.title} has no column {listed(missing)}; it has {listed(source.columns)}")


class Encoder:
    """Writes batches of a source's columns as rows of numbers: (rows, width)."""

    def __init__(self, source: Source, columns: Sequence[Column]) -> None:
        self.source, self.columns = source, tuple(columns)
        self.names = [column.name for column in columns]
        self.as_text = [column.name for column in columns if column.categories is not None]
        self.width = sum(column.width for column in columns)
        self._codes = [{name: i for i, name in enumerate(column.categories or ())} for column in columns]

    def encode(self, out: NDArray[Any], batch: Sequence[Values], row: int) -> None:
        """out (rows, width) from one batch, whose first row is `row` of the source. DataError."""
        at = 0
        for column, values, codes in zip(self.columns, batch, self._codes, strict=True):
            block = out[:, at : at + column.width]
            if column.categories is None:
                require_finite(self.source, column.name, np.asarray(values), out.dtype, row)
                block[:, 0] = values
            else:
                self._encode_names(block, column.name, values, codes, row)
            at += column.width

    def _encode_names(self, block: NDArray[Any], name: str, values: Values, codes: dict[str, int], row: int) -> None:
        found = np.array([codes.get(value, -1) for value in values])
        if (found < 0).any():
            at = int(np.argmax(found < 0))
            unknown = "{cell} is none of the names that the column had in training: " + listed(list(codes))
            raise fault(self.source, row + at, name, unknown if str(values[at]).strip() else NOTHING)
        block[...] = 0
        block[np.arange(len(found)), found] = 1

    def batches(self, dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
        """The whole source, as (rows, width) at a time. DataError."""
        row = 0
        for batch in self.source.batches(self.names, self.as_text):
            out = np.empty((len(batch[0]), self.width), dtype)
            self.encode(out, batch, row)
            row += len(out)
            yield out


def require_finite(source: Source, column: str, values: NDArray[Any], dtype: np.dtype[Any], row: int) -> None:
    """DataError: a value that is missing, not finite, or too large for the dtype."""
    wrong = ~(np.abs(values) <= np.finfo(dtype).max)
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    if np.isnan(values[at]):
        what = "no number ({cell}); fill it, or leave the row out"
    elif np.isinf(values[at]):
        what = "{cell} is not finite"
    else:
        what = "{cell} is more than float32 holds; scale the column, or use float64"
    raise fault(source, row + at, column, what)
