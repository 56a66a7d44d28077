"""The roofline (Williams, Waterman & Patterson 2009): rate against FLOPs for each byte that must move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from fastnn.bench.table import si
from fastnn.report.origin import bandwidth
from fastnn.report.picture import Axis, Dash, Picture, Series, series_of
from fastnn.report.query import PHASE_NAMES, phases, run_choice, threads_name, values, variant_choice, variants, where
from fastnn.report.sources import Row, Run

INTENSITY = Axis(title="FLOPs for each byte that must move", log=True)
RATE = Axis(title="FLOP/s", log=True)
DASHES: tuple[Dash, ...] = ("solid", "dash", "dashdot", "dot")
# Roofs reach so many times beyond the first and the last point or corner.
MARGIN = 3.0


def pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """A picture a phase and number of threads, a series a batch and one a roof; of runs that measured ceilings."""
    for run in runs:
        rows = run.ours
        for variant, phase, threads in product(variants(rows), phases(rows), values(rows, "threads")):
            found = where(rows, phase=phase, threads=threads, **variant)
            ceilings = where(run.context["ceilings"], threads=threads, dtype=variant["dtype"])
            if found and ceilings:
                points = [
                    _points(where(found, batch=batch), f"batch {batch}", colour)
                    for colour, batch in enumerate(values(found, "batch"))
                ]
                told = (("phase", PHASE_NAMES[phase]), ("threads", str(threads)), *variant_choice(variant, rows))
                yield Picture(
                    family="roofline", title=f"Roofline of a {PHASE_NAMES[phase]}, {threads_name(threads)}",
                    x=INTENSITY, y=RATE, series=(*_roofs(ceilings[0], points), *points), words=_told(found),
                    choice=(*run_choice(run, runs), *told),
                )  # fmt: skip


def _points(rows: Sequence[Row], label: str, colour: int) -> Series:
    points = []
    for row in rows:
        rate = row["gflops"] * 1e9
        about = (
            f"{row['name']}: {si(rate, 'FLOP/s')} at {row['flops'] / row['bytes_min']:.3g} FLOPs a byte, "
            f"{_share(row):.1%} of its roof"
        )
        points.append((row["flops"] / row["bytes_min"], rate, rate, rate, about))
    drawn = series_of(points, name=label, colour=colour)
    return Series(name=label, x=drawn.x, y=drawn.y, about=drawn.about, colour=colour)


def _roofs(ceilings: Mapping[str, Any], points: Sequence[Series]) -> list[Series]:
    """The peak, and the bandwidth of each level of memory up to it."""
    peak = ceilings["flops_per_s"]
    rates = {level: bandwidth(ceilings, level) for level in ceilings["bandwidth"]}
    known = [x for series in points for x in series.x]
    known += [peak / rate for rate in rates.values()]  # where each bandwidth meets the peak
    least, most = min(known) / MARGIN, max(known) * MARGIN
    drawn = [
        Series(
            name=f"{level}, {si(rate, 'B/s')}", x=(least, peak / rate), y=(least * rate, peak), kind="line", colour=-1,
            dash=DASHES[index % len(DASHES)], faint=True,
        )
        for index, (level, rate) in enumerate(rates.items())
    ]  # fmt: skip
    ridge = peak / max(rates.values()) if rates else least
    return [*drawn, Series(name=f"peak, {si(peak, 'FLOP/s')}", x=(ridge, most), y=(peak, peak), kind="line", colour=-1)]


def _share(row: Row) -> float:
    """How near it is to the time that its FLOPs or its bytes need at the least."""
    return float(row["floor_s"] / row["median_s"])


def _told(rows: Sequence[Row]) -> tuple[str, ...]:
    best, worst = max(rows, key=_share), min(rows, key=_share)
    above = sum(_share(row) > 0.5 for row in rows)
    told = [
        f"Nearest to its roof is {best['name']} at batch {best['batch']}, {_share(best):.0%} of it; farthest "
        f"{worst['name']} at batch {worst['batch']}, {_share(worst):.2%} of it.",
        f"{above} of {len(rows)} are above half of their roof.",
    ]
    over = sum(_share(row) > 1 for row in rows)
    if over:
        told.append(f"{over} beat the roof of the memory that holds their working set: a nearer one held part of it.")
    return tuple(told)
