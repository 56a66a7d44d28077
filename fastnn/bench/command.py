"""What `fastnn bench` and `fastnn machine` do between their options and the library: outputs, progress, exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numba

from fastnn.bench import results
from fastnn.bench.compiling import announced
from fastnn.bench.ladder import select
from fastnn.bench.peers.registry import missing, parse
from fastnn.bench.progress import progress, say
from fastnn.bench.run import Report, Settings, run
from fastnn.bench.table import console, si, table
from fastnn.edge.atomic import is_file
from fastnn.edge.checks import as_dtype, require_memory
from fastnn.edge.options import FAILED, INTERRUPTED, STDOUT
from fastnn.kernels.optimizer import STATE

DEFAULT_BATCH = 32
Draw = Callable[[Mapping[str, Any]], object]


def run_bench(json_file: str | None, out: Path | None, draw: Draw | None = None, **options: Any) -> int:
    """Exit status: 0, 1 where a row was refused, 130 where interrupted. click.UsageError before anything runs.

    draw: what shows the document, after the table.
    """
    try:
        settings = plan(**options)
        data = {rung.data().description: None for rung in settings.rungs}
        files = result_files(json_file, out)
    except (ValueError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    for sentence in settings.left_out:
        say(sentence)
    report = Report(settings)
    interrupted = False
    try:
        with announced(say), progress(settings.row_count) as (begin, advance):

            def keep() -> None:
                for file in filter(is_file, files):  # others get it once, in the end
                    results.write(file, report.document)
                advance()

            run(report, begin, keep, say)
    except KeyboardInterrupt:
        interrupted = True
        say("interrupted; the rows done so far stand")
    report.fit()
    as_json = hand_out(report.document, json_file, files if report.rows else [])
    _show(report, as_json, list(data), files)
    if draw:
        draw(report.document)
    return INTERRUPTED if interrupted else FAILED if report.failed else 0


def plan(
    sizes: Sequence[str], max_params: float | None, batches: Sequence[int], threads: Sequence[int], dtype: str,
    optimizer: str, effort: str | None, peers: str, device: str = "cpu", models: str = "mlp",
) -> Settings:  # fmt: skip
    """Settings from options. ValueError: options that cannot be, or networks that do not fit in memory."""
    if device != "cpu":
        _require(device, peers, threads)
    settings = Settings(
        rungs=select(sizes, max_params, models),
        batches=batches or (DEFAULT_BATCH,),
        threads=thread_counts(threads) if device == "cpu" else [1],
        dtype=dtype,
        device=device,
        optimizer=optimizer,
        effort=effort or "normal",
        peers=_present(parse(peers)),
    )
    for rung in settings.rungs:
        # Parameters, their first values, gradient and state; three float64 arrays of the reference.
        vectors = 3 + STATE[optimizer] + (6 if dtype == "float32" else 3)
        require_memory(vectors * rung.params + 4 * max(settings.batches) * rung.numbers, as_dtype(dtype), rung.name)
    return settings


def _require(device: str, peers: str, threads: Sequence[int]) -> None:
    """ValueError: there is no such device, or options that it has no use for."""
    from fastnn.cuda.target import DeviceUnavailable, require_device

    try:
        require_device()
    except DeviceUnavailable as error:
        raise ValueError(str(error)) from error
    if threads:
        raise ValueError(f"--threads is for the CPU; a network on {device} is launched by one")
    if peers:
        raise ValueError(f"--peers runs on the CPU; on {device} compare with benchmarks/cuda_ladder.py")


def thread_counts(threads: Sequence[int]) -> list[int]:
    """Those asked for, or one and all, without repetition. ValueError: more than there are."""
    most = int(numba.config.NUMBA_NUM_THREADS)
    if any(count > most for count in threads):
        raise ValueError(f"--threads is {max(threads)}; this machine has {most} (NUMBA_NUM_THREADS can lower that)")
    return list(dict.fromkeys(threads or (1, most)))


def _present(peers: Sequence[str]) -> list[str]:
    """Those that are installed; says which are not."""
    for name in peers:
        if absent := missing(name):
            say(f"{name} is left out: {', '.join(absent)} not installed; pip install 'fastnn[peers]'")
    return [name for name in peers if not missing(name)]


def result_files(json_file: str | None, out: Path | None) -> list[Path]:
    """Where results go. ValueError: a place where no file can be, or a device that may not be written."""
    files = [Path(json_file)] if json_file and json_file != STDOUT else []
    if out is not None:
        files.append(out / f"bench-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.json")
    for file in files:
        if not is_file(file) and not file.is_dir():
            if not os.access(file, os.W_OK):
                raise ValueError(f"cannot write {file}: no permission")
            continue
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"cannot write {file}: {error}") from error
        if file.is_dir():
            raise ValueError(f"cannot write {file}: it is a folder; name a file in it")
        if not os.access(file.parent, os.W_OK):
            raise ValueError(f"cannot write {file}: no permission in {file.parent}")
    return files


def require_apart(written: Sequence[Path | str | None], read: Sequence[Path | str | None] = ()) -> None:
    """ValueError where one file would be written twice, or is read too: nothing is lost. Pipes and devices are none."""
    kept = {Path(file).resolve() for file in read if file is not None}
    for file in (Path(file) for file in written if file is not None and str(file) != STDOUT):
        if not is_file(file):
            continue
        if file.resolve() in kept:
            raise ValueError(f"{file} is named twice, to be written and as another file; name a place of its own")
        kept.add(file.resolve())


def hand_out(document: Mapping[str, Any], json_file: str | None, files: Sequence[Path]) -> bool:
    """Writes a finished document to the files and, where that was asked for, to stdout: whether it was."""
    for file in files:
        results.write(file, document)
    if json_file == STDOUT:
        sys.stdout.write(results.dumps(document))
        sys.stdout.flush()
    return json_file == STDOUT


def _show(report: Report, as_json: bool, data: Sequence[str], files: Sequence[Path]) -> None:
    """The table, on stderr where stdout has the document; then what the numbers rest on."""
    if not report.rows:
        return
    people = console(sys.stderr)
    (people if as_json else console(sys.stdout)).print(table(report.rows))
    for row in report.refused:
        people.print(f"refused: {row['name']}, {row['threads']} thread(s), {row['phase']}: {row['reason']}")
    for description in data:
        people.print(f"data: {description}")
    for threads, ceilings in report.ceilings.items():
        people.print(f"peak: {si(ceilings.flops_per_s, 'FLOP/s')} of multiply-adds measured, {threads} thread(s)")
    for fit in report.fits:
        if fit["quantity"] == "time":
            people.print(f"law: {fit['title']}: {fit['sentence']}", soft_wrap=True)
    if simple := _simple_model(report):
        people.print(simple, soft_wrap=True)
    for file in files:
        people.print(f"written: {file}")


def _simple_model(report: Report) -> str | None:
    """How far off 6 N D is, at the rate of the largest network, for the others: of the first step that is ours."""
    for fit in report.fits:
        if fit["quantity"] == "time" and fit["phase"] == "step" and fit["peer"] is None:
            errors = ", ".join(f"{each['name']} {each['error']:+.0%}" for each in fit["simple_model"]["errors"][:-1])
            return f"{fit['simple_model']['name']} at the rate of the largest network would be off by: {errors}"
    return None
