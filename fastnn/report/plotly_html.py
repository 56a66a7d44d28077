"""Pictures as plotly's traces and layouts. Colours are names of style sheet variables, which the page looks up: a dark
page has others."""

from __future__ import annotations

from typing import Any

from fastnn.report.palette import COLOURS, HATCHES, MARKS
from fastnn.report.picture import Axis, Picture, Series

# A number of the page, on its way into JSON: six digits are more than any measurement has.
DIGITS = 6


def figure(picture: Picture) -> dict[str, Any]:
    """Traces and what of the layout is this picture's own."""
    traces = [trace for series in picture.series for trace in _traces(series, picture)]
    layout: dict[str, Any] = {"xaxis": _axis(picture.x), "yaxis": _axis(picture.y)}
    if picture.categories:
        places = {"automargin": True, "autorange": "reversed", "type": "category", "showgrid": False}
        layout |= {"barmode": "stack", "yaxis": places}
    return {"data": traces, "layout": layout}


def short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {"title": {"text": axis.title}, "automargin": True}
    if axis.percent:
        return found | {"tickformat": ".0%", "range": [0, 1]}
    if axis.log:
        found |= {"type": "log"}
    return found if axis.plain else found | {"tickformat": "~s", "ticksuffix": axis.unit}


def _traces(series: Series, picture: Picture) -> list[dict[str, Any]]:
    if picture.categories:
        return [_bar(series, picture)]
    band = [_edge(series)] if series.kind == "line" and series.low else []
    return [*band, _scatter(series, picture)]


def _colour(series: Series) -> str:
    return "--ink" if series.colour < 0 else f"--series-{series.colour % COLOURS}"


def _scatter(series: Series, picture: Picture) -> dict[str, Any]:
    colour, mark = _colour(series), MARKS[max(series.colour, 0) % COLOURS][0]
    joined = {"color": colour, "dash": series.dash, "width": 2.5 if series.kind == "line" else 1.5}
    found: dict[str, Any] = {
        "type": "scatter", "name": series.name, "x": _numbers(series.x), "y": _numbers(series.y),
        "mode": {"points": "markers", "linked": "lines+markers", "line": "lines"}[series.kind], "line": joined,
        "marker": {"color": colour, "symbol": f"{mark}-open" if series.hollow else mark, "size": 10},
        "opacity": 0.55 if series.faint else 1, "legendgroup": series.name,
    }  # fmt: skip
    if series.low and series.kind != "line":
        found["error_y"] = {
            "type": "data", "symmetric": False, "color": colour, "thickness": 1.5, "width": 4,
            "array": _numbers([high - y for y, high in zip(series.y, series.high, strict=True)]),
            "arrayminus": _numbers([y - low for y, low in zip(series.y, series.low, strict=True)]),
        }  # fmt: skip
    if series.about:
        found |= {"text": list(series.about), "hovertemplate": "%{text}<extra>%{fullData.name}</extra>"}
    else:
        found["hovertemplate"] = f"%{{x:.3s}}, %{{y:.3s}}{picture.y.unit}<extra>%{{fullData.name}}</extra>"
    if series.tags:
        # An estimate lies beside the rule that the others follow: its name goes to the other side.
        found |= {"mode": "markers+text", "textposition": "bottom center" if series.hollow else "top left"}
        found["text"] = list(series.tags)
        found |= {"customdata": list(series.about), "hovertemplate": "%{customdata}<extra>%{fullData.name}</extra>"}
    if series.work:
        moved = series.moved or (0.0,) * len(series.work)
        found["meta"] = {"work": _numbers(series.work), "moved": _numbers(moved)}
    return found


def _edge(series: Series) -> dict[str, Any]:
    """The band of a law, as a closed outline."""
    return {
        "type": "scatter", "mode": "lines", "fill": "toself", "hoverinfo": "skip", "showlegend": False,
        "x": _numbers([*series.x, *reversed(series.x)]), "y": _numbers([*series.low, *reversed(series.high)]),
        "line": {"width": 0}, "fillcolor": f"{_colour(series)}-band", "legendgroup": series.name,
    }  # fmt: skip


def _bar(series: Series, picture: Picture) -> dict[str, Any]:
    return {
        "type": "bar", "orientation": "h", "name": series.name, "x": _numbers(series.x),
        "y": [picture.categories[int(place)] for place in series.y], "text": list(series.about), "textposition": "none",
        "hovertemplate": "%{y}, %{fullData.name}: %{text}<extra></extra>",
        "marker": {
            "color": _colour(series), "line": {"color": "--ground", "width": 1},
            "pattern": {
                "shape": HATCHES[series.colour % COLOURS][0], "fillmode": "overlay", "fgcolor": "--ground", "size": 8,
                "solidity": 0.2,
            },
        },
    }  # fmt: skip


def _numbers(values: Any) -> list[float]:
    return [short(value) for value in values]
