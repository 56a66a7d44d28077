"""The first lines of the page: how much was measured, how small and how large, how fast, and what to doubt."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import geometric_mean

from fastnn.bench.table import si
from fastnn.report.query import PHASE_NAMES, seconds, span, where
from fastnn.report.sources import Run, Sources


@dataclass(frozen=True)
class Card:
    """A number, what it is of, and what it rests on."""

    number: str
    title: str
    detail: str


def headline(sources: Sources) -> list[Card]:
    return [card for run in sources.runs for card in _cards(run, len(sources.runs) > 1)]


def _cards(run: Run, named: bool) -> list[Card]:
    rows = where(run.ours, phase="step") or list(run.ours)
    if not rows:
        return []
    least, most = span(rows)
    quickest = min(where(rows, name=least["name"]), key=lambda row: row["median_s"])
    busiest = max(run.ours, key=lambda row: row["peak_fraction"])
    label = f" · {run.label}" if named else ""
    cards = [
        Card(
            f"{si(least['params'])} to {si(most['params'])}", "parameters",
            f"{len({row['name'] for row in rows})} networks, {len(run.rows):,} rows{label}",
        ),
        Card(
            seconds(quickest["median_s"]), f"a {PHASE_NAMES[quickest['phase']]} of {quickest['name']}",
            f"batch {quickest['batch']}, {quickest['threads']} thr, {quickest['dtype']}, called from Python{label}",
        ),
        Card(
            f"{busiest['peak_fraction']:.0%}", "of the measured peak, at best",
            f"{busiest['name']}, batch {busiest['batch']}, {busiest['phase']}, "
            f"{si(busiest['gflops'] * 1e9, 'FLOP/s')}{label}",
        ),
    ]  # fmt: skip
    return cards + _lead(run, label)


def _lead(run: Run, label: str) -> list[Card]:
    """Over the fastest peer of each case."""
    fastest = [
        min(ratio["median"] for ratio in row["ratio_to"].values())
        for row in where(run.ours, phase="step") if row.get("ratio_to")
    ]  # fmt: skip
    if not fastest:
        return []
    ahead = sum(ratio > 1 for ratio in fastest)
    mean = geometric_mean(fastest)
    return [
        Card(
            f"{mean:.2f}x", "the time of ours that the fastest peer takes for a training step",
            f"geometric mean of {len(fastest)} cases; ours leads in {ahead}{label}",
        )
    ]  # fmt: skip
