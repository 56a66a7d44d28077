"""A picture as text, for a terminal at the end of a wire or a pipe: 80 columns, colours only where they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastnn.report.palette import COLOURS, LIGHT, MARKS
from fastnn.report.picture import Axis, Picture, Series

WIDTH, HEIGHT = 80, 24
# The labels of an axis that there is room for, across and up; steps of an even one.
ACROSS, UP, EVEN = 8, 10, 4
# Joining lines are drawn finer than marks: Unicode dots, which every terminal of today has.
LINE = "braille"
DRAWN_LINE = "⠒⠒"


def text(picture: Picture, coloured: bool, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Lines of at most `width` columns: title, picture, legend. Empty where the picture has no points."""
    import plotext

    if not any(series.x for series in picture.series):
        return ""
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")  # the terminal's own ground and ink
    legend = _legend(picture, width)
    figure.plot_size(width, height - len(legend))
    figure.title(picture.title)
    for axis, name, most in ((picture.x, "x", ACROSS), (picture.y, "y", UP)):
        found = [value for series in picture.series for value in getattr(series, name)]
        places, labels = ticks(axis, found, most)
        figure.ruler(name).ticks(places, labels)
        figure.label(axis.title, name)
    for series in picture.series:
        if series.kind != "points":
            figure.draw(_signal(series, picture, LINE).lines())
    for series in picture.series:  # above all lines, the law's too
        if series.kind != "line":
            figure.draw(_signal(series, picture, _mark(series)))
    built = figure.build().string(colorless=not coloured)
    return "\n".join([*(line.rstrip() for line in built.splitlines()), *legend])


def _mark(series: Series) -> str:
    return MARKS[series.colour % COLOURS][2]


def _legend(picture: Picture, width: int) -> list[str]:
    """Below the picture, where it hides no point."""
    lines = [""]
    for each in (each for each in picture.series if each.name):
        entry = f"{DRAWN_LINE if each.kind == 'line' else _mark(each)} {each.name}"
        if lines[-1] and len(lines[-1]) + len(entry) + 3 > width:
            lines.append("")
        lines[-1] += f"   {entry}" if lines[-1] else entry
    return lines


def _signal(series: Series, picture: Picture, mark: str) -> Any:
    import plotext

    x, y = _places(picture.x, series.x), _places(picture.y, series.y)
    colour = plotext.pixel(_rgb(LIGHT[series.colour % COLOURS]))
    return plotext.figure.signal(x, y, marker=plotext.marker(mark, colour))


def ticks(axis: Axis, values: Sequence[float], most: int) -> tuple[list[float], list[str]]:
    """Where labels stand, in the axis' own measure, and what they say: powers of ten, or a few equal steps."""
    if not axis.log:
        places = _round_places(min(values), max(values))
        return places, [axis.label(place) for place in places]
    low, high = (math.log10(end(value for value in values if value > 0)) for end in (min, max))
    step = max(1, math.ceil((high - low) / most))
    powers = range(math.floor(low), math.ceil(high) + 1, step)
    return [float(power) for power in powers], [axis.label(10.0**power) for power in powers]


def _round_places(low: float, high: float) -> list[float]:
    """Up to EVEN + 1 multiples of 1, 2, 2.5 or 5 times a power of ten, within low..high."""
    if low == high:
        return [low]
    least = (high - low) / EVEN
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= least * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [place * step for place in range(first, last + 1)]


def _places(axis: Axis, values: Sequence[float]) -> list[float]:
    return [math.log10(value) for value in values] if axis.log else list(values)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
