"""Arrays as a table: x and y of an npz file, and the built-in sets."""

from __future__ import annotations

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.data import Dataset
from fastnn.edge.checks import FLOAT64, require_memory
from fastnn.tables.chunks import chunks
from fastnn.tables.errors import DataError, listed
from fastnn.tables.source import Typed, Values

TARGET, LENGTHS = "y", "lengths"
# What NumPy and zipfile make of a file that is broken, locked, or packed in a way that they do not know.
BROKEN = (
    ValueError, OSError, KeyError, EOFError, RuntimeError, AttributeError, SyntaxError, MemoryError, TypeError,
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError,
)  # fmt: skip


class Arrays(Typed):
    """A Source of x (N, ...), whose columns are x0, x1, ..., and y (N,), where there is one.

    array: x with its axes, for who reads images or sequences; y; lengths: what else the file holds by that name.
    built_in: whether it is a set that every fastnn has.
    """

    def __init__(
        self,
        title: str,
        x: NDArray[Any],
        y: NDArray[Any] | None,
        lengths: NDArray[Any] | None = None,
        built_in: bool = False,
    ) -> None:
        self.title = title
        self.rows = len(x)
        self.target = None if y is None else TARGET
        self.array, self.y, self.lengths, self.built_in = x, y, lengths, built_in
        self._x = x.reshape(len(x), -1)
        inputs = tuple(f"x{i}" for i in range(self._x.shape[1]))
        self.columns = inputs if y is None else (*inputs, TARGET)

    def _column(self, column: str) -> NDArray[Any]:
        if column == TARGET and self.y is not None:
            return self.y
        values: NDArray[Any] = self._x[:, int(column[1:])]
        return values

    def is_text(self, column: str) -> bool:
        return self._column(column).dtype.kind == "U"

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        arrays = [(self._column(name), name in as_text) for name in columns]
        for rows in chunks(self.rows, len(columns)):
            yield [_values(array[rows], text) for array, text in arrays]

    def locate(self, row: int, column: str) -> tuple[str, str]:
        return f"row {row + 1}", str(self._column(column)[row])


def _values(array: NDArray[Any], text: bool) -> Values:
    return [str(value) for value in array] if text else array.astype(FLOAT64)


def of_dataset(dataset: Dataset) -> Arrays:
    """Images keep their axes."""
    return Arrays(dataset.name, dataset.x.reshape(len(dataset.x), *dataset.shape), dataset.y, built_in=True)


def of_npz(path: Path, title: str) -> Arrays:
    """x (N, ...), y (N,) or (N, 1), and lengths. DataError where the file holds anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            require_memory(sum(member.file_size for member in archive.infolist()) // 8, FLOAT64, "what it holds")
        with np.load(path, allow_pickle=False) as file:
            names = {name.lower(): name for name in file.files}
            if len(names) < len(file.files):
                raise DataError(f"{title} holds {listed(file.files)}; expected one x and one y")
            if "x" not in names:
                raise DataError(f"{title} holds {listed(file.files) or 'nothing'}; expected x (N, inputs) and y (N,)")
            x = np.asarray(file[names["x"]])
            y, lengths = (np.asarray(file[names[name]]) if name in names else None for name in (TARGET, LENGTHS))
    except DataError:
        raise
    except BROKEN as error:
        raise DataError(f"{title}: {error}") from error
    return Arrays(title, *_checked(title, x, y), lengths)


def _checked(title: str, x: NDArray[Any], y: NDArray[Any] | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    if x.ndim < 2 or x.size == 0:
        raise DataError(f"{title}: x has shape {x.shape}; expected (N, inputs) with at least one row")
    if x.dtype.kind not in "fiub":
        raise DataError(f"{title}: x has dtype {x.dtype}; expected real numbers")
    if y is None:
        return x, None
    if y.ndim not in (1, 2) or y.shape not in ((len(x),), (len(x), 1)):
        raise DataError(f"{title}: y has shape {y.shape}; expected ({len(x)},), one a row of x")
    if y.dtype.kind not in "fiubU":
        raise DataError(f"{title}: y has dtype {y.dtype}; expected numbers or text")
    return x, y.reshape(-1)
