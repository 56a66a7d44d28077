"""Numbers as people write them: with a decimal mark, thousands apart, and units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

# What pyarrow too takes for a missing number.
MISSING = frozenset(
    ["", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "N/A", "NA", "NULL",
     "NaN", "n/a", "nan", "null"]
)  # fmt: skip
MARKS = (".", ",")
SEPARATORS = (".", ",", " ", "'", "\u00a0", "\u202f")


class NumberFormat(NamedTuple):
    """decimal: the mark before a fraction. thousands: what groups of three digits are parted by, or nothing. units:
    texts before or after a number that are no part of it."""

    decimal: str = "."
    thousands: str = ""
    units: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        return self == NumberFormat()

    def read(self, cell: str) -> float | None:
        """The number that a cell stands for; None where it is none. Missing ones are for others to find."""
        cell = self.without_units(cell) if self.units else cell.strip()
        if self.thousands and self.thousands in cell:
            if not _grouped(self).fullmatch(cell):
                return None
            cell = cell.replace(self.thousands, "")
        if self.decimal != ".":
            if "." in cell:
                return None
            cell = cell.replace(self.decimal, ".")
        return plain(cell)

    def unit_in(self, cell: str) -> str:
        """Which of the units stands beside a number; "" where none does."""
        bare = cell.strip().lstrip("+-")
        return next((unit for unit in self.units if bare.endswith(unit) or bare.startswith(unit)), "")

    def without_units(self, cell: str) -> str:
        """A cell without the unit that it has, but with its sign."""
        cell, unit = cell.strip(), self.unit_in(cell)
        if not unit:
            return cell
        sign, bare = (cell[0], cell[1:]) if cell[0] in "+-" else ("", cell)
        return sign + (bare.removesuffix(unit) if bare.endswith(unit) else bare.removeprefix(unit)).strip()


@cache
def _grouped(form: NumberFormat) -> re.Pattern[str]:
    apart, mark = re.escape(form.thousands), re.escape(form.decimal)
    return re.compile(rf"[+-]?[1-9]\d{{0,2}}({apart}\d{{3}})+({mark}\d*)?")


def plain(cell: str) -> float | None:
    """A number as programs write it."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if cell.isascii() and "_" not in cell and "\n" not in cell else None


# A number with a comma in it, in all the ways that there are: one comma and a fraction; groups of three and a point, or
# several of them; points and a comma.
FRACTION = re.compile(r"[+-]?(\d+,\d{1,2}|\d+,\d{4,}|0\d*,\d+|\d{4,},\d+|,\d+)([eE][+-]?\d+)?")
POINTS_AND_FRACTION = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}((,\d{3})+\.\d*|(,\d{3}){2,})")
EITHER = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


class Commas(NamedTuple):
    """What commas in numbers were seen to be, an example each, or ""."""

    fraction: str = ""
    points: str = ""
    groups: str = ""
    either: str = ""


def commas_in(cells: Iterable[str]) -> Commas:
    """What commas in these cells are."""
    found = dict.fromkeys(Commas._fields, "")
    for cell in cells:
        if "," not in cell:
            continue
        for name, form in (("points", POINTS_AND_FRACTION), ("fraction", FRACTION), ("groups", GROUPS),
                           ("either", EITHER)):  # fmt: skip
            if not found[name] and form.fullmatch(cell.strip()):
                found[name] = cell.strip()
    return Commas(**found)


# Thousands that are parted by what is no mark: a text to whoever is not told.
PARTED = re.compile(r"[+-]?[1-9]\d{0,2}(?P<apart>[ '\u00a0\u202f])\d{3}((?P=apart)\d{3})*([.,]\d+)?")
# A fraction behind a point.
POINT = re.compile(r"[+-]?\d*\.\d+([eE][+-]?\d+)?")
# A currency before a number, or behind it a word, or two letters and more, or a sign: 1a is rather a name.
WITH_UNIT = re.compile(
    r"[+-]?(?P<before>[$\u20ac\u00a3\u00a5\u20b9])?\s*[+-]?\d[\d.,]*"
    r"(?P<after>\s*[%\u2030\u00b0$\u20ac\u00a3\u00a5\u20b9][A-Za-z]?|\s+[^\W\d]{1,8}[^\s\d,;:]{0,4}|[^\W\d]{2,6})?"
)


def unit_of(cells: Iterable[str]) -> str:
    """The unit that all these numbers have; "" where they have none, or not all the same."""
    units, kinds = set(), set()
    for cell in cells:
        found = WITH_UNIT.fullmatch(cell.strip())
        if not found:
            return ""
        units.add((found["before"] or "").strip() or (found["after"] or "").strip())
        kinds.add(cell)
        if len(units) > 1:
            return ""
    return units.pop() if units and len(kinds) > 1 else ""
