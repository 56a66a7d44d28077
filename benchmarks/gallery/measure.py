"""The gallery beside PyTorch, in one run: python benchmarks/gallery/measure.py --json bench_results/FILE.json

First what each example learns, from many seeds. Then calls of it and of its twins, which run in a process of their own:
blocks take turns, and the figure is the median of the pairwise ratios, with its interval. A twin's answer is checked
before it is timed. On one thread all stay on one core.

{"schema": "fastnn-gallery/1", "context": {...}, "learned": [...], "rows": [...]}. A row is a case of gallery_cases.py
on a number of threads: "ours", and "peers" by their ways, as torch_twins.py names them, each with "ours" that took
turns with it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import blind_cart_pole
import cart_pole
import click
import numpy as np
import ode_surrogate
import td_learning
from gallery_cases import CASES, Case
from rich.table import Table

from fastnn.bench import results
from fastnn.bench.command import FAILED, result_files, thread_counts
from fastnn.bench.measuring import Budget, Measurement, seconds_of
from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.progress import say
from fastnn.bench.table import console, interval, si
from fastnn.bench.turns import Timed, in_turn, ratio, settling
from fastnn.compiler.jit import threading_layer
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit

sys.path.append(str(Path(__file__).parents[1]))

from comparison.run import pinned

SCHEMA = "fastnn-gallery/1"
WORKER = (str(Path(__file__).with_name("torch_twins.py")),)
# A contestant's share of a case, if six blocks of it take no longer.
BUDGETS = {"fast": Budget(0.02), "normal": Budget(0.5)}
# Of the evolutions; of the others at most FEW, which take longer.
SEEDS, FEW = {"fast": 3, "normal": 100}, 20

Row = dict[str, Any]


def learned(threads: Sequence[int], seeds: int) -> list[Row]:
    """What each example reaches, from seeds 0, 1, ..., with everything compiled."""
    players = {"cart_pole": cart_pole.SEEING, "blind_cart_pole": blind_cart_pole.BLIND}
    found = [_evolutions(name, player, count, seeds) for name, player in players.items() for count in threads]
    few = min(seeds, FEW)
    angles = [ode_surrogate.error(ode_surrogate.surrogate(seed)) for seed in range(few)]
    found.append({"example": "ode_surrogate", "threads": 1, "seeds": few, "angle_off": _spread(angles)})
    td_learning.learn(0, moves=1)
    walks = [td_learning.learn(seed) for seed in range(few)]
    errors, seconds = [walk.error for walk in walks], [walk.seconds for walk in walks]
    found.append({
        "example": "td_learning", "threads": 1, "seeds": few, "moves": td_learning.MOVES,
        "values_off": _spread(errors), "walk_s": _spread(seconds),
    })  # fmt: skip
    return found


def _evolutions(name: str, player: cart_pole.Player, threads: int, seeds: int) -> Row:
    cart_pole.learn(0, threads, 1, player)
    runs = [cart_pole.learn(seed, threads, player=player) for seed in range(seeds)]
    generations, each = [run.generations for run in runs], [run.seconds for run in runs]
    return {
        "example": name, "threads": threads, "seeds": seeds, "learned": sum(run.learned for run in runs),
        "generations": _spread(generations), "evolution_s": _spread(each),
        "episodes_per_s": sum(run.episodes for run in runs) / sum(each),
        "passes_per_s": sum(run.passes for run in runs) / sum(each),
    }  # fmt: skip


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "max": float(max(values))}


def measured(case: Case, threads: int, peer: Process | None, budget: Budget, timer_s: float) -> Row:
    """A row: ours and the twins, each way in turn with ours, so that one that is slow does not lengthen the others."""
    row: Row = {
        "example": case.example, "size": case.size, "threads": threads, "unit": case.unit, "units": case.units,
        "peers": {},
    }  # fmt: skip
    ours: Timed = partial(seconds_of, case.run)
    for way in case.ways if peer else ():
        answer = _prepared(peer, case, way)
        if answer["error"] > case.limit:
            row["peers"][way] = answer | {"verdict": "refused"}
            continue
        mine, theirs = in_turn([ours, partial(peer.time, "call")], budget, timer_s, settling(threads))
        row["peers"][way] = answer | _timing(theirs, case) | {"ratio": ratio(theirs, mine), "ours": _timing(mine, case)}
    return row | {"ours": _timing(in_turn([ours], budget, timer_s)[0], case)}


def _prepared(peer: Process, case: Case, way: str) -> dict[str, Any]:
    """Seconds of the first call, compilation and all, and the largest difference of its answer to ours."""
    with tempfile.TemporaryDirectory(prefix="fastnn-") as folder:
        inputs, answer = Path(folder) / "inputs.npz", Path(folder) / "answer.npy"
        np.savez(inputs, allow_pickle=False, **case.inputs)
        told = peer.ask(do="prepare", example=case.example, way=way, inputs=str(inputs), answer=str(answer))
        return dict(told) | {"error": float(np.abs(np.load(answer) - case.answer).max())}


def _timing(found: Measurement, case: Case) -> dict[str, Any]:
    return {
        "median_s": found.median, "min_s": found.min, "iqr_s": found.iqr, "blocks": len(found.times),
        "calls": found.calls, "unit_s": found.median / case.units, "verdict": found.verdict,
    }  # fmt: skip


def measure(document: dict[str, Any], threads: Sequence[int], effort: str, after_row: Callable[[], object]) -> None:
    """Fills the rows of the document, calling after_row when one has come."""
    timer_s, with_torch = machine.timer_overhead(), find_spec("torch") is not None
    for count in threads:
        with thread_limit(count):
            cases = [
                make(count, size) for make, size, shared in CASES if shared or count == 1
            ]  # starts numba's threads
            with pinned(count):
                peer = Process("torch", count, WORKER) if with_torch else None
                try:
                    for case in cases:
                        say(f"{case.example}, {case.size} at once, {count} thread{'s' * (count > 1)}")
                        document["rows"].append(measured(case, count, peer, BUDGETS[effort], timer_s))
                        after_row()
                finally:
                    if peer:
                        peer.close()


WAYS = "loop", "bare", "batched", "compiled"


def table(rows: Sequence[Row]) -> Table:
    """A line a row: our time, and how many times as long each way of PyTorch takes."""
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("example", "at once", "thr", "unit", "ours"):
        found.add_column(heading, justify="left" if heading in ("example", "unit") else "right")
    for way in WAYS:
        found.add_column(f"torch {way}", justify="right")
    for row in rows:
        told = row["example"], str(row["size"]), str(row["threads"]), row["unit"], si(row["ours"]["unit_s"], "s")
        found.add_row(*told, *(_told(row["peers"].get(way)) for way in WAYS))
    return found


def _told(peer: Row | None) -> str:
    if peer is None:
        return "-"
    return f"{interval(peer['ratio'])}x" if "ratio" in peer else f"refused: {peer['error']:.3g}"


def _number(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{_number(each)} ({name})" for name, each in value.items())
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _refused(rows: Sequence[Row]) -> bool:
    return any("ratio" not in peer for row in rows for peer in row["peers"].values())


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "json_file", required=True, type=click.Path(path_type=Path), help="Where the results go.")
@click.option("--threads", multiple=True, type=click.IntRange(min=1), help="Threads.  [default: 1 and all]")
@click.option("--fast", is_flag=True, help="Few seeds and short, to see that it works.")
def main(json_file: Path, threads: Sequence[int], fast: bool) -> None:
    """Exit status: 0, or 1 where a twin's answer is another or its process ended."""
    effort = "fast" if fast else "normal"
    try:
        counts, (file,) = thread_counts(threads), result_files(str(json_file.absolute()), None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    context = results.context(counts, "float32")
    if find_spec("torch"):
        context["versions"]["torch"] = version("torch")
    else:
        say("torch is left out: it is not installed")
    document = {"schema": SCHEMA, "context": context, "learned": learned(counts, SEEDS[effort]), "rows": []}
    context["threading_layer"] = threading_layer()
    failure = None
    try:
        measure(document, counts, effort, lambda: results.write(file, document))
    except PeerFailed as failed:
        failure = failed
    console(sys.stdout).print(table(document["rows"]))
    for each in document["learned"]:
        click.echo(", ".join(f"{name} {_number(value)}" for name, value in each.items()))
    say(f"failed: {failure}" if failure else f"written: {file}")
    sys.exit(FAILED if failure or _refused(document["rows"]) else 0)


if __name__ == "__main__":
    main()
