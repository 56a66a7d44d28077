"""Benchmarks under pytest: the rate of each against its FLOPs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastnn.bench.table import si
from fastnn.report.picture import Axis, Picture, Series, series_of
from fastnn.report.query import seconds, span
from fastnn.report.roofline import RATE
from fastnn.report.sources import Row, Suite

FLOPS = Axis(title="FLOPs of one call", log=True)


def pictures(suites: Sequence[Suite]) -> Iterator[Picture]:
    """A picture a file that states FLOPs, a series a group."""
    for suite in suites:
        rows = [row for row in suite.rows if row.get("flops") and row["median_s"] > 0]
        if rows:
            groups = list(dict.fromkeys(row["group"] for row in rows))
            drawn = tuple(_series(rows, group, colour) for colour, group in enumerate(groups))
            choice = (("file", suite.label),) if len(suites) > 1 else ()
            yield Picture(
                family="suites", title=f"Rate of each benchmark, {suite.label}", x=FLOPS, y=RATE, series=drawn,
                words=_told(rows), choice=choice,
            )  # fmt: skip


def _series(rows: Sequence[Row], group: str, colour: int) -> Series:
    points = []
    for row in rows:
        if row["group"] == group:
            slow, fast = row["median_s"] + row["iqr_s"] / 2, max(row["median_s"] - row["iqr_s"] / 2, row["min_s"])
            about = f"{row['name']}: {seconds(row['median_s'])}, {si(row['flops'] / row['median_s'], 'FLOP/s')}"
            rate, low, high = (row["flops"] / time for time in (row["median_s"], slow, fast))
            points.append((row["flops"], rate, low, high, about))
    return series_of(points, name=group or "no group", colour=colour)


def _told(rows: Sequence[Row]) -> tuple[str, ...]:
    rated = [{"name": row["name"], "rate": row["flops"] / row["median_s"]} for row in rows]
    least, most = span(rated, "rate")
    return (
        f"{len(rows)} benchmarks, from {si(least['rate'], 'FLOP/s')} ({least['name']}) to "
        f"{si(most['rate'], 'FLOP/s')} ({most['name']}).",
    )
