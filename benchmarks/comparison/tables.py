"""A comparison as tables that a person can read: a line a row, then what it comes to against each peer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import geometric_mean
from typing import Any

from rich.table import Table

from comparison.ours import WAYS
from fastnn.bench.table import interval, si

Row = dict[str, Any]


def headed_table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for index, heading in enumerate(headings):
        table.add_column(heading, justify="right" if index else "left", no_wrap=True)
    return table


def group_tables(rows: Sequence[Row], peers: Sequence[str]) -> Iterator[Table]:
    """A table a group, dtype and number of threads. A peer's column says how many times as long as our call from
    Python it takes; GFLOP/s and shares are those of our calls in nopython code."""
    for (group, dtype, threads), alike in _by_kind(rows).items():
        yield _group_table(f"{group}, {dtype}, {threads} thr", alike, peers)


def _by_kind(rows: Sequence[Row]) -> dict[tuple[str, str, int], list[Row]]:
    """Rows of one group, dtype and number of threads together, in the order they came."""
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        found.setdefault((row["group"], row["dtype"], row["threads"]), []).append(row)
    return found


def _group_table(heading: str, rows: Sequence[Row], peers: Sequence[str]) -> Table:
    shown = [name for name in peers if any(name in row["peers"] for row in rows)]
    # Where most of the work is transcendental, a rate of the rest says nothing.
    rated = not any(row["transcendentals"] for row in rows)
    table = headed_table(heading, "time", "nopython", *(["GFLOP/s", "% peak"] if rated else []), "% floor", *shown)
    for row in rows:
        refused = row["verdict"] == "refused"
        table.add_row(
            row["name"], *([row["reason"]] if refused else _cells(row, shown, rated)), style="red" if refused else None
        )
    return table


def _cells(row: Row, peers: Sequence[str], rated: bool) -> list[str]:
    inside = row["ours"]["nopython"]
    rate = [f"{inside['gflops']:.3g}", f"{100 * inside['peak_fraction']:.0f}"] if rated else []
    ratios = [interval(row["peers"][name]["ratio"]["python"]) if name in row["peers"] else "-" for name in peers]
    times = [si(row["ours"][way]["median_s"], "s") for way in WAYS]
    return [*times, *rate, f"{100 * inside['floor_fraction']:.0f}", *ratios]


def summary(rows: Sequence[Row]) -> Iterator[Row]:
    """A line a group, dtype, number of threads and peer; see _standing."""
    for (group, dtype, threads), alike in _by_kind(rows).items():
        for peer in dict.fromkeys(name for row in alike for name in row["peers"]):
            about = {"group": group, "dtype": dtype, "threads": threads, "peer": peer}
            yield about | _standing({row["name"]: row["peers"][peer]["ratio"] for row in alike if peer in row["peers"]})


def _standing(ratios: dict[str, dict[str, dict[str, float]]]) -> Row:
    """Of ratios by row and way: their means (geometric) by way, and, called from Python, in how many rows the interval
    of 95 % is above 1 (ahead) and below it (behind), and the row that stands worst."""
    called = {name: ratio["python"] for name, ratio in ratios.items()}
    worst = min(called, key=lambda name: called[name]["median"])
    return {
        "rows": len(ratios),
        "mean": {way: geometric_mean(ratio[way]["median"] for ratio in ratios.values()) for way in WAYS},
        "ahead": sum(ratio["low"] > 1 for ratio in called.values()),
        "behind": sum(ratio["high"] < 1 for ratio in called.values()),
        "worst": called[worst],
        "worst_name": worst,
    }


def summary_table(rows: Sequence[Row]) -> Table:
    headings = "against", "group", "dtype", "thr", "rows", "x ours", "x nopython", "ahead", "behind", "worst", "at"
    table = headed_table(*headings)
    for line in summary(rows):
        heads = (str(line[name]) for name in ("peer", "group", "dtype", "threads", "rows"))
        means = (f"{line['mean'][way]:.3g}" for way in WAYS)
        counts = str(line["ahead"]), str(line["behind"])
        table.add_row(*heads, *means, *counts, interval(line["worst"]), line["worst_name"])
    return table
