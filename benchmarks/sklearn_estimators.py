"""fastnn.sklearn beside scikit-learn: python benchmarks/sklearn_estimators.py --json FILE.json

FastMLPClassifier and MLPClassifier on handwritten digits, FastMLPRegressor and MLPRegressor on the diabetes data, all
settings as they come (adam, batches of 200, one hidden layer of 100). First the scores on held-out rows over seeds; the
command fails where they differ. Then whole fits in turn, theirs in a process of its own, since the threads of two
libraries in one process disturb each other.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import numpy as np
from estimator_peer import CASES, Worker
from rich.table import Table

from fastnn.bench import results
from fastnn.bench.command import thread_counts
from fastnn.bench.measuring import Budget
from fastnn.bench.peers.process import Process
from fastnn.bench.table import console, si
from fastnn.bench.turns import in_turn, ratio, settling
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit

SCHEMA = "fastnn-sklearn/1"
PEER = (str(Path(__file__).parent / "estimator_peer.py"),)
DTYPES = "float64", "float32"
# Of accuracy, and of R2.
ALLOWED = 0.005


def compare(case: str, dtype: str, threads: int, seeds: int, epochs: int, seconds: float) -> dict[str, Any]:
    """One row: the scores of both, and the times of a fit, ours and scikit-learn's, for so many seconds each."""
    request: dict[str, Any] = {"case": case, "dtype": dtype, "seeds": seeds, "epochs": epochs}
    ours, theirs = Worker("fastnn"), Process("sklearn", threads, PEER)
    try:
        with thread_limit(threads):
            found = {"ours": ours.prepare(**request), "sklearn": theirs.ask(do="prepare", **request)}
            contestants = [lambda calls: ours.time("fit", calls)["seconds"], partial(theirs.time, "fit")]
            times = in_turn(contestants, Budget(seconds), machine.timer_overhead(), settling(threads))
    finally:
        theirs.close()
    return {
        "case": case, "dtype": dtype, "threads": threads,
        **{f"{name}_{kind}": found[name][kind] for name in found for kind in ("scores", "epochs")},
        "ours_s": times[0].median, "sklearn_s": times[1].median, "ratio": ratio(times[1], times[0]),
    }  # fmt: skip


def difference(row: Mapping[str, Any]) -> float:
    """Our mean score less theirs."""
    return float(np.mean(row["ours_scores"]) - np.mean(row["sklearn_scores"]))


def table(rows: Iterable[Mapping[str, Any]]) -> Table:
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("data", "dtype", "threads", "score", "sklearn's", "epochs", "fit", "sklearn's", "times as fast"):
        found.add_column(heading, justify="left" if heading in ("data", "dtype") else "right")
    for row in rows:
        median, low, high = (row["ratio"][name] for name in ("median", "low", "high"))
        found.add_row(
            row["case"], row["dtype"], str(row["threads"]), f"{np.mean(row['ours_scores']):.4f}",
            f"{np.mean(row['sklearn_scores']):.4f}", f"{np.mean(row['ours_epochs']):.0f}", si(row["ours_s"], "s"),
            si(row["sklearn_s"], "s"), f"{median:.2f} ({low:.2f}-{high:.2f})",
        )  # fmt: skip
    return found


@click.command()
@click.option("--case", "cases", multiple=True, type=click.Choice([*CASES]), help="Data to fit; all unless given.")
@click.option("--threads", type=click.IntRange(1), multiple=True, help="One and all cores unless given.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--epochs", type=click.IntRange(1), default=200, show_default=True, help="max_iter.")
@click.option("--seconds", type=click.FloatRange(0), default=2.0, show_default=True, help="Of fits of each, a row.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it here.")
def main(
    cases: Sequence[str], threads: Sequence[int], seeds: int, epochs: int, seconds: float, json_file: Path | None
) -> None:
    try:
        counts = thread_counts(threads)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    rows = [
        compare(case, dtype, count, seeds, epochs, seconds)
        for case in cases or CASES
        for dtype in DTYPES
        for count in counts
    ]
    if json_file:
        context = results.context(counts, ", ".join(DTYPES))
        context["versions"]["scikit-learn"] = version("scikit-learn")
        results.write(json_file, {"schema": SCHEMA, "context": context, "rows": rows})
    console(sys.stdout).print(table(rows))
    wrong = [row for row in rows if not abs(difference(row)) <= ALLOWED]
    for row in wrong:
        click.echo(f"{row['case']} {row['dtype']}: our score differs by {difference(row):+.4f}", err=True)
    if wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
