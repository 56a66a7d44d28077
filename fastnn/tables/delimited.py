"""csv files, read by pyarrow a block at a time; what is wrong with one is found line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fastnn.tables.dialect import dialect_of, is_number, rows
from fastnn.tables.errors import DataError, require_pyarrow
from fastnn.tables.source import Values

# Bytes parsed at a time. 1 GB in blocks of 1 MiB: 5.2 s and 190 MB beside the array, of 4 MiB: 5.2 s and 310 MB. Of
# very long lines so many at least.
BLOCK, LINES = 2**20, 64


class Delimited:
    """A Source of the rows of a csv file. Empty lines are passed over."""

    target: str | None = None

    def __init__(self, path: Path, header: bool | None, delimiter: str | None) -> None:
        require_pyarrow(path.suffix)
        self.path = path
        self.title = str(path)
        self.dialect = dialect_of(path, header, delimiter)
        self.columns = self.dialect.columns
        self._at = {name: at for at, name in enumerate(self.columns)}
        self.rows = _line_count(path) - self.dialect.header

    def is_text(self, column: str) -> bool:
        """What begins with a number holds numbers."""
        at = self._at[column]
        return at < len(self.dialect.first) and not is_number(self.dialect.first[at])

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        import pyarrow

        done = 0
        try:
            for batch in self._stream(columns, as_text):
                yield [_values(batch.column(name), name in as_text) for name in columns]
                done += batch.num_rows
        except pyarrow.ArrowInvalid as error:
            raise self._fault(done, columns, as_text) or DataError(f"{self.title}: {error}") from error
        finally:
            pyarrow.default_memory_pool().release_unused()

    def _stream(self, columns: Sequence[str], as_text: Sequence[str]) -> Any:
        import pyarrow
        from pyarrow import csv

        names, line = list(self.columns), sum(len(cell) + 1 for cell in self.dialect.first)
        kinds = {name: pyarrow.string() if name in as_text else pyarrow.float64() for name in columns}
        return csv.open_csv(
            self.path,
            read_options=csv.ReadOptions(
                column_names=names, skip_rows_after_names=int(self.dialect.header), block_size=max(BLOCK, LINES * line)
            ),
            parse_options=csv.ParseOptions(delimiter=self.dialect.delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=kinds, include_columns=list(columns)),
        )

    def _fault(self, after: int, columns: Sequence[str], as_text: Sequence[str]) -> DataError | None:
        """The first row that is wrong, `after` so many that are right."""
        numbers = [(self._at[name], name) for name in columns if name not in as_text]
        for line, cells in self._rows(after):
            if fault := self._fault_of(cells, numbers):
                return DataError(f"{self.title}, line {line}{fault}")
        return None

    def _fault_of(self, cells: Sequence[str], numbers: Sequence[tuple[int, str]]) -> str | None:
        if len(cells) != len(self.columns):
            return f": {len(cells)} cells; expected {len(self.columns)}, as there are columns"
        for at, cell in enumerate(cells):
            if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
                return f", column {self.columns[at]!r}: not UTF-8; save the file in that encoding"
        for at, name in numbers:
            if not is_number(cells[at]):
                return f", column {name!r}: {cells[at]!r} is no number, as the column's first value is"
        return None

    def _rows(self, after: int) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of data, from row `after` on."""
        skipped = after + self.dialect.header
        for index, row in enumerate(rows(self.path, self.dialect.delimiter)):
            if index >= skipped:
                yield row

    def locate(self, row: int, column: str) -> tuple[str, str]:
        line, cells = next(self._rows(row))
        return f"line {line}", cells[self._at[column]]


def _values(array: Any, text: bool) -> Values:
    values: Values = array.to_pylist() if text else array.to_numpy(zero_copy_only=False)
    return values


def _line_count(path: Path) -> int:
    """Lines of a file, whatever ends them, and so rows at most. 0.5 s for 1 GB."""
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(4 * BLOCK):
            count += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
            last = block[-1:]
    return count + (last not in b"\r\n")
