"""Pictures as PNG and SVG for papers: one column wide, in the order and with the marks of the page."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnn.edge.atomic import write_atomically
from fastnn.report import gallery
from fastnn.report.palette import COLOURS, DASHES, HATCHES, LIGHT, MARKS
from fastnn.report.picture import Axis, Picture, Series
from fastnn.report.sources import Sources

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches; a column of two is 3.3 wide, a page 6.9.
SIZE = (6.4, 4.0)
DOTS_PER_INCH = 200
# Of a legend's line.
LETTERS = 96
# Fewer decades than these have ticks at 1, 2 and 5.
FEW_DECADES = 2.2
INK = "#1b1f24"
METADATA: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": "fastnn"}}
# Text stays text in SVG, and two runs write the same bytes.
SETTINGS: Any = {
    "font.size": 9, "font.family": "sans-serif", "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.grid": True,
    "axes.spines.top": False, "axes.spines.right": False, "grid.color": "#d5d9de", "grid.linewidth": 0.6,
    "legend.frameon": False, "svg.fonttype": "none", "svg.hashsalt": "fastnn", "hatch.linewidth": 0.6,
    "text.parse_math": False,  # a dollar in a file's name is one
}  # fmt: skip


def write_all(sources: Sources, folder: Path) -> list[str]:
    """Two files a picture, replaced whole; their names without endings. The folder is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for section in gallery.sections(sources):
        for picture in section.pictures:
            for ending, content in drawn(picture):
                write_atomically(folder / f"{picture.name}.{ending}", content)
            names.append(picture.name)
    return names


def drawn(picture: Picture, endings: Sequence[str] = ("png", "svg")) -> Iterator[tuple[str, bytes]]:
    """An ending and a file each."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        figure = draw(picture)
        for ending in endings:
            content = io.BytesIO()
            figure.savefig(content, format=ending, dpi=DOTS_PER_INCH, metadata=METADATA[ending])
            yield ending, content.getvalue()


def draw(picture: Picture) -> Figure:
    """Without a window, whatever backend is set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(picture.title, loc="left", fontsize=10)
    _scale(axes.xaxis, axes.set_xscale, picture.x, [x for series in picture.series for x in series.x])
    if picture.categories:
        _bars(axes, picture)
    else:
        _scale(axes.yaxis, axes.set_yscale, picture.y, [y for series in picture.series for y in series.y])
        for series in picture.series:
            _curve(axes, series)
    axes.set_xlabel(picture.x.title)
    axes.set_ylabel(picture.y.title)
    axes.set_axisbelow(True)
    _legend(figure, axes, [_label(series) for series in picture.series])
    return figure


def _legend(figure: Figure, axes: Axes, names: list[str]) -> None:
    """Below the picture, in the order of the series, in as many columns as are wide enough for the longest name."""
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    columns = max(1, min(4, LETTERS // (max(map(len, names), default=0) + 6)))
    figure.legend(
        [handles[name] for name in names], names, loc="outside lower left", ncols=columns, fontsize=8
    )  # fmt: skip


def _scale(axis: Any, set_scale: Any, about: Axis, values: list[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if about.log:
        set_scale("log")
        if math.log10(max(values) / min(values)) < FEW_DECADES:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: about.label(value)))


def _colour(series: Series) -> str:
    return INK if series.colour < 0 else LIGHT[series.colour % COLOURS]


def _label(series: Series) -> str:
    """Of a legend, which leaves out what begins with an underscore: a space goes before it."""
    return f"{' ' * series.name.startswith('_')}{series.name}"


def _curve(axes: Axes, series: Series) -> None:
    colour, mark = _colour(series), MARKS[max(series.colour, 0) % COLOURS][1]
    look: dict[str, Any] = {"color": colour, "label": _label(series), "alpha": 0.55 if series.faint else 1.0}
    look["linestyle"] = "none" if series.kind == "points" else DASHES[series.dash]
    if series.kind == "line":
        axes.plot(series.x, series.y, linewidth=1.6, **look)
        if series.low:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.18, linewidth=0)
        return
    bars = [
        [y - low for y, low in zip(series.y, series.low, strict=True)],
        [high - y for y, high in zip(series.y, series.high, strict=True)],
    ] if series.low else None  # fmt: skip
    fill = "none" if series.hollow else colour
    axes.errorbar(
        series.x, series.y, yerr=bars, marker=mark, markersize=5, markerfacecolor=fill, linewidth=1.1, capsize=2, **look
    )
    for x, y, tag in zip(series.x, series.y, series.tags, strict=False):
        place, side = ((0, -12), "center") if series.hollow else ((-4, 4), "right")
        axes.annotate(tag, (x, y), xytext=place, textcoords="offset points", ha=side, fontsize=7)


def _bars(axes: Axes, picture: Picture) -> None:
    ends = [0.0] * len(picture.categories)
    for series in picture.series:
        axes.barh(
            series.y, series.x, left=ends, height=0.65, color=_colour(series), label=_label(series), edgecolor="white",
            hatch=HATCHES[series.colour % COLOURS][1],
        )  # fmt: skip
        ends = [end + x for end, x in zip(ends, series.x, strict=True)]
    axes.set_yticks(range(len(picture.categories)), picture.categories)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, 1)
