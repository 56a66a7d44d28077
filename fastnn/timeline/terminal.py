"""The timeline in a terminal: a list of its milestones, or what some of them came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fastnn.bench.table import si
from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Section, Table
from fastnn.demo.display.terminal import print_demonstration
from fastnn.timeline.experiments.found import Comparison, Run, Spread
from fastnn.timeline.papers.milestones import Milestone, milestones
from fastnn.timeline.repeated import Entry, Repeated

if TYPE_CHECKING:
    from rich.console import Console

TITLE = "Eleven milestones, each with runs that repeat what its paper claims"
HINT = "a year or an experiment runs it; --html FILE runs all"
BAR, BARS = "█", 30


def list_milestones(out: Console) -> None:
    table = Table(
        columns=("year", "milestone", "fastnn timeline"),
        rows=tuple((each.year, each.title, "\n".join(each.experiments)) for each in milestones().values()),
    )
    print_demonstration(out, Demonstration(title=TITLE, sections=(Section(HINT, (table,)),), numbers={}))


def print_entries(out: Console, entries: Sequence[Entry]) -> None:
    for number, entry in enumerate(entries):
        if number:
            out.print()
        shown = Demonstration(
            title=f"{entry.milestone.year}  {entry.milestone.title}",
            sections=(
                Section("The claim", tuple(_claim(entry.milestone))),
                *(Section(each.run.title, tuple(_blocks(each))) for each in entry.repeated),
            ),
            numbers={},
        )
        print_demonstration(out, shown)


def _claim(milestone: Milestone) -> Iterator[Block]:
    yield milestone.claim
    yield f"{milestone.source}."
    if milestone.aside:
        yield milestone.aside


def _blocks(repeated: Repeated) -> Iterator[Block]:
    run = repeated.run
    yield comparisons(run.comparisons)
    for block in run.blocks:
        if isinstance(block, Spread):
            yield f"{block.what}:"
            yield histogram(block)
            yield block.told
        else:
            yield block
    if run.fails:
        yield f"Where the recipe fails: {run.fails}"
    sample = f", {run.sample}" if run.sample else ""
    yield f"{repeated.command}{sample}: {repeated.seconds:.1f} s here{cost(run)}."


def cost(run: Run) -> str:
    """Of one training, in words; empty where nothing is trained."""
    if run.work is None:
        return ""
    return f"; {run.work.parameters:,} parameters, {si(run.work.training_flops, 'FLOP')} a training"


def comparisons(rows: Sequence[Comparison]) -> Table:
    return Table(
        columns=("", "paper", "ours", "ratio", "holds", "asked"),
        rows=tuple(
            (
                each.what + (f" ({each.note})" if each.note else ""),
                "-" if each.published is None else each.written(each.published), each.written(each.ours),
                "-" if each.ratio is None else f"{each.ratio:.3g}", "yes" if each.holds else "no", each.asked,
            )
            for each in rows
        ),
    )  # fmt: skip


def histogram(spread: Spread) -> Drawing:
    """A line a bin; what stands behind it marks the median and the paper's number."""
    edges, counts = spread.bins(14)
    marks = {"median": spread.median, **({} if spread.published is None else {"the paper": spread.published})}
    lines = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        here = [name for name, at in marks.items() if low <= at < high or (high == edges[-1] and at == high)]
        bar = BAR * round(BARS * count / max(counts.max(), 1))
        lines.append(f"{low:>9,.0f} {bar} {count or ''}{'  < ' if here else ''}{', '.join(here)}".rstrip())
    return Drawing(tuple(lines))
