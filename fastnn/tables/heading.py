"""The names of a csv file's columns: whether the first line holds them, and which columns are no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastnn.tables.errors import DataError, listed
from fastnn.tables.numbers import NumberFormat, plain

Row = tuple[int, list[str]]
# Lines of titles above a table, at most.
MOST_TITLES = 10
# What pandas and R call a column of row numbers or names that they wrote before the others, or leave without a name.
INDEX_NAMES = ("Unnamed: 0", "rownames", "row.names", "__index_level_0__")


@dataclass(frozen=True)
class Heading:
    """named: whether the first line is of names, after so many that are skipped. width: cells of a row. columns: names,
    and places of their cells in a row. empty: the place of a last cell that belongs to no column, or None. told: in
    words.
    """

    named: bool
    skipped: int
    width: int
    columns: tuple[str, ...]
    places: tuple[int, ...]
    empty: int | None
    told: str


def heading_of(
    title: str, looked_at: Sequence[Row], above: int, header: bool | None, numbers: NumberFormat, null: frozenset[str]
) -> Heading:
    """Of a file whose first rows are given, below so many that are none. header: whether the first is of names; None
    finds it. DataError: no row, or names that are given twice.
    """
    line, first = looked_at[0]
    told = [f"{above} line{'s' * (above > 1)} above left out"] if above else []
    below = [cells for _, cells in looked_at[1:]]
    named = is_heading(first, below, numbers, null) if header is None else header
    if named and not below:
        raise DataError(f"{title} holds names of columns ({listed(first)}) and no row")
    told.append(f"names in line {line}" if named else "no line of names")
    names = _uncommented(first, len(below[0])) if named else [str(place + 1) for place in range(len(first))]
    rows = below if named else [first, *below]
    longer = all(len(row) == len(names) + 1 for row in rows)  # by row names, in R's tables, or a delimiter at the end
    ends = _is_empty(len(names), rows) if longer else _is_empty(len(names) - 1, rows) and not (named and names[-1])
    width, shift = len(names) + longer, int(longer and not ends)
    empty = width - 1 if ends else None
    if empty is not None:
        told.append("a last column that is empty left out")
        names = names[:empty]
    if named and (shift or _is_index(names[0], rows)):
        what = repr(names[0]) if names[0] and not shift else "without a name"
        told.append(f"first column ({what}) left out, it numbers or names the rows")
        shift, names = 1, names if shift else names[1:]
    places = tuple(range(shift, shift + len(names)))
    columns = tuple(name or f"column {place + 1}" for name, place in zip(names, places, strict=True))
    _check_names(title, columns, places)
    return Heading(named, above, width, columns, places, empty, "; ".join(told))


def below_titles(looked_at: Sequence[Row]) -> tuple[Sequence[Row], int]:
    """The rows without those above them that are none, and how many these were: Excel's word on the delimiter, a title,
    or counts of rows and columns among words, all of another number of cells than the rows below."""
    above = int(looked_at[0][1][0].lower().startswith("sep=")) if len(looked_at) > 1 else 0
    begun = above
    while above < MOST_TITLES and len(looked_at) - above > 2:
        first, widths = looked_at[above][1], {len(cells) for _, cells in looked_at[above + 1 :]}
        if len(first) in widths or not _is_title(first, min(widths)):
            break
        above += 1
        if len(widths) == 1:
            return looked_at[above:], above
    return looked_at[begun:], begun


def _is_title(cells: Sequence[str], width: int) -> bool:
    """Whether a row is none of a table of so many cells: one word alone, or numbers among words and cells more or less
    by several; by one it may be a line of names."""
    numbers = [plain(cell) is not None for cell in cells if cell]
    if len(numbers) < 2:
        return not any(numbers)
    return any(numbers) and not all(numbers) and abs(len(cells) - width) > 1


def is_heading(
    first: Sequence[str], below: Sequence[Sequence[str]], numbers: NumberFormat, null: frozenset[str]
) -> bool:
    """Whether the first row holds names.

    It does where none of its cells is a number. Where some are, all of them whole and none twice, as years are, it does
    if they stand over text, or text over numbers, or if they rise in equal steps beside text that stands nowhere below.
    """
    values = [numbers.read(cell) for cell in first if cell not in null]
    found = [value for value in values if value is not None]
    if not found:
        return True
    if any(value != round(value) for value in found if abs(value) < 1e15) or len(set(found)) < len(found):
        return False
    votes, recurring, words = 0, False, False
    for place, cell in enumerate(first):
        column = [row[place] for row in below if place < len(row) and row[place] not in null]
        if cell in null or not column:
            continue
        kinds = {numbers.read(other) is not None for other in column}
        is_word = numbers.read(cell) is None and any(character.isalnum() for character in cell)
        votes += kinds == {is_word} and (is_word or numbers.read(cell) is not None)
        recurring |= is_word and cell in column
        words |= is_word
    if recurring:
        return False
    steps = {b - a for a, b in zip(found, found[1:], strict=False)}
    return votes > 0 or (words and len(steps) == 1 and steps.pop() > 0)


def _uncommented(names: list[str], width: int) -> list[str]:
    """Names without the sign of a comment that NumPy writes before them."""
    if names[0] == "#" and len(names) == width + 1:
        return names[1:]
    return [names[0].lstrip("# ") or names[0], *names[1:]]


def _is_index(name: str, below: Sequence[Sequence[str]]) -> bool:
    """Whether the first column numbers or names the rows: it has no name, or one that says so over numbers."""
    cells = [row[0] for row in below]
    if not name:
        return any(cells) and len(below[0]) > 1
    if name not in INDEX_NAMES:
        return False
    return all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)


def _is_empty(place: int, rows: Sequence[Sequence[str]]) -> bool:
    """Whether a column, but for the first, holds nothing in these rows, and is in some of them."""
    return place > 0 and all(place >= len(row) or not row[place] for row in rows) and any(place < len(r) for r in rows)


def _check_names(title: str, names: Sequence[str], places: Sequence[int]) -> None:
    first: dict[str, int] = {}
    for name, place in zip(names, places, strict=True):
        if name in first:
            raise DataError(
                f"{title}: columns {first[name] + 1} and {place + 1} are both called {name!r}; "
                "give each a name of its own"
            )
        first[name] = place
