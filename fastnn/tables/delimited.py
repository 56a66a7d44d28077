"""csv files: what programs write is read by pyarrow a block at a time, what people write row by row; what is wrong with
one is found line by line."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.tables.dialect import dialect_of, rows
from fastnn.tables.errors import DataError, listed, require_pyarrow
from fastnn.tables.form import Format
from fastnn.tables.numbers import PARTED, plain, unit_of
from fastnn.tables.source import Values
from fastnn.tables.text import NOT_UTF8, Text, text_of, wrong

# Bytes parsed at a time. 1 GB in blocks of 1 MiB: 5.2 s and 190 MB beside the array, of 4 MiB: 5.2 s and 310 MB. Of
# very long lines so many at least.
BLOCK, LINES = 2**20, 64
# Cells that are read at a time, row by row.
CELLS = 2**17
# A whole number that begins so is a code.
CODE = re.compile(r"0\d+")
TWO_CAPITALS = re.compile("[A-Z]{2}")


class Delimited:
    """A Source of the rows of a csv file. Empty lines are passed over, and blanks around a cell are no part of it."""

    target: str | None = None
    kept: Any = None
    form: Format | None = None

    def __init__(self, path: Path, told: Format, title: str | None = None) -> None:
        require_pyarrow(path.suffix or "csv")
        self.path = path
        self.title = title or str(path)
        self.dialect = dialect_of(text_of(path, told.encoding, self.title), told)
        self.columns = self.dialect.columns
        self._null = told.null
        numbers = self.dialect.numbers
        if not numbers.is_plain:
            self.form = Format(
                decimal=numbers.decimal, thousands=numbers.thousands or None, units=numbers.units, null=told.null
            )
        elif told.null is not None:
            self.form = Format(null=told.null)
        self.told = self.dialect.told
        self._at = dict(zip(self.columns, self.dialect.heading.places, strict=True))
        lines, quotes = _line_count(self.dialect.text, self.dialect.quote)
        self.rows = lines - int(self.dialect.heading.named)
        if quotes % 2:  # what is never closed is told by line
            deque(self._rows(0), maxlen=0)

    def _seen(self, column: str) -> list[str]:
        """The first cells of a column that hold something."""
        at = self._at[column]
        cells = (row[at] for _, row in self.dialect.sample if at < len(row))
        return [cell for cell in cells if cell not in self.dialect.null]

    def is_text(self, column: str) -> bool:
        """What begins with a number holds numbers, unless they are codes, such as 007."""
        seen, numbers = self._seen(column), self.dialect.numbers
        return bool(seen) and (numbers.read(seen[0]) is None or any(CODE.fullmatch(cell) for cell in seen))

    def nothing(self, column: str) -> frozenset[str]:
        """NA is a name where all others are two capitals, as countries, continents and states are."""
        seen = set(self._seen(column))
        if self._null is None and len(seen) > 1 and all(TWO_CAPITALS.fullmatch(cell) for cell in seen):
            return self.dialect.null - {"NA"}
        return self.dialect.null

    def is_number(self, cell: str) -> bool:
        return self.dialect.numbers.read(cell) is not None

    def doubt(self, column: str) -> str | None:
        seen, numbers = self._seen(column), self.dialect.numbers
        if not self.is_text(column):
            units = sorted({numbers.unit_in(cell) for cell in seen})
            return None if len(units) < 2 else f"numbers of different units, {listed(units)}; convert them"
        if any(CODE.fullmatch(cell) for cell in seen):
            return None
        bare = [numbers.without_units(cell) for cell in seen]
        if all(plain(cell) is not None for cell in bare):
            mark = repr(numbers.decimal)
            return f"{seen[0]!r} is a number, but not with decimal {mark}; say what it is (decimal, categorical)"
        if all(PARTED.fullmatch(cell) or plain(cell) is not None for cell in bare):
            what = "looks like a number; say what parts its thousands (thousands), or that it is a name (categorical)"
            return f"{seen[0]!r} {what}"
        if (unit := unit_of(seen)) and unit not in numbers.units:
            return (
                f"{seen[0]!r} and the others look like numbers with a unit; say so (unit {unit!r}), or that they are "
                "names (categorical)"
            )
        return None

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        done = 0
        if self.dialect.is_plain:
            import pyarrow

            try:
                for batch in self._stream(columns, as_text):
                    self._require_empty(batch, done, columns, as_text)
                    yield [self._values(batch.column(name), name in as_text) for name in columns]
                    done += batch.num_rows
                return
            except pyarrow.ArrowInvalid as error:
                if fault := self._fault(done, columns, as_text):
                    raise fault from error
            finally:
                pyarrow.default_memory_pool().release_unused()
        yield from self._row_by_row(done, columns, as_text)

    def _stream(self, columns: Sequence[str], as_text: Sequence[str]) -> Any:
        import pyarrow
        from pyarrow import csv

        names = [f"\0{place}" for place in range(self.dialect.heading.width)]  # of columns that are left out
        for name, at in self._at.items():
            names[at] = name
        line = max((sum(len(cell) + 1 for cell in cells) for _, cells in self.dialect.sample[:LINES]), default=0)
        kinds = {name: pyarrow.string() if name in as_text else pyarrow.float64() for name in columns}
        empty = [] if self.dialect.heading.empty is None else [names[self.dialect.heading.empty]]
        kinds |= dict.fromkeys(empty, pyarrow.string())
        file = pyarrow.OSFile(str(self.path))
        file.seek(self._begin())
        return csv.open_csv(
            file,
            read_options=csv.ReadOptions(column_names=names, block_size=max(BLOCK, LINES * line)),
            parse_options=csv.ParseOptions(
                delimiter=self.dialect.delimiter, quote_char=self.dialect.quote, newlines_in_values=True
            ),
            convert_options=csv.ConvertOptions(
                column_types=kinds, include_columns=[*columns, *empty], null_values=sorted(self.dialect.null)
            ),
        )

    def _require_empty(self, batch: Any, done: int, columns: Sequence[str], as_text: Sequence[str]) -> None:
        """DataError: something stands in the last column, which had nothing in the first rows."""
        if self.dialect.heading.empty is not None and any(value.strip() for value in batch.column(-1).to_pylist()):
            raise self._fault(done, columns, as_text) or DataError(f"{self.title}: the last column is not empty")

    def _values(self, array: Any, text: bool) -> Values:
        if text:
            return [_unquoted(value) for value in array.to_pylist()]
        return self._without_null(array.to_numpy(zero_copy_only=False))

    def _without_null(self, values: Any) -> Values:
        """NaN for numbers that stand for nothing, however they are written."""
        for cell in self._null or ():
            number = self.dialect.numbers.read(cell)
            if number is not None and (values == number).any():
                values = np.where(values == number, np.nan, values)
        return np.asarray(values)

    def _begin(self) -> int:
        """Bytes before the first row of data, of a file in UTF-8."""
        with self.path.open("rb") as file:
            mark = len(codecs.BOM_UTF8) if file.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
        before = islice(self.dialect.text.lines(), self.dialect.sample[0][0] - 1)
        return mark + sum(len(line.encode(errors="surrogateescape")) for line in before)

    def _row_by_row(self, after: int, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        """What `_stream` gives, from a row on, of any file."""
        numbers = [(self._at[name], name) for name in columns if name not in as_text]
        several = max(CELLS // self.dialect.heading.width, 1)
        found = self._rows(after)
        while part := list(islice(found, several)):
            for line, cells in part:
                if fault := self._fault_of(cells, ()):
                    raise DataError(f"{self.title}, line {line}{fault}")
            batch = [self._column([cells[self._at[name]] for _, cells in part], name in as_text) for name in columns]
            if any(values is None for values in batch):
                line, fault = next((line, told) for line, cells in part if (told := self._fault_of(cells, numbers)))
                raise DataError(f"{self.title}, line {line}{fault}")
            yield [values for values in batch if values is not None]

    def _column(self, cells: Sequence[str], text: bool) -> Values | None:
        """None where one of them is no number, and should be."""
        if text:
            return [cell.strip() for cell in cells]
        null, read = self.dialect.null, self.dialect.numbers.read
        numbers = [np.nan if cell in null else read(cell) for cell in map(str.strip, cells)]
        return None if None in numbers else self._without_null(np.array(numbers, np.float64))

    def _fault(self, after: int, columns: Sequence[str], as_text: Sequence[str]) -> DataError | None:
        """The first row that is wrong, `after` so many that are right."""
        numbers = [(self._at[name], name) for name in columns if name not in as_text]
        for line, cells in self._rows(after):
            if fault := self._fault_of(cells, numbers):
                return DataError(f"{self.title}, line {line}{fault}")
        return None

    def _fault_of(self, cells: Sequence[str], numbers: Sequence[tuple[int, str]]) -> str | None:
        if len(cells) != self.dialect.heading.width:
            return f": {len(cells)} cells; expected {self.dialect.heading.width}, as there are columns"
        for at, cell in () if "".join(cells).isascii() else enumerate(cells):
            if wrong(cell):
                return f", column {self._called(at)}: {NOT_UTF8}"
        if (empty := self.dialect.heading.empty) is not None and cells[empty].strip():
            return f": {cells[empty].strip()!r} in the last column, which has no name and is empty above; give it one"
        for at, name in numbers:
            if self.dialect.numbers.read(cells[at]) is None and not self.dialect.is_missing(cells[at]):
                return f", column {name!r}: {self._no_number(cells[at].strip(), name)}"
        return None

    def _called(self, at: int) -> str:
        return next((repr(name) for name, place in self._at.items() if place == at), str(at + 1))

    def _no_number(self, cell: str, name: str) -> str:
        why = "as the column's first value is" if self._seen(name) else "and nothing stands there before"
        return (
            f"{cell!r} is no number, {why}; mend it, or say that the column holds names (categorical), that this "
            "stands for nothing (null), or how its numbers are written (decimal, thousands, unit)"
        )

    def _rows(self, after: int) -> Iterator[tuple[int, list[str]]]:
        """(line, cells) of data, from row `after` on."""
        found = rows(self.dialect.text, self.dialect.delimiter, self.dialect.quote)
        return islice(found, after + self.dialect.heading.skipped + int(self.dialect.heading.named), None)

    def locate(self, row: int, column: str) -> tuple[str, str]:
        line, cells = next(self._rows(row), (0, []))
        if not cells:  # an empty line that is a cell of a single column
            return f"row {row + 1}", ""
        return f"line {line}", cells[self._at[column]].strip()


def _unquoted(value: str) -> str:
    """A cell without the blanks around it; and without quotes that pyarrow does not know behind a blank."""
    cell = value.strip()
    if cell != value and len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"').strip()
    return cell


def _line_count(text: Text, quote: str) -> tuple[int, int]:
    """Lines of a file, whatever ends them, and so rows at most, and quotes. 0.6 s for 1 GB."""
    path, ends = text.path, "\n\r"
    if not text.is_utf8 and ends.encode(text.encoding) != ends.encode():  # UTF-16 and the like
        with path.open(encoding=text.encoding, errors="replace", newline=None) as file:
            return sum(1 for _ in file), 0
    count, last, mark, quotes = 0, b"\n", quote.encode(), 0
    with path.open("rb") as file:
        while block := file.read(4 * BLOCK):
            count += block.count(b"\n")
            if b"\r" in block:
                count += block.count(b"\r") - block.count(b"\r\n")
            quotes += block.count(mark)
            last = block[-1:]
    return count + (last not in b"\r\n"), quotes
