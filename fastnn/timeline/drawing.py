"""Pictures and histograms as small SVG inside a page, whose style has the colours: legible at 300 pixels, light and
dark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Spread

# Units of the picture, of which a telephone shows about one a pixel; margins of its axes.
WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 20, 24, 40
# Steps of an axis; decades below which ticks stand at 1, 2 and 5 too; of a range, what stays free at its ends.
STEPS, FEW_DECADES, FREE = 4, 1.6, 0.04
# Of a mark, half its side.
SIZE = 3.2


class Scale:
    """Numbers of an axis on units of the picture."""

    def __init__(self, axis: Axis, values: Sequence[float], begin: float, end: float) -> None:
        self.axis, self.begin, self.end = axis, begin, end
        low, high = (self._of(each(values)) for each in (min, max))
        free = (high - low) * FREE or 0.5
        self.low, self.high = low - free, high + free

    def _of(self, value: float) -> float:
        return math.log10(value) if self.axis.log else value

    def __call__(self, value: float) -> float:
        return self.begin + (self._of(value) - self.low) / (self.high - self.low) * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Those within."""
        found = self._powers() if self.axis.log else self._even()
        slack = (self.high - self.low) * 1e-9
        return [value for value in found if self.low - slack <= self._of(value) <= self.high + slack]

    def _powers(self) -> list[float]:
        first, last = math.floor(self.low), math.ceil(self.high)
        factors = (1, 2, 5) if self.high - self.low < FEW_DECADES else (1,)
        step = max(1, math.ceil((last - first) / (STEPS + 2)))
        return [factor * 10.0**power for power in range(first, last + 1, step) for factor in factors]

    def _even(self) -> list[float]:
        power = 10.0 ** math.floor(math.log10((self.high - self.low) / STEPS))
        step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power * STEPS >= (self.high - self.low) * 0.9)
        return [place * step for place in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def picture_svg(picture: Picture) -> str:
    """Curves, points and their axes; the legend is the page's."""
    x = Scale(picture.x, [value for series in picture.series for value in series.x], LEFT, WIDTH - RIGHT)
    heights = [value for series in picture.series for value in (*series.y, *series.low, *series.high)]
    y = Scale(picture.y, heights, HEIGHT - BOTTOM, TOP)
    curves = "".join(part for series in picture.series for part in _curve(series, x, y))
    return _framed("".join(_axes(picture.x, picture.y, x, y)) + curves)


def legend_svg(series: Series) -> str:
    """What stands before a name in the legend."""
    name = f"c{series.colour}"
    line = f'<polyline class="{name} {series.dash}" points="1,7 19,7"/>' if series.kind in ("line", "linked") else ""
    mark = _mark(series.colour, name, 10, 7) if series.kind != "line" else ""
    return f'<svg viewBox="0 0 20 14" aria-hidden="true" focusable="false">{line}{mark}</svg>'


def histogram_svg(spread: Spread) -> str:
    """Counts by value; a line where the median is, a dashed one where the paper's number is."""
    edges, counts = spread.bins()
    across = Axis(title=spread.unit, log=spread.is_wide)
    x = Scale(across, [float(edges[0]), float(edges[-1])], LEFT, WIDTH - RIGHT)
    counted = Axis(title="starts", plain=True)
    y = Scale(counted, [0.0, float(counts.max())], HEIGHT - BOTTOM, TOP + 12)
    floor = y(0)
    bars = "".join(
        f'<rect class="bar" x="{x(low):.1f}" y="{y(count):.1f}" width="{max(x(high) - x(low) - 1, 1):.1f}" '
        f'height="{floor - y(count):.1f}"/>'
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        if count
    )
    left = spread.published is not None and spread.published < spread.median
    lines = _upright(x(spread.median), "median", "ours", floor, not left) if spread.values else ""
    if spread.published is not None:
        lines += _upright(x(spread.published), "paper", "paper", floor, left)
    return _framed("".join(_axes(across, counted, x, y)) + bars + lines)


def _upright(at: float, words: str, name: str, floor: float, left: bool) -> str:
    """A line and its words, on the side where no other line is, or where there is room."""
    side = -1 if left and at > LEFT + 44 or at > WIDTH - RIGHT - 44 else 1
    anchor = "end" if side < 0 else "start"
    return (
        f'<line class="{name}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{floor:.1f}"/>'
        f'<text class="{name}" x="{at + 4 * side:.1f}" y="{TOP + 9}" '
        f'text-anchor="{anchor}">{words}</text>'
    )


def _framed(inside: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" aria-hidden="true" focusable="false">{inside}</svg>'


def _axes(across: Axis, up: Axis, x: Scale, y: Scale) -> Iterator[str]:
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in y.ticks():
        at = y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="{LEFT - 5}" y="{at + 3.5:.1f}" text-anchor="end">{escape(up.label(value))}</text>'
    for value in x.ticks():
        at = x(value)
        yield f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{floor}" y2="{floor + 4}"/>'
        words = escape(across.label(value))
        yield f'<text class="tick" x="{at:.1f}" y="{floor + 15}" text-anchor="middle">{words}</text>'
    yield f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>'
    yield f'<text class="name" x="{right}" y="{HEIGHT - 6}" text-anchor="end">{escape(across.title)}</text>'
    yield f'<text class="name" x="{LEFT + 4}" y="{TOP - 10}">{escape(up.title)}</text>'


def _curve(series: Series, x: Scale, y: Scale) -> Iterator[str]:
    name = f"c{series.colour}{' faint' if series.faint else ''}"
    places = [(x(across), y(up)) for across, up in zip(series.x, series.y, strict=True)]
    for (across, _), low, high in zip(places, series.low, series.high, strict=False):
        yield f'<line class="{name} whisker" x1="{across:.1f}" x2="{across:.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}"/>'
    if series.kind in ("line", "linked"):
        path = " ".join(f"{across:.1f},{up:.1f}" for across, up in places)
        yield f'<polyline class="{name} {series.dash}" points="{path}"/>'
    if series.kind != "line":
        for across, up in places:
            yield _mark(series.colour, name, across, up)


def _mark(colour: int, name: str, x: float, y: float) -> str:
    """A circle, a square, a triangle, a diamond, in turn."""
    r = SIZE
    if colour % 4 == 0:
        return f'<circle class="{name}" cx="{x:.1f}" cy="{y:.1f}" r="{r - 0.4:.1f}"/>'
    corners = {
        1: ((-r, -r), (r, -r), (r, r), (-r, r)),
        2: ((0, -r - 1), (r + 0.6, r), (-r - 0.6, r)),
        3: ((0, -r - 1), (r + 1, 0), (0, r + 1), (-r - 1, 0)),
    }[colour % 4]
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon class="{name}" points="{points}"/>'
