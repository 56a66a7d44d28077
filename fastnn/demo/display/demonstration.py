"""What a demonstration has to show, apart from where it is shown: a terminal, JSON, a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastnn.demo.display.maps import Maps
from fastnn.report.picture import Picture


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells are text already; a column whose cells are all numbers stands to the right."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row has another number of cells than the {len(self.columns)} columns")


@dataclass(frozen=True)
class Drawing:
    """Lines of characters of one width."""

    lines: tuple[str, ...]


# Text is a paragraph.
Block = str | Table | Drawing | Maps | Picture


@dataclass(frozen=True)
class Section:
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """numbers: what it found, for machines; all that its sections say stands on them."""

    title: str
    sections: tuple[Section, ...]
    numbers: Mapping[str, Any]


def decimal(value: float, digits: int = 4) -> str:
    """Rounded, without zeros at the end: 0.98, -0.09, 0."""
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "-0.0") else text
