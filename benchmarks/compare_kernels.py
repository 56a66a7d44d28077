"""fastnn beside NumPy, PyTorch and JAX, kernel by kernel and as whole training steps, in one command:

    python benchmarks/compare_kernels.py --json bench_results/FILE.json

Each peer serves calls in a process of its own; blocks of its calls and of ours take turns, and the figure is the median
of the pairwise ratios, with its interval. Every answer is checked before it is timed. On one thread all stay on one
core. Whole steps are those of `fastnn bench --peers`, written beside the file, as FILE-steps.json.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
from comparison.groups import GROUPS, select
from comparison.peers import NAMES, present
from comparison.run import Report, Settings, compare
from comparison.tables import group_tables, summary_table

from fastnn.bench import results
from fastnn.bench.command import FAILED, INTERRUPTED, result_files, run_bench, thread_counts
from fastnn.bench.compiling import announced
from fastnn.bench.peers import registry
from fastnn.bench.progress import progress, say
from fastnn.bench.table import console
from fastnn.cli import ListCommand

STEPS = "steps"
PARTS = (*GROUPS, STEPS)
STEP_BATCHES = (1, 32, 256)


@click.command(cls=ListCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "json_file", required=True, type=click.Path(path_type=Path), help="Where the results go.")
@click.option("--only", default=",".join(PARTS), metavar="PARTS", show_default=True, help="What to compare.")
@click.option("--peers", default=",".join(NAMES), metavar="NAMES", show_default=True, help="With whom.")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="Threads.  [default: 1 and all]")
@click.option("--max-params", type=float, help="Largest network of the steps; 1e8 brings in the last rung.")
@click.option("--fast", is_flag=True, help="A tenth of the time, to see that it works.")
def main(
    json_file: Path, only: str, peers: str, threads: Sequence[int], max_params: float | None, fast: bool
) -> None:  # fmt: skip
    """Exit status: 0, 1 where a row was refused, 130 where interrupted; the rows done by then are kept."""
    effort = "fast" if fast else "normal"
    try:
        parts, names = registry.parse(only, PARTS, "--only"), registry.parse(peers, NAMES)
        found, absent = present(names)
        cases = select([part for part in parts if part in GROUPS])
        report = Report(Settings(cases, thread_counts(threads), found, absent, effort))
        (file,) = result_files(str(json_file.absolute()), None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for name, reason in absent.items():
        say(f"{name} is left out: {reason}")
    status = _compare(report, file) if cases else 0
    if STEPS in parts and status != INTERRUPTED:
        steps_file = str(file.with_name(f"{file.stem}-steps{file.suffix}"))
        theirs = ",".join(name for name in found if name in registry.NAMES)
        status |= run_bench(
            steps_file, None, sizes=(), max_params=max_params, batches=STEP_BATCHES, threads=threads, dtype="float32",
            optimizer="sgd", effort=effort, peers=theirs,
        )  # fmt: skip
    sys.exit(status)


def _compare(report: Report, file: Path) -> int:
    interrupted = False
    try:
        with announced(say), progress(len(report.settings.cases) * len(report.settings.threads)) as (begin, advance):

            def keep() -> None:
                results.write(file, report.document)
                advance()

            compare(report, begin, keep)
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted; the rows done so far stand")
    show(report)
    say(f"written: {file}")
    return INTERRUPTED if interrupted else FAILED if report.refused else 0


def show(report: Report) -> None:
    """Tables on stderr, then what they come to."""
    people = console(sys.stderr)
    for table in group_tables(report.rows, report.settings.peers):
        people.print(table)
        people.print()
    people.print(summary_table(report.rows))


if __name__ == "__main__":
    main()
