"""Arrays of numbers as small images: characters in a terminal, SVG of a page's own colours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# By size, from nothing to the largest: above 0, and below.
ABOVE, BELOW = " ░▒▓█", " ·-=≡"
# What a terminal and a page say below maps that are signed.
LEGENDS = {"terminal": f"above 0{ABOVE}, below{BELOW}", "page": "Squares are above 0, circles below."}
# Sides up to which a cell has two characters, which are half as wide as high; what is wider has one, and what is higher
# too has one for two rows.
SMALL = 16
# A cell that is less of the largest is not drawn on a page.
LEAST = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Map:
    """values (H, W); marks: columns below which an arrow stands."""

    caption: str
    values: NDArray[Any]
    marks: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or not self.values.size or not np.isfinite(self.values).all():
            raise ValueError(f"the map {self.caption!r} is {self.values.shape}; expected finite numbers (H, W)")


@dataclass(frozen=True, kw_only=True)
class Maps:
    """title: what they are, for who does not see them. largest: a number of that size is drawn at full strength; unless
    said, the largest of all. signed: those below 0 look otherwise; else there are none."""

    title: str
    maps: tuple[Map, ...]
    signed: bool = False
    largest: float | None = None

    def shares(self, each: Map) -> NDArray[np.float64]:
        """Of the largest, from -1 or 0 to 1."""
        largest = self.largest or max(float(np.abs(other.values).max()) for other in self.maps) or 1.0
        return np.clip(each.values.astype(np.float64) / largest, -1.0 if self.signed else 0.0, 1.0)


def is_wide(each: Map) -> bool:
    """As what goes along time is: a page gives it a line of its own."""
    height, width = each.values.shape
    return bool(width > 2 * height)


def lines(maps: Maps, width: int) -> Iterator[str]:
    """Side by side as far as they fit, captions above; below signed ones, what tells."""
    blocks = [drawn(maps.shares(each), each.caption, each.marks) for each in maps.maps]
    while blocks:
        fit = max(1, _fitting([len(block[0]) for block in blocks], width))
        row, blocks = blocks[:fit], blocks[fit:]
        yield from side_by_side(row)
    if maps.signed:
        yield LEGENDS["terminal"]


def _fitting(widths: Sequence[int], width: int) -> int:
    """How many of them stand in a line."""
    return int(np.sum(np.cumsum(widths) <= width + 2))


def drawn(shares: NDArray[Any], caption: str, marks: Sequence[int] = ()) -> list[str]:
    """Lines of one width, two blanks at their end."""
    across = 1 if shares.shape[1] > SMALL else 2
    if across == 1 and len(shares) > SMALL:
        shares = shares[: len(shares) // 2 * 2].reshape(len(shares) // 2, 2, -1).mean(axis=1)
    found = [caption, *("".join(_character(share) * across for share in row) for row in shares)]
    if marks:
        found.append(
            "".join("^" if column in marks else " " for column in range(shares.shape[1]) for _ in range(across))
        )
    width = max(map(len, found)) + 2
    return [line.ljust(width) for line in found]


def _character(share: float) -> str:
    shades = BELOW if share < 0 else ABOVE
    return shades[min(int(abs(share) * len(shades)), len(shades) - 1)]


def side_by_side(blocks: Sequence[Sequence[str]]) -> list[str]:
    """The lower ones end in blanks."""
    height = max(map(len, blocks))
    filled = [[*block, *[" " * len(block[0])] * (height - len(block))] for block in blocks]
    return ["".join(parts).rstrip() for parts in zip(*filled, strict=True)]


def as_svg(maps: Maps, each: Map) -> str:
    """One map, a unit a cell: of signed ones squares above 0 and circles below, as large as the number; else cells that
    are the stronger the larger it is. The page has the colours."""
    shares = maps.shares(each)
    height, width = shares.shape
    cells = _sizes(shares) if maps.signed else _strengths(shares)
    arrows = "".join(f'<path class="mark" d="M{column + 0.5} {height + 0.2}l.5 1h-1z"/>' for column in each.marks)
    tall = height + (1.4 if each.marks else 0)
    return (
        f'<svg viewBox="-.1 -.1 {width + 0.2:g} {tall + 0.2:g}"><rect class="edge" width="{width}" height="{height}"/>'
        f"{''.join(cells)}{arrows}</svg>"
    )


def _strengths(shares: NDArray[np.float64]) -> Iterator[str]:
    """Neighbours in a row that are alike are one."""
    for y, row in enumerate(np.round(shares, 2)):
        edges = np.flatnonzero(np.diff(row, prepend=np.nan, append=np.nan))
        for begin, end in zip(edges[:-1], edges[1:], strict=True):
            if row[begin] >= LEAST:
                yield f'<rect x="{begin}" y="{y}" width="{end - begin}" height="1" fill-opacity="{row[begin]:g}"/>'


def _sizes(shares: NDArray[np.float64]) -> Iterator[str]:
    """Areas are the sizes of the numbers."""
    for (y, x), share in np.ndenumerate(shares):
        side = np.sqrt(abs(share))
        if abs(share) < LEAST:
            continue
        if share > 0:
            at = (1 - side) / 2
            yield f'<rect class="above" x="{x + at:.2f}" y="{y + at:.2f}" width="{side:.2f}" height="{side:.2f}"/>'
        else:
            yield f'<circle class="below" cx="{x + 0.5}" cy="{y + 0.5}" r="{side / 2:.2f}"/>'
