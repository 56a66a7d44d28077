"""The same work in other programs: times side by side, and ratios over size and batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from statistics import geometric_mean
from typing import Any

from fastnn.bench.table import interval
from fastnn.report.growth import PARAMETERS, TIME, words_of
from fastnn.report.picture import Axis, Picture, Series, series_of
from fastnn.report.query import (
    OURS,
    PHASE_NAMES,
    phases,
    program,
    run_choice,
    sentence,
    spread,
    threads_name,
    values,
    variant_choice,
    variants,
    where,
)
from fastnn.report.sources import Row, Run

RATIO = Axis(title="time of the peer / time of ours", log=True)
EVERY = "fastest peer"
# The first is ours.
PROGRAM_COLOURS = (OURS, "numpy", "torch", "jax")


def _colour(name: str) -> int:
    return PROGRAM_COLOURS.index(name) if name in PROGRAM_COLOURS else len(PROGRAM_COLOURS)


def _compared(runs: Sequence[Run]) -> Iterator[tuple[list[Row], dict[str, Any], tuple[tuple[str, str], ...]]]:
    """Rows of a run, of one phase and number of threads with peers beside them, what picks them, and the choice."""
    for run in runs:
        compared = [row for row in run.rows if row.get("peer") or row.get("ratio_to")]
        for variant, phase, threads in product(variants(compared), phases(compared), values(compared, "threads")):
            wanted = {"phase": phase, "threads": threads, **variant}
            found = where(compared, **wanted)
            if found:
                told = (("phase", PHASE_NAMES[phase]), ("threads", str(threads)), *variant_choice(variant, compared))
                yield found, wanted, (*run_choice(run, runs), *told)


def time_pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a batch; a series a program."""
    for found, wanted, choice in _compared(runs):
        for batch in values(found, "batch"):
            rows = where(found, batch=batch)
            programs = sorted({program(row) for row in rows}, key=lambda name: (_colour(name), name))
            drawn = tuple(
                series_of(
                    [
                        (row["params"], row["median_s"], *spread(row), words_of(row))
                        for row in rows if program(row) == name
                    ],
                    name=name, kind="linked", colour=_colour(name),
                )
                for name in programs
            )  # fmt: skip
            title = f"Time of a {PHASE_NAMES[wanted['phase']]}, batch {batch}, {threads_name(wanted['threads'])}"
            yield Picture(
                family="peers", title=title, x=PARAMETERS, y=TIME, series=drawn, words=_places(rows),
                choice=(*choice, ("batch", str(batch))),
            )  # fmt: skip


def _places(rows: Sequence[Row]) -> tuple[str, ...]:
    """Which program is the fastest at how many sizes."""
    quickest = [min(where(rows, params=params), key=lambda row: row["median_s"]) for params in values(rows, "params")]
    wins = {name: sum(program(row) == name for row in quickest) for name in {program(row): None for row in quickest}}
    told = ", ".join(f"{name} at {count}" for name, count in sorted(wins.items(), key=lambda item: -item[1]))
    return (f"The least time of {len(quickest)} sizes: {told}.",)


def ratio_pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a peer, and one of the fastest; a series a batch."""
    for found, wanted, choice in _compared(runs):
        ours = [row for row in found if row.get("ratio_to")]
        names = sorted({name for row in ours for name in row["ratio_to"]}, key=lambda name: (_colour(name), name))
        for peer in [EVERY, *names] if len(names) > 1 else names:
            title = f"{PHASE_NAMES[wanted['phase']].capitalize()}: {peer} over ours, {threads_name(wanted['threads'])}"
            batches = enumerate(values(ours, "batch"))
            drawn = [_ratios(where(ours, batch=batch), peer, f"batch {batch}", colour) for colour, batch in batches]
            yield Picture(
                family="ratios", title=title, x=PARAMETERS, y=RATIO, series=(*drawn, _even(ours)),
                words=_mean_told(drawn, peer), choice=(("peer", peer), *choice),
            )  # fmt: skip


def _ratios(rows: Sequence[Row], peer: str, label: str, colour: int) -> Series:
    points = []
    for row in rows:
        name, ratio = _ratio(row, peer)
        if ratio:
            about = f"{row['name']}: {interval(ratio)} times, {name}"
            points.append((row["params"], ratio["median"], ratio["low"], ratio["high"], about))
    return series_of(points, name=label, kind="linked", colour=colour)


def _ratio(row: Row, peer: str) -> tuple[str, Any]:
    """The peer and its ratio to ours; of the fastest the least."""
    if peer != EVERY:
        return peer, row["ratio_to"].get(peer)
    return min(row["ratio_to"].items(), key=lambda item: item[1]["median"])  # type: ignore[no-any-return]


def _even(rows: Sequence[Row]) -> Series:
    least, most = min(row["params"] for row in rows), max(row["params"] for row in rows)
    x, y = (least, most), (1.0, 1.0)
    return Series(name="as fast as ours", x=x, y=y, kind="line", colour=-1, dash="dash", faint=True)


def _mean_told(drawn: Sequence[Series], peer: str) -> tuple[str, ...]:
    return tuple(
        f"{sentence(series.name)}: {'the ' * (peer == EVERY)}{peer} takes {geometric_mean(series.y):.3g} times as "
        f"long as ours in the geometric mean, {min(series.y):.3g} to {max(series.y):.3g} times over the sizes."
        for series in drawn if series.y
    )  # fmt: skip
