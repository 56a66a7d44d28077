"""What `fastnn compare` does between its options and the verdicts."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from fastnn.bench import results
from fastnn.bench.command import hand_out, result_files
from fastnn.bench.comparison import (
    FASTER,
    SLOWER,
    THRESHOLD,
    VERDICTS,
    Compared,
    Comparison,
    NotComparable,
    compare,
)
from fastnn.bench.table import console, interval, si
from fastnn.edge.options import FAILED

SCHEMA = "fastnn-compare/1"
STYLES = {FASTER: "green", SLOWER: "red"}


def run_compare(
    before: Path, after: Path, thresholds: Sequence[str], fail_on: Sequence[str], json_file: str | None
) -> int:
    """Exit status: 0, or 1 where a row is as --fail-on says. click.UsageError: what cannot be compared."""
    try:
        shares, limits = _thresholds(thresholds), _fail_on(fail_on)
        files = result_files(json_file, None)
        found = compare(_read(before), _read(after), shares)
    except (NotComparable, ValueError) as error:
        raise click.UsageError(str(error)) from error
    document = {
        "schema": SCHEMA,
        "rows": [row.as_dict() for row in found.rows],
        "geometric_mean": found.mean,
        "scatter": {str(threads): share for threads, share in found.scatter.items()},
        "left_out": found.left_out,
        "warnings": found.warnings,
    }
    people = console(sys.stderr if hand_out(document, json_file, files) else sys.stdout)
    _show(people, found)
    bad = [row for row in found.rows if row.verdict in limits and _change(row) >= limits[row.verdict]]
    for row in bad:
        people.print(f"fails: {row.key[0]}, batch {row.key[1]}, {row.key[2]} thread(s), {row.key[5]} is {row.verdict}")
    return FAILED if bad else 0


def _read(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error
    try:
        results.validate(document)
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is no result of fastnn bench: {error}") from error
    return document


def _share(text: str) -> float:
    """5% or 0.05."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(%?)", text)
    if match is None:
        raise ValueError(f"{text!r} is no share; expected something like 5% or 0.05")
    return float(match[1]) / (100 if match[2] else 1)


def _thresholds(texts: Sequence[str]) -> dict[str, float]:
    """5% for all rows, 784-128-10=20% for those of a network."""
    found = {"": THRESHOLD}
    for text in texts:
        name, _, share = text.rpartition("=")
        found[name] = _share(share)
    return found


def _fail_on(texts: Sequence[str]) -> dict[str, float]:
    """slower:10% fails on rows that are SLOWER by so much at least."""
    found = {}
    for text in texts:
        name, _, share = text.partition(":")
        if name.upper() not in STYLES:
            raise ValueError(f"--fail-on is {text!r}; expected slower or faster, with a share as in slower:10%")
        found[name.upper()] = _share(share) if share else 0.0
    return found


def _change(row: Compared) -> float:
    """By how much, whichever way."""
    return max(row.ratio, 1 / row.ratio) - 1


HEADINGS = ("network", "batch", "thr", "phase", "before", "after", "ratio", "verdict")
WORDS = ("network", "phase", "verdict")


def _show(people: Any, found: Comparison) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in WORDS else "right", no_wrap=True)
    for row in found.rows:
        name, batch, threads, _, _, phase, peer = row.key
        ratio = interval({"median": row.ratio, "low": row.low, "high": row.high})
        what = f"{phase} {peer}" if peer else str(phase)
        times = si(row.before_s, "s"), si(row.after_s, "s")
        table.add_row(
            str(name), str(batch), str(threads), what, *times, ratio, row.verdict, style=STYLES.get(row.verdict)
        )
    people.print(table)
    counts = {verdict: sum(row.verdict == verdict for row in found.rows) for verdict in VERDICTS}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    people.print(f"{len(found.rows)} rows: {told}; geometric mean of the ratios {found.mean:.3f}")
    scatter = ", ".join(f"{share:.1%} on {threads}" for threads, share in found.scatter.items())
    people.print(f"a ratio is the second run's time over the first's, at one clock; scatter between runs {scatter}")
    for line in [*(f"differs: {text}" for text in found.warnings), *(f"left out: {text}" for text in found.left_out)]:
        people.print(line)
