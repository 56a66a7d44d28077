"""How a csv file is written: encoding, delimiter, names, numbers. Found from its first rows, where it is not told."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from fastnn.tables.errors import DataError
from fastnn.tables.form import Format
from fastnn.tables.heading import Heading, Row, below_titles, heading_of
from fastnn.tables.numbers import MISSING, POINT, NumberFormat, commas_in
from fastnn.tables.text import NOT_UTF8, Text, wrong

# Those that hardly ever stand in a cell come first, where several part a file alike. The last is for runs of blanks.
DELIMITERS = (";", "\t", "|", ",")
BLANKS = " "
LINES_LOOKED_AT = 20
# Two numbers in a cell were not parted.
TWO_NUMBERS = re.compile(r"\d\s+[+-]?[\d.,]")
SINGLE_QUOTED = re.compile(r"'[^']*'")
# Rows, and cells of them, by which columns are judged.
ROWS_LOOKED_AT, CELLS_LOOKED_AT = 1000, 200_000


@dataclass(frozen=True)
class Dialect:
    """has_blanks: whether there are any beside delimiters. sample: cells of the first rows of data, as far as they are
    looked at. told: all this in words."""

    text: Text
    delimiter: str
    quote: str
    heading: Heading
    numbers: NumberFormat
    null: frozenset[str]
    has_blanks: bool
    sample: tuple[Row, ...] = field(repr=False)

    @property
    def columns(self) -> tuple[str, ...]:
        return self.heading.columns

    @property
    def is_plain(self) -> bool:
        """Whether a program wrote it: UTF-8, one delimiter, numbers with points."""
        told = self.text.is_utf8 and self.delimiter.isascii() and self.numbers.is_plain
        return told and self.delimiter != BLANKS and not self.has_blanks

    def is_missing(self, cell: str) -> bool:
        return cell.strip() in self.null

    @property
    def told(self) -> str:
        apart = {BLANKS: "blanks", "\t": "tabs"}.get(self.delimiter, f"'{self.delimiter}'")
        parts = [self.heading.told, f"columns parted by {apart}"]
        if self.quote != '"':
            parts.append(f"quotes {self.quote}")
        if not self.text.is_utf8:
            parts.append(self.text.encoding)
        if self.numbers.decimal != ".":
            parts.append(f"decimal '{self.numbers.decimal}'")
        if self.numbers.thousands:
            parts.append(f"thousands '{self.numbers.thousands}'")
        if self.numbers.units:
            parts.append(f"units {', '.join(self.numbers.units)}")
        return "; ".join(parts)


class _Lines:
    """Lines on their way to the reader, and how many quotes there were since a row was complete."""

    def __init__(self, text: Text, delimiter: str, quote: str) -> None:
        self._text, self._blanks, self._quote = text, delimiter == BLANKS, quote
        self.quotes, self.last = 0, ""

    def __iter__(self) -> Iterator[str]:
        for line in self._text.lines():
            self.last = line.replace("\t", BLANKS).strip() if self._blanks else line
            self.quotes += self.last.count(self._quote)
            yield self.last


def rows(text: Text, delimiter: str, quote: str = '"') -> Iterator[tuple[int, list[str]]]:
    """(line from 1, cells) of each row whose line is not empty. DataError where the file is no text, or a quote is
    never closed."""
    lines = _Lines(text, delimiter, quote)
    reader = csv.reader(lines, delimiter=delimiter, quotechar=quote, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if lines.quotes % 2 and reader.line_num > line:  # the end of the file came first
                raise DataError(f"{text.title}, line {line}: a quote is opened there and never closed")
            lines.quotes = 0
            if len(cells) > 1 or (cells and lines.last.strip()):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{text.title}, line {line}: {error}") from error


def dialect_of(text: Text, told: Format) -> Dialect:
    """DataError: a file without a row, names that are given twice, or numbers that may be read in two ways."""
    delimiter = told.delimiter or _delimiter(text)
    head = list(islice(rows(text, delimiter), 1))
    if not head:
        raise DataError(f"{text.title} is empty; expected rows of numbers, under a line of names")
    quote = "'" if all(SINGLE_QUOTED.fullmatch(cell.strip()) for cell in head[0][1]) else '"'
    most = max(min(ROWS_LOOKED_AT, CELLS_LOOKED_AT // len(head[0][1])), LINES_LOOKED_AT)
    found = islice(rows(text, delimiter, quote), most)
    looked_at = [(line, [cell.strip() for cell in cells]) for line, cells in found]
    if not looked_at:
        raise DataError(f"{text.title} is empty; expected rows of numbers, under a line of names")
    below, above = below_titles(looked_at)
    for at, cell in enumerate(below[0][1]):
        if wrong(cell):
            raise DataError(f"{text.title}, line {below[0][0]}, column {at + 1}: {NOT_UTF8}")
    null = MISSING if told.null is None else frozenset((*told.null, ""))
    numbers = _numbers(text.title, told, below)
    heading = heading_of(text.title, below, above, told.header, numbers, null)
    sample = tuple(below[int(heading.named) :])
    beside = f" {delimiter}", f"{delimiter} "
    has_blanks = any(pair in line for line in islice(text.lines(), most) for pair in beside)
    return Dialect(text, delimiter, quote, heading, numbers, null, has_blanks, sample)


def _numbers(title: str, told: Format, looked_at: Sequence[Row]) -> NumberFormat:
    """What is told, else what commas in numbers say. DataError where they may be either."""
    if told.decimal is not None or told.thousands is not None:
        return NumberFormat(told.decimal or ".", told.thousands or "", told.units)
    bare = NumberFormat(units=told.units).without_units
    cells = [bare(cell) for _, row in looked_at for cell in row]
    found = commas_in(cells)
    if found.fraction and (point := next((cell for cell in cells if POINT.fullmatch(cell)), "")):
        raise _either(title, looked_at, point, f"while {found.fraction!r} has a decimal comma")
    if (found.fraction or found.points) and found.groups:
        raise _either(title, looked_at, found.groups, f"while {found.fraction or found.points!r} has a decimal comma")
    if found.fraction or found.points:
        return NumberFormat(",", "." if found.points else "", told.units)
    if found.groups:
        return NumberFormat(".", ",", told.units)
    if found.either:
        raise _either(title, looked_at, found.either, "which may be read in two ways")
    return NumberFormat(units=told.units)


def _either(title: str, looked_at: Sequence[Row], cell: str, why: str) -> DataError:
    line, at = next((line, at) for line, row in looked_at for at, each in enumerate(row) if cell in each)
    return DataError(
        f"{title}, line {line}, column {at + 1}: {cell!r}, {why}; say decimal ',' or thousands ',' (decimal, thousands)"
    )


def _delimiter(text: Text) -> str:
    """That which parts the first lines all alike, and leaves the cleanest cells; of those, into most columns."""
    best: tuple[float, int, str] = 0.0, 1, ""
    for delimiter in DELIMITERS:
        found = _alike(text, delimiter)
        if found and len(found[0]) > 1:
            score = _cleanness(found), len(found[0])
            if score > best[:2]:
                best = *score, delimiter
    blanks = _alike(text, BLANKS)
    parts = len(blanks) > 1 and len(blanks[0]) > 1
    if parts and (_cleanness(blanks) > best[0] if best[2] else _commonest(text)[1] == 0):
        return BLANKS
    return best[2] or _commonest(text)[0]


def _alike(text: Text, delimiter: str) -> list[list[str]]:
    """Cells of the first rows; none where they are not of one length, but for a first that lacks the name of an index,
    or the wrong delimiter makes one cell of a very long line."""
    with suppress(DataError):
        found = [cells for _, cells in islice(rows(text, delimiter), LINES_LOOKED_AT)]
        widths = {len(cells) for cells in found[1:]} or {len(cells) for cells in found}
        if len(widths) == 1 and len(found[0]) in (width := widths.pop(), width - 1):
            return found[1:] or found
    return []


def _cleanness(found: Sequence[Sequence[str]]) -> float:
    """Share of the cells that are numbers, or hold none of the other delimiters."""
    cells = [cell.strip() for row in found for cell in row]
    forms = NumberFormat(), NumberFormat(","), NumberFormat(",", "."), NumberFormat(".", ",")
    clean = sum(
        not (set(DELIMITERS) & set(cell) or TWO_NUMBERS.search(cell))
        or any(form.read(cell) is not None for form in forms)
        for cell in cells
    )
    return round(clean / len(cells), 2)


def _commonest(text: Text) -> tuple[str, int]:
    """Of the first line, where rows are not all of one length, and how often it stands there."""
    first = next((line for line in text.lines() if line.strip()), "")
    found = max(reversed(DELIMITERS), key=first.count)
    return found, first.count(found)
