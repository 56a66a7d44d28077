"""One description of a picture, which every renderer draws: the page, figures for papers, a terminal.

A family is a set of pictures of one kind, told apart by what was chosen: threads 1 or 2, batch 1 or 32.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from fastnn.bench.table import si

# points: marks alone. linked: marks joined by thin lines. line: a curve without marks. bar: lengths to the right.
Kind = Literal["points", "linked", "line", "bar"]
Dash = Literal["solid", "dash", "dot", "dashdot"]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """unit: of the numbers that stand at it, such as s; "" counts. percent: numbers are shares. plain: numbers stand
    as they are, 0.25 and not 250 m."""

    title: str
    unit: str = ""
    log: bool = False
    percent: bool = False
    plain: bool = False

    def label(self, value: float) -> str:
        """What stands at a tick: 10 µs, 1 M, 40 %."""
        if self.percent:
            return f"{value:.0%}"
        if self.plain:
            return f"{value:.3g}"
        number, _, unit = si(float(value), self.unit).partition(" ")
        return f"{float(number):g} {unit}".strip()


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points (x, y) of one name. low, high: ends of error bars, or the edges of a band around a line.

    colour picks hue, mark and hatching, so that none is told by its hue alone; -1 is that of text. about: words on
    each point; tags: a word or two that stand beside it. work, moved: FLOPs and bytes that y is the time of, where a
    reader chooses how fast a device is.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    kind: Kind = "points"
    colour: int = 0
    dash: Dash = "solid"
    faint: bool = False
    hollow: bool = False
    about: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    work: tuple[float, ...] = ()
    moved: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        lists = (self.y, self.low, self.high, self.about, self.tags, self.work, self.moved)
        lengths = {len(values) for values in lists if values}
        if lengths - {len(self.x)} or bool(self.low) != bool(self.high) or (self.x and not self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and lists of {sorted(lengths)} beside it")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """choice: what sets it apart from others of its family. categories: names of the places 0, 1, ... of a bar chart,
    from the top. words: what it shows, in sentences, from its own numbers."""

    family: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    words: tuple[str, ...] = ()
    choice: tuple[tuple[str, str], ...] = ()
    categories: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """For a file: the family and what was chosen."""
        parts = [self.family, *(f"{key} {value}" if value.isdigit() else value for key, value in self.choice)]
        return re.sub(r"[^\w.]+", "-", " ".join(parts)).strip("-")


def series_of(points: Sequence[tuple[float, float, float, float, str]], **about: object) -> Series:
    """From (x, y, low, high, words) in the order of x."""
    x, y, low, high, words = zip(*sorted(points), strict=True) if points else ((), (), (), (), ())
    return Series(x=x, y=y, low=low, high=high, about=words, **about)  # type: ignore[arg-type]
