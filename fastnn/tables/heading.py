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
    and places of their cells in a row. told: in words."""

    named: bool
    skipped: int
    width: int
    columns: tuple[str, ...]
    places: tuple[int, ...]
    told: str


def heading_of(
    title: str, looked_at: Sequence[Row], above: int, header: bool | None, numbers: NumberFormat, null: frozenset[str]
) -> Heading:
    """Of a file whose first rows are given, below so many that are none. header: whether the first is of names; None
    finds it. DataError: no row, or names that are given twice.
    """
    line, first = looked_at[0]
    skipped = [f"{above} line{'s' * (above > 1)} above left out"] if above else []
    below = [cells for _, cells in looked_at[1:]]
    named = is_heading(first, below, numbers, null) if header is None else header
    if not named:
        kept = [place for place in range(len(first)) if not _is_empty(place, [first, *below], last=len(first) - 1)]
        return Heading(
            False,
            above,
            len(first),
            tuple(str(place + 1) for place in kept),
            tuple(kept),
            "; ".join([*skipped, "no line of names"]),
        )
    if not below:
        raise DataError(f"{title} holds names of columns ({listed(first)}) and no row")
    told = [*skipped, f"names in line {line}"]
    names = _uncommented(first, len(below[0]))
    shift = int(all(len(row) == len(names) + 1 for row in below))  # R's tables: row names have no heading
    width = len(names) + shift
    if shift or _is_index(names[0], below):
        what = repr(names[0]) if names[0] and not shift else "without a name"
        told.append(f"first column ({what}) left out, it numbers or names the rows")
        shift, names = 1, names if shift else names[1:]
    kept = [at for at, name in enumerate(names) if name or not _is_empty(at + shift, below)]
    if len(kept) < len(names):
        told.append("left out: columns without a name that are empty")
    columns = tuple(names[at] or f"column {at + shift + 1}" for at in kept)
    _check_names(title, columns, [at + shift for at in kept])
    return Heading(True, above, width, columns, tuple(at + shift for at in kept), "; ".join(told))


def below_titles(looked_at: Sequence[Row]) -> tuple[Sequence[Row], int]:
    """The rows without those above them that are none, and how many these were: a title, or counts of rows and columns,
    of another number of cells than all the rows below."""
    above = 0
    while above < MOST_TITLES and len(looked_at) - above > 2:
        first, widths = looked_at[above][1], {len(cells) for _, cells in looked_at[above + 1 :]}
        there = [cell for cell in first if cell]
        if len(first) in widths or not (len(there) < 2 or any(plain(cell) is not None for cell in there)):
            break
        above += 1
        if len(widths) == 1:
            return looked_at[above:], above
    return looked_at, 0


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
    return [names[0].lstrip("# "), *names[1:]]


def _is_index(name: str, below: Sequence[Sequence[str]]) -> bool:
    """Whether the first column numbers or names the rows: it has no name, or one that says so over numbers."""
    cells = [row[0] for row in below]
    if not name:
        return any(cells) and len(below[0]) > 1
    if name not in INDEX_NAMES:
        return False
    return all(cell.isdecimal() for cell in cells) and len(set(cells)) == len(cells)


def _is_empty(place: int, rows: Sequence[Sequence[str]], last: int | None = None) -> bool:
    """Whether a column, if it is the last, holds nothing in these rows."""
    if last is not None and place != last:
        return False
    return place > 0 and all(place >= len(row) or not row[place] for row in rows)


def _check_names(title: str, names: Sequence[str], places: Sequence[int]) -> None:
    first: dict[str, int] = {}
    for name, place in zip(names, places, strict=True):
        if name in first:
            raise DataError(
                f"{title}: columns {first[name] + 1} and {place + 1} are both called {name!r}; "
                "give each a name of its own"
            )
        first[name] = place
