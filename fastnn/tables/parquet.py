"""parquet files, read by pyarrow a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastnn.tables.chunks import chunk_rows
from fastnn.tables.errors import DataError, listed, require_pyarrow
from fastnn.tables.source import Typed, Values


def _pandas(metadata: Mapping[bytes, bytes]) -> tuple[frozenset[str], frozenset[str]]:
    """Columns that pandas wrote as the index of its rows, and those that it calls categories."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        about = json.loads(metadata[b"pandas"])
        index = frozenset(name for name in about["index_columns"] if isinstance(name, str))
        names = (str(column["field_name"]) for column in about["columns"] if column["pandas_type"] == "categorical")
        return index, frozenset(names)
    return frozenset(), frozenset()


class Parquet(Typed):
    """A Source of the rows of a parquet file. Numbers, bools, and strings; other columns must be dropped."""

    def __init__(self, path: Path, title: str | None = None) -> None:
        require_pyarrow(path.suffix or ".parquet")
        import pyarrow
        from pyarrow import parquet

        self.title = title or str(path)
        try:
            self._file = parquet.ParquetFile(path)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{self.title} is no parquet file: {error}") from error
        index, self._categories = _pandas(self._file.schema_arrow.metadata or {})
        names = self._file.schema_arrow.names
        self.columns = tuple(name for name in names if name not in index)
        if len(self.columns) < len(names):
            self.told = f"{listed(sorted(index))} left out, an index of pandas"
        self.rows = self._file.metadata.num_rows
        if len(set(self.columns)) < len(self.columns):
            twice = next(name for name in self.columns if self.columns.count(name) > 1)
            raise DataError(f"{self.title} has several columns {twice!r}; give each a name of its own")
        if not self.rows:
            raise DataError(f"{self.title} holds no row")

    def is_text(self, column: str) -> bool:
        from pyarrow import types

        kind = self._file.schema_arrow.field(column).type
        if types.is_dictionary(kind):
            kind = kind.value_type
        if types.is_integer(kind) and column in self._categories:
            return True
        if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
            return True
        if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_decimal(kind):
            return False
        raise DataError(f"{self.title}: column {column!r} holds {kind}; expected numbers or text: leave it out (drop)")

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        import pyarrow

        try:
            for batch in self._file.iter_batches(chunk_rows(len(columns)), columns=list(columns)):
                yield [self._values(batch.column(name), name in as_text) for name in columns]
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{self.title}: {error}") from error

    def _values(self, array: Any, text: bool) -> Values:
        import pyarrow

        if not text:
            numbers: Values = array.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
            return numbers
        return ["" if value is None else str(value) for value in array.to_pylist()]

    def locate(self, row: int, column: str) -> tuple[str, str]:
        before = 0
        for batch in self._file.iter_batches(columns=[column]):
            if row < before + batch.num_rows:
                break
            before += batch.num_rows
        return f"row {row + 1}", str(batch.column(0)[row - before])
