"""Each tuned constant beside its neighbours on this machine: the table that stands beside it in the source.

    python benchmarks/tuning.py [--only NAME,...] [--json FILE] [--fast]

Every value has a process of its own, in which it replaces the constant before kernels are compiled; blocks of calls
take turns. Told is the neighbour's time over that of the value in force: the median of the pairwise ratios with its
interval, then the ratio of least times. Exit status 1: with a neighbour a constant's workloads take so much less that
it is 10 % slower, by the whole interval and in two sittings.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numba
from comparison.tables import headed_table
from rich.table import Table
from rich.text import Text
from tuned.constants import CONSTANTS, Constant
from tuned.judging import LOSS, Row
from tuned.sittings import BUDGETS, compared

from fastnn.bench import results
from fastnn.bench.command import FAILED
from fastnn.bench.peers import registry
from fastnn.bench.peers.process import PeerFailed
from fastnn.bench.progress import progress, say
from fastnn.bench.table import console, interval, si

SCHEMA = "fastnn-tuning/1"


@click.command()
@click.option("--only", default=",".join(CONSTANTS), metavar="NAMES", help="These constants.  [default: all]")
@click.option("--json", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures.")
@click.option("--fast", is_flag=True, help="A tenth of the time, to see that it works.")
def main(only: str, file: Path | None, fast: bool) -> None:
    try:
        chosen = [CONSTANTS[name] for name in registry.parse(only, tuple(CONSTANTS), "--only")]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    rows, failures = tuned(present(chosen), "fast" if fast else "normal", file)
    lost = [f"{row['name']} to {each['value']}" for row in rows for each in row["neighbours"] if each["loses"]]
    if lost:
        say(f"more than {LOSS:.0%} slower than a neighbour: {', '.join(lost)}")
    sys.exit(FAILED if lost or failures else 0)


def present(chosen: Sequence[Constant]) -> list[Constant]:
    """Those that as many threads as there are can decide."""
    threads = int(numba.config.NUMBA_NUM_THREADS)
    for constant in chosen:
        if constant.threads > threads:
            say(f"{constant.name} is left out: it needs {constant.threads} cores")
    return [constant for constant in chosen if constant.threads <= threads]


def tuned(chosen: Sequence[Constant], effort: str, file: Path | None) -> tuple[list[Row], list[str]]:
    """Rows, each shown and kept when it is there, and what went wrong."""
    rows: list[Row] = []
    failures: list[str] = []
    people = console(sys.stdout)
    with tempfile.TemporaryDirectory(prefix="fastnn-") as cache, progress(len(chosen)) as (begin, advance):
        for constant in chosen:
            begin(constant.name)
            try:
                rows.append(compared(constant, BUDGETS[effort], Path(cache)))
            except PeerFailed as failure:
                failures.append(str(failure))
                say(f"{constant.name}: {failure}")
                continue
            finally:
                advance()
            people.print(table_of(rows[-1]))
            people.print()
            if file:
                results.write(file, document(rows, failures))
    return rows, failures


def document(rows: Sequence[Row], failures: Sequence[str]) -> dict[str, Any]:
    threads = list(dict.fromkeys(row["threads"] for row in rows))
    context = results.context(threads, "float32")
    return {"schema": SCHEMA, "context": context, "constants": list(rows), "failures": list(failures)}


def table_of(row: Row) -> Table:
    """A line a workload, a column a neighbour; its mean is of the workloads that it makes in another way."""
    neighbours = row["neighbours"]
    result = headed_table(row["name"], f"{row['in_force']}, in force", *(str(each["value"]) for each in neighbours))
    times = {case["name"]: case["in_force_s"] for each in neighbours for case in each["cases"]}
    for name, seconds in times.items():
        found = ({case["name"]: case for case in each["cases"]}.get(name) for each in neighbours)
        result.add_row(name, si(seconds, "s"), *(_cell(case) if case else "" for case in found))
    result.add_row("geometric mean", "", *(_cell(each["mean"], each["loses"]) for each in neighbours))
    return result


def _cell(row: Row, loses: bool = False) -> Text:
    return Text(f"{interval(row)} {row['least']:.3g}", style="red" if loses else "")


if __name__ == "__main__":
    main()
