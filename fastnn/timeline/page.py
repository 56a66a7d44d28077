"""The timeline as one HTML file without a script: each milestone's claim, its runs, and what all cost on one axis."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import fastnn
from fastnn.demo.display.demonstration import Table
from fastnn.demo.display.page import STYLE
from fastnn.demo.display.terminal import is_numeric
from fastnn.report.palette import DARK, GROUND, LIGHT
from fastnn.timeline.drawing import histogram_svg, legend_svg, picture_svg
from fastnn.timeline.experiments.found import Block, Comparison, Spread
from fastnn.timeline.papers.milestones import Milestone, Printed
from fastnn.timeline.repeated import Entry, Repeated
from fastnn.timeline.terminal import cost

FOLDER = Path(__file__).parent


def page(entries: Sequence[Entry]) -> str:
    """HTML that asks for nothing from anywhere."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    every = [each for entry in entries for each in entry.repeated]
    html: str = environment.get_template("template.html").render(
        milestones=[_milestone(entry) for entry in entries], axis=axis(entries), version=fastnn.__version__,
        style=STYLE.read_text(encoding="utf-8"), own=(FOLDER / "style.css").read_text(encoding="utf-8"),
        ground=GROUND, colours={"light": LIGHT, "dark": DARK}, runs=len(every),
        seconds=round(sum(each.seconds for each in every)), fails=sum(bool(each.run.fails) for each in every),
    )  # fmt: skip
    return html


def _milestone(entry: Entry) -> dict[str, Any]:
    return {
        "about": entry.milestone,
        "printed": printed_in(entry.milestone),
        "runs": [_run(each) for each in entry.repeated],
    }


def printed_in(milestone: Milestone) -> list[tuple[str, str, Printed]]:
    """Numbers of the paper: what of, the number as people read it, and all that is known of it."""
    numbers = milestone.numbers.items()
    return [(name, Comparison(what=name, ours=0).written(each.value), each) for name, each in numbers]


def _run(repeated: Repeated) -> dict[str, Any]:
    run = repeated.run
    rows = [
        {
            "what": each.what, "note": each.note, "holds": each.holds, "ours": each.written(each.ours),
            "asked": each.asked,
            "paper": "–" if each.published is None else each.written(each.published),
            "ratio": "–" if each.ratio is None else f"{each.ratio:.3g}",
        }
        for each in run.comparisons
    ]  # fmt: skip
    return {
        "name": repeated.name,
        "title": run.title,
        "rows": rows,
        "blocks": [_block(block) for block in run.blocks],
        "fails": run.fails,
        "command": repeated.command,
        "cost": f"{repeated.seconds:.1f} s{cost(run)}",
        "sample": run.sample,
    }


def _block(block: Block) -> dict[str, Any]:
    """By kind, as the template writes it."""
    if isinstance(block, str):
        return {"kind": "text", "text": block}
    if isinstance(block, Spread):
        return {"kind": "spread", "title": block.what, "svg": histogram_svg(block), "told": block.told}
    if isinstance(block, Table):
        numeric = [is_numeric(row[place] for row in block.rows) for place in range(len(block.columns))]
        return {"kind": "table", "columns": block.columns, "rows": block.rows, "numeric": numeric}
    legend = [{"name": series.name, "svg": legend_svg(series)} for series in block.series]
    return {
        "kind": "picture", "svg": picture_svg(block), "title": block.title, "words": block.words, "legend": legend
    }  # fmt: skip


def axis(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """A row a milestone: the paper's model and the runs' networks, as shares of an axis that has all, 0 to 100."""
    quantities = ("parameters", "training_flops")
    found = [
        {
            "year": entry.milestone.year, "about": entry.milestone,
            "paper": {name: float(getattr(entry.milestone, name)) for name in quantities},
            "ours": [
                {name: float(getattr(each.run.work, name)) for name in quantities}
                for each in entry.repeated if each.run.work is not None
            ],
        }
        for entry in entries
    ]  # fmt: skip
    ends = {name: _ends(value[name] for row in found for value in (row["paper"], *row["ours"])) for name in quantities}  # type: ignore[misc]
    return [_placed(row, ends) for row in found]


def _ends(values: Iterable[float]) -> tuple[float, float]:
    """Powers of ten around those that are known."""
    known = [math.log10(value) for value in values if value > 0] or [0.0]
    return math.floor(min(known)), math.ceil(max(known)) or 1


def count(parameters: float) -> str:
    """630, 60,000, 61 million, 1.8 trillion."""
    for scale, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if parameters >= scale:
            return f"{parameters / scale:.3g} {name}"
    return f"{parameters:,.0f}"


def flops(training: float) -> str:
    """3.14e23 FLOPs."""
    return f"{training:.3g} FLOPs".replace("e+", "e")


def _placed(row: dict[str, Any], ends: dict[str, tuple[float, float]]) -> dict[str, Any]:
    def place(name: str, value: float) -> float:
        low, high = ends[name]
        return round(100 * (math.log10(value) - low) / (high - low), 2)

    tracks = [
        {
            "name": words,
            "paper": place(name, row["paper"][name]) if row["paper"][name] else None,
            "value": write(row["paper"][name]) if row["paper"][name] else "",
            "ours": sorted({place(name, each[name]) for each in row["ours"]}),
            "our_values": ", ".join(write(each[name]) for each in row["ours"]),
        }
        for name, words, write in (("parameters", "parameters", count), ("training_flops", "training", flops))
    ]
    return {"year": row["year"], "about": row["about"], "tracks": tracks}
