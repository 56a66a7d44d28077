"""Small result documents for tests of the report: exact counts, made-up times that follow a simple rule."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_rows import CONTEXT, row

from fastnn.bench import results
from fastnn.bench.ladder import parse
from fastnn.bench.rung import Rung
from fastnn.cost import multilayer_perceptron
from fastnn.report.picture import Picture, Series
from fastnn.report.sources import Run, Sources, run_of, suite_of

PEAK, STREAM = 1e11, 5e10
NETWORKS = ("3-4-2", "64-16-10", "784-128-10")
PEERS = {"numpy": 3.0, "torch": 8.0}
CEILINGS = [
    {
        "threads": threads, "dtype": "float32", "flops_per_s": threads * PEAK, "timer_s": 5e-8, "call_s": 1e-7,
        "bandwidth": {
            level: {"bytes": 2**20, "copy": rate / 2, "triad": rate, "read": rate / 3}
            for level, rate in (("L1", 8 * STREAM), ("DRAM", STREAM))
        },
    }
    for threads in (1, 2)
]  # fmt: skip
# Seconds of a call before any work, by phase.
CALL = {"forward": 1e-6, "step": 2e-6, "epoch": 5e-7}


def document(
    networks: Sequence[str] = NETWORKS, batches: Sequence[int] = (1, 32), threads: Sequence[int] = (1, 2),
    peers: Mapping[str, float] = PEERS, call_s: float = 0.0, pace: float = 0.5, **context: Any,
) -> dict[str, Any]:  # fmt: skip
    """Times are call_s, the call of the phase and the FLOPs at that share of the peak; peers' are a multiple."""
    rows = []
    for name in networks:
        for batch in batches:
            for count in threads:
                for phase in results.PHASES:
                    ours = timed(parse(name), batch, count, phase, call_s, pace)
                    compared = peers if phase != "epoch" else {}
                    if compared:
                        ours["ratio_to"] = {peer: ratio(times) for peer, times in compared.items()}
                    rows.append(ours)
                    rows += [of_peer(ours, peer, times) for peer, times in compared.items()]
    return results.document(CONTEXT | {"threads": list(threads), "ceilings": CEILINGS} | context, rows)


def timed(rung: Rung, batch: int, threads: int, phase: str, call_s: float = 0.0, pace: float = 0.5) -> dict[str, Any]:
    cost = multilayer_perceptron(rung.sizes, batch)
    work = cost.forward if phase == "forward" else cost.total
    median = call_s + CALL[phase] + work.flops / (threads * PEAK * pace)
    return row(
        name=rung.name, sizes=list(rung.sizes), params=rung.params, batch=batch, threads=threads, phase=phase,
        macs=work.macs, flops=work.flops, flops_matmul=work.flops_matmul, flops_elementwise=work.flops_elementwise,
        transcendentals=work.transcendentals, bytes_min=work.bytes, times_s=[0.9 * median, median, 1.1 * median],
        median_s=median, iqr_s=0.1 * median, min_s=0.9 * median, gflops=work.flops / median / 1e9,
        peak_fraction=work.flops / median / (threads * PEAK), floor_s=work.flops / (threads * PEAK),
    )  # fmt: skip


def ratio(times: float) -> dict[str, float]:
    return {"median": times, "low": 0.9 * times, "high": 1.2 * times}


def of_peer(ours: Mapping[str, Any], peer: str, times: float) -> dict[str, Any]:
    scaled = {name: times * ours[name] for name in ("median_s", "iqr_s", "min_s")}
    rates = {name: ours[name] / times for name in ("gflops", "peak_fraction")}
    empty = dict.fromkeys(("compile_s", "residual", "loss_first", "loss_last"))
    rest = {name: value for name, value in ours.items() if name != "ratio_to"}
    return rest | scaled | rates | empty | {"peer": peer, "ratio": ratio(times)}


def fit(**changes: Any) -> dict[str, Any]:
    """A law of a training step at batch 32 on one thread, as the document holds it."""
    curve = [[params, 1e-9 * params, 0.8e-9 * params, 1.2e-9 * params] for params in (26.0, 1e3, 1e5)]
    return {
        "quantity": "time", "phase": "step", "batch": 32, "threads": 1, "dtype": "float32", "optimizer": "sgd",
        "device": "cpu", "peer": None, "points": 3, "curve": curve, "regimes": [], "breaks": [], "scatter": 0.05,
        "sentence": "grows as the parameters.",
    } | changes  # fmt: skip


def suite() -> dict[str, Any]:
    """A file of pytest-benchmark: two kernels and one entry that states no FLOPs."""

    def entry(name: str, group: str | None, median: float, **extra: Any) -> dict[str, Any]:
        stats = {"median": median, "iqr": 0.1 * median, "min": 0.9 * median, "mean": median, "rounds": 5}
        return {"name": name, "group": group, "stats": stats, "extra_info": extra}

    return {
        "machine_info": {"cpu": {"brand": "a CPU"}}, "version": "5.0",
        "benchmarks": [
            entry("test_kernel[a]", "matmul", 1e-5, flops=1000, residual=0.1),
            entry("test_step[b]", "step", 1e-4, flops=5000, params=26, calls=10),
            entry("test_simulation", None, 1e-3, simulated_steps=10),
        ],
    }  # fmt: skip


def run(label: str = "a", **changes: Any) -> Run:
    return run_of(label, document(**changes))


def gpu(**changes: Any) -> Run:
    """Calls that take longer, work that takes less."""
    changes = {"peers": {}, "threads": [1], "call_s": 2e-5, "pace": 50.0, "device": "cuda"} | changes
    return run("gpu", **changes)


def everything() -> Sources:
    """What has all kinds of pictures."""
    return Sources((run_of("cpu", document() | {"fits": [fit()]}), gpu()), (suite_of("s", suite()),))


def picture(found: Iterable[Picture], **choice: str) -> Picture:
    """The first that was so chosen."""
    return next(each for each in found if choice.items() <= dict(each.choice).items())


def series(of: Picture, name: str) -> Series:
    return next(each for each in of.series if each.name == name)


def write(path: Path, found: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(found))
    return path
