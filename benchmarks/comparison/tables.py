"""A comparison as tables that a person can read: a line a row, then what it comes to against each peer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from fastnn.bench.table import interval, si

Row = dict[str, Any]


def _table(*headings: str) -> Table:
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
    table = _table(heading, "time", "nopython", *(["GFLOP/s", "% peak"] if rated else []), "% floor", *shown)
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
    times = [si(row["ours"][way]["median_s"], "s") for way in ("python", "nopython")]
    return [*times, *rate, f"{100 * inside['floor_fraction']:.0f}", *ratios]


def summary(rows: Sequence[Row], way: str = "python") -> Iterator[Row]:
    """Of each group, dtype, number of threads and peer: the mean ratio (geometric), and in how many rows the interval
    of 95 % is above 1 (ahead) and below it (behind); the row that stands worst."""
    for (group, dtype, threads), alike in _by_kind(rows).items():
        beside = [(row["name"], name, peer["ratio"][way]) for row in alike for name, peer in row["peers"].items()]
        for peer in dict.fromkeys(name for _, name, _ in beside):
            ratios = [(ratio, row) for row, name, ratio in beside if name == peer]
            worst, name = min(ratios, key=lambda pair: pair[0]["median"])
            yield {
                "group": group, "dtype": dtype, "threads": threads, "peer": peer, "rows": len(ratios),
                "mean": math.exp(sum(math.log(ratio["median"]) for ratio, _ in ratios) / len(ratios)),
                "ahead": sum(ratio["low"] > 1 for ratio, _ in ratios),
                "behind": sum(ratio["high"] < 1 for ratio, _ in ratios),
                "worst": worst, "worst_name": name,
            }  # fmt: skip


def summary_table(rows: Sequence[Row]) -> Table:
    table = _table("against", "group", "dtype", "thr", "rows", "x ours", "ahead", "behind", "worst", "at")
    for line in summary(rows):
        heads = (str(line[name]) for name in ("peer", "group", "dtype", "threads", "rows"))
        figures = f"{line['mean']:.3g}", str(line["ahead"]), str(line["behind"]), interval(line["worst"])
        table.add_row(*heads, *figures, line["worst_name"])
    return table
