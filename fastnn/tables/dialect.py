"""How a csv file is written: delimiter, header, and the first row of data. Read from its first lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fastnn.tables.errors import DataError, listed

DELIMITERS = (",", ";", "\t", "|")
LINES_LOOKED_AT = 20
# What pyarrow too takes for a missing number.
MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL",
     "NaN", "n/a", "nan", "null"]
)  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """columns: their names, "1", "2", ... without a header. first: the cells of the first row of data."""

    delimiter: str
    header: bool
    columns: tuple[str, ...]
    first: tuple[str, ...]


def is_number(cell: str) -> bool:
    """Whether a cell stands for a number, also for a missing one."""
    if cell.strip() in MISSING:
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and not {"_", "\n"} & set(cell)


def rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line from 1, cells) of each row that is not empty. DataError where the file is no text."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path}, line {line}: {error}") from error


def dialect_of(path: Path, header: bool | None, delimiter: str | None) -> Dialect:
    """DataError: a file without a row, or names that are missing or given twice."""
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise DataError(f"delimiter is {delimiter!r}; expected one character, such as ';'")
    found = delimiter or _delimiter(path)
    head = [cells for _, cells in islice(rows(path, found), 2)]
    if not head:
        raise DataError(f"{path} is empty; expected rows of numbers, under a line of names")
    named = not any(is_number(cell) and cell.strip() for cell in head[0]) if header is None else header
    if named and len(head) == 1:
        raise DataError(f"{path} holds names of columns ({listed(head[0])}) and no row")
    names = tuple(cell.strip() for cell in head[0]) if named else tuple(str(i + 1) for i in range(len(head[0])))
    _check_names(path, names)
    return Dialect(found, named, names, tuple(head[1 if named else 0]))


def _delimiter(path: Path) -> str:
    """That which parts the first lines into most columns, of those that part them all alike."""
    best, most = DELIMITERS[0], 1
    for delimiter in DELIMITERS:
        widths = _widths(path, delimiter)
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = delimiter, width
    return best if most > 1 else _commonest(path)


def _widths(path: Path, delimiter: str) -> set[int]:
    """Cells of the first rows; none where the wrong delimiter makes one cell of a very long line."""
    with suppress(DataError):
        return {len(cells) for _, cells in islice(rows(path, delimiter), LINES_LOOKED_AT)}
    return set()


def _commonest(path: Path) -> str:
    """Of the first line, where rows are not all of one length."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        first = next((line for line in file if line.strip()), "")
    return max(DELIMITERS, key=first.count)


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if not name:
            raise DataError(f"{path}: column {index + 1} has no name in the header")
        if first.setdefault(name, index) < index:
            raise DataError(
                f"{path}: columns {first[name] + 1} and {index + 1} are both called {name!r}; "
                "give each a name of its own"
            )
