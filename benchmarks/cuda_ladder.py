"""The ladder on a GPU: each network checked against the float64 reference, then a training step timed beside PyTorch
(eager, compiled, as a CUDA graph) and JAX where they are installed, and beside the CPU of the same machine:

    python benchmarks/cuda_ladder.py --json bench_results/FILE.json

Needs numba-cuda and a GPU. Where nothing can be installed PYTHONPATH names the checkout, FASTNN_CACHE_DIR a folder for
the CPU's kernels, and CUDA_HOME a toolkit. A figure is the median of several blocks of steps, each between two waits.
Ends within --minutes: what did not fit is left out, and named.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import click
import numba
from cuda_peers import PEERS, set_precision

from fastnn.bench import results
from fastnn.bench.case import Case, optimizer_for
from fastnn.bench.ladder import Rung, select
from fastnn.bench.progress import say
from fastnn.bench.rows import finite
from fastnn.bench.table import si
from fastnn.learning.precision import ROUNDOFF
from fastnn.simd.machine import thread_limit

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

SCHEMA = "fastnn-cuda/1"
BATCHES = (32, 1024, 16_384)
# Widths of the fused path's own comparison: three hidden layers of each.
FUSED = ("16-16-16-16-10", "32-32-32-32-10", "64-64-64-64-10", "128-128-128-128-10")
BLOCKS = 7
# torch.compile takes 10 to 20 s a network, so only these are compiled, at so many rows and more.
COMPILED, COMPILED_ROWS = (*FUSED, "784-512-512-10", "784-2048x3-10"), 1024
# The reference in float64, and the CPU, take no more than this.
CHECKED_ROWS, CPU_FLOPS = 1024, 5e11
Row = dict[str, Any]


def seconds_of(step: Callable[[int], Any], budget: float) -> float:
    """Median seconds of a step in blocks; step(n) makes n and waits for them."""
    step(2)
    begin = time.perf_counter()
    step(1)
    count = max(1, int(budget / BLOCKS / max(time.perf_counter() - begin, 1e-6)))
    times = []
    for _ in range(BLOCKS):
        begin = time.perf_counter()
        step(count)
        times.append((time.perf_counter() - begin) / count)
    return median(times)


def _peer_seconds(name: str, case: Case, budget: float) -> float:
    named = case.network.named(case.initial)
    layers = range(len(case.network.layers))
    weights, biases = ([named[f"{i}.{part}"] for i in layers] for part in ("weight", "bias"))
    rate = optimizer_for("sgd", case.batch).learning_rate
    make, wait = PEERS[name](weights, biases, *case.batches[0], rate)

    def steps(count: int) -> None:
        for _ in range(count):
            make()
        wait()

    return seconds_of(steps, budget)


def _cpu_seconds(rung: Rung, batch: int, budget: float) -> float:
    """On all cores, steps inside one nopython call, as on the GPU."""
    threads = int(numba.config.NUMBA_NUM_THREADS)
    with thread_limit(threads):
        return seconds_of(Case(rung, batch, threads, "float32", "sgd").run("epoch"), budget)


def _case(rung: Rung, batch: int, precision: str | None) -> Case:
    return Case(rung, batch, 1, "float32", "sgd", "cuda", precision)


def residual_of(rung: Rung, batch: int, precision: str | None) -> float:
    """Against the float64 reference, on at most CHECKED_ROWS rows: that of 100 million parameters takes long."""
    return _case(rung, min(batch, CHECKED_ROWS), precision).check().worst


def row_of(
    rung: Rung, batch: int, budget: float, peers: list[str], ceilings: dict[str, float], precision: str | None
) -> Row:  # fmt: skip
    """One network at one batch: its error, its step, and the others'."""
    row: Row = {"name": rung.name, "params": rung.params, "batch": batch, "peers": {}, "absent": {}}
    try:
        residual = residual_of(rung, batch, precision)
        row["residual"] = finite(residual)
        if not residual <= 1:
            return row | {"verdict": "refused", "reason": f"residual {residual:.3g}"}
        case = _case(rung, batch, precision)
        ours = seconds_of(case.run("epoch"), budget)
    except Exception as error:  # a network that fails must not end the others
        return row | {"verdict": "refused", "reason": _first_line(error)}
    flops = case.network.cost(batch, "sgd").total.flops
    rate = flops / ours
    row |= {"path": case.trainer.path, "seconds": ours, "gflops": rate / 1e9, "verdict": "ok"}
    if not precision:  # tensor cores have another peak, which `matmul` shows
        row["peak_fraction"] = rate / ceilings["flops_per_s"]
    if "matmul" in ceilings:
        row["matmul_fraction"] = rate / ceilings["matmul"]
    for name in peers:
        if name == "torch_compiled" and not (rung.name in COMPILED and batch >= COMPILED_ROWS):
            continue
        try:
            row["peers"][name] = _peer_seconds(name, case, budget)
        except Exception as error:
            row["absent"][name] = _first_line(error)
    if flops <= CPU_FLOPS:
        row["cpu_seconds"] = _cpu_seconds(rung, batch, budget)
    return row


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _matmul_rate(budget: float, n: int = 4096) -> float:
    """FLOP/s of PyTorch's own product of float32 matrices, in the precision that is set."""
    import torch

    a, b = (torch.rand(n, n, device="cuda") for _ in range(2))
    out = torch.empty_like(a)

    def products(count: int) -> None:
        for _ in range(count):
            torch.mm(a, b, out=out)
        torch.cuda.synchronize()

    return 2.0 * n**3 / seconds_of(products, budget)


