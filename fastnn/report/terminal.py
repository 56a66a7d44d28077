"""A picture as text, for a terminal at the end of a wire or a pipe: 80 columns, colours only where they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastnn.report.palette import COLOURS, LIGHT, MARKS
from fastnn.report.picture import Axis, Picture, Series

WIDTH, HEIGHT = 80, 24
# The labels of an axis that there is room for, across and up.
ACROSS, UP = 8, 10
# Joining lines are drawn finer than marks: Unicode dots, which every terminal of today has.
LINE = "braille"


def text(picture: Picture, coloured: bool, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Lines of at most `width` columns: title, picture, legend inside. Empty where the picture has no points."""
    import plotext

    if not any(series.x for series in picture.series):
        return ""
    figure = plotext.figure
    figure.clear()
    figure.theme("colorless")  # the terminal's own ground and ink
    figure.plot_size(width, height)
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
            figure.draw(_signal(series, picture, MARKS[series.colour % COLOURS][2]).label(series.name))
    built = figure.build().string(colorless=not coloured)
    return "\n".join(line.rstrip() for line in built.splitlines())


def _signal(series: Series, picture: Picture, mark: str) -> Any:
    import plotext

    x, y = _places(picture.x, series.x), _places(picture.y, series.y)
    colour = plotext.pixel(_rgb(LIGHT[series.colour % COLOURS]))
    return plotext.figure.signal(x, y, marker=plotext.marker(mark, colour))


def ticks(axis: Axis, values: Sequence[float], most: int) -> tuple[list[float], list[str]]:
    """Where labels stand, in the axis' own measure, and what they say: powers of ten, or a few equal steps."""
    if not axis.log:
        low, high = min(values), max(values)
        places = [low + (high - low) * step / 4 for step in range(5)]
        return places, [axis.label(place) for place in places]
    low, high = (math.log10(end(value for value in values if value > 0)) for end in (min, max))
    step = max(1, math.ceil((high - low) / most))
    powers = range(math.floor(low), math.ceil(high) + 1, step)
    return [float(power) for power in powers], [axis.label(10.0**power) for power in powers]


def _places(axis: Axis, values: Sequence[float]) -> list[float]:
    return [math.log10(value) for value in values] if axis.log else list(values)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
