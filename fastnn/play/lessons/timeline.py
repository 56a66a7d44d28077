"""Eleven milestones, each with experiments that are run when they are asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastnn.demo.display.demonstration import Table
from fastnn.play.session.fields import Choice, Settings
from fastnn.play.session.lesson import Lesson
from fastnn.report.picture import Axis, Picture
from fastnn.timeline.experiments.found import Block, Spread
from fastnn.timeline.page import count, flops, printed_in
from fastnn.timeline.papers.milestones import Milestone, milestones
from fastnn.timeline.repeated import names, repeat
from fastnn.timeline.terminal import comparisons, cost

NONE = "none"
FIELDS = {"run": Choice(label="Experiment", default=NONE, options=(NONE, *names()))}


def texts() -> dict[str, Any]:
    return {"milestones": [_milestone(each) for each in milestones().values()]}


def _milestone(about: Milestone) -> dict[str, Any]:
    printed = [[name, value, each.about, each.unchecked] for name, value, each in printed_in(about)]
    return {
        "year": about.year, "date": about.date, "title": about.title, "claim": about.claim, "source": about.source,
        "link": about.link, "aside": about.aside, "experiments": about.experiments, "printed": printed,
        "parameters": about.parameters, "estimate": about.estimate, "sized": about.sized,
        "counted": count(about.parameters) if about.parameters else "",
        "training": flops(about.training_flops) if about.training_flops else "",
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    return {"ran": None if settings["run"] == NONE else ran(settings["run"])}


@cache
def ran(name: str) -> dict[str, Any]:
    """An experiment, some seconds to a minute: once, as it comes to the same each time."""
    repeated = repeat(name)
    run, compared = repeated.run, comparisons(repeated.run.comparisons)
    return {
        "name": name, "title": run.title, "sample": run.sample, "fails": run.fails,
        "took": f"{repeated.seconds:.1f} s{cost(run)}", "columns": compared.columns, "rows": compared.rows,
        "blocks": [_block(block) for block in run.blocks],
    }  # fmt: skip


def _block(block: Block) -> dict[str, Any]:
    """By kind, as the page draws it."""
    if isinstance(block, str):
        return {"kind": "text", "text": block}
    if isinstance(block, Spread):
        edges, counts = block.bins()
        return {
            "kind": "spread", "title": block.what, "unit": block.unit, "told": block.told, "log": block.is_wide,
            "edges": edges.tolist(), "counts": counts.tolist(), "published": block.published,
            "median": block.median if block.values else None,
        }  # fmt: skip
    if isinstance(block, Table):
        return {"kind": "table", "columns": block.columns, "rows": block.rows}
    return _picture(block)


def _picture(picture: Picture) -> dict[str, Any]:
    series = [
        {"name": each.name, "colour": each.colour, "drawn": each.kind != "points",
         "points": [[x, y] for x, y in zip(each.x, each.y, strict=True)]}
        for each in picture.series
    ]  # fmt: skip
    x, y = (_axis(each) for each in (picture.x, picture.y))
    return {"kind": "picture", "title": picture.title, "words": picture.words, "x": x, "y": y, "series": series}


def _axis(axis: Axis) -> dict[str, Any]:
    return {"label": axis.title, "log": axis.log}


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