def begins_to_win(rows: list[Row]) -> dict[str, int | None]:
    """By batch, the parameters from which every larger network is faster on the GPU than on the CPU."""
    found: dict[str, int | None] = {}
    for batch in dict.fromkeys(row["batch"] for row in rows):
        timed = sorted((row["params"], row["seconds"] < row["cpu_seconds"]) for row in rows
                       if row["batch"] == batch and "cpu_seconds" in row)  # fmt: skip
        losses = [params for params, wins in timed if not wins]
        wins = [params for params, wins in timed if wins and params > max(losses, default=-1)]
        found[str(batch)] = min(wins, default=None)
    return found


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--json", "file", required=True, type=click.Path(path_type=Path), help="Where the results go.")
@click.option("--seconds", default=0.3, show_default=True, help="Of one measurement.")
@click.option("--minutes", default=7.5, show_default=True, help="Of all.")
@click.option("--max-params", default=1.1e8, show_default=True, help="Largest network.")
@click.option(
    "--batch", "batches", multiple=True, type=int, default=BATCHES, show_default=True, help="Rows of a batch."
)
@click.option("--precision", type=click.Choice(sorted(ROUNDOFF)), help="Of products, here and in the peers' float32.")
def main(
    file: Path, seconds: float, minutes: float, max_params: float, batches: tuple[int, ...], precision: str | None
) -> None:
    """Exit status: 0, 1 where a network was wrong, 2 without a GPU."""
    from fastnn.cuda import ceilings as device
    from fastnn.cuda.target import DeviceUnavailable, description

    try:
        found = device.measure("float32", seconds)
    except DeviceUnavailable as error:
        raise click.UsageError(str(error)) from error
    end = time.monotonic() + 60 * minutes
    ceilings = {"flops_per_s": found.flops_per_s, "copy": found.levels[0].bandwidth["copy"]}
    peers = [name for name in PEERS if find_spec(name.partition("_")[0])]
    set_precision(peers, precision)
    if "torch" in peers:
        ceilings["matmul"] = _matmul_rate(seconds)
    rungs = list(dict.fromkeys([*select((), max_params), *select(FUSED, max_params)]))
    document: Row = {
        "schema": SCHEMA, "context": results.context([1], "float32")
        | {"gpu": description(), "peers": peers, "precision": precision},
        "ceilings": ceilings, "rows": [], "left_out": [],
    }  # fmt: skip
    for batch in batches:
        for rung in rungs:
            if time.monotonic() > end:
                document["left_out"].append([rung.name, batch])
                continue
            row = row_of(rung, batch, seconds, peers, ceilings, precision)
            document["rows"].append(row)
            document["wins_from"] = begins_to_win(document["rows"])
            results.write(file, document)
            say(_line(row))
    for name, batch in document["left_out"]:
        say(f"no time left for {name}, batch {batch}")
    say(f"written: {file}")
    sys.exit(int(any(row["verdict"] == "refused" for row in document["rows"])))


def _line(row: Row) -> str:
    if row["verdict"] == "refused":
        return f"{row['name']}, batch {row['batch']}: refused, {row['reason']}"
    others = ", ".join(f"{name} {seconds / row['seconds']:.3g}x" for name, seconds in row["peers"].items())
    cpu = f", CPU {row['cpu_seconds'] / row['seconds']:.3g}x" if "cpu_seconds" in row else ""
    return f"{row['name']}, batch {row['batch']}: {si(row['seconds'], 's')}, {others or 'no peers'}{cpu}"


if __name__ == "__main__":
    main()
