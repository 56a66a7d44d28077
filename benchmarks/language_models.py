"""GPTs beside PyTorch and JAX: python benchmarks/language_models.py --json FILE.json

Training steps (forward, loss, backward, AdamW) of four sizes, from microgpt's to nanoGPT's for a GPU, and generation of
one sequence of nanoGPT's model on a CPU, token by token. Each peer runs in a process of its own and begins with the
same weights; the command fails where the first loss is another. Then all of them in turn. What the machine can do is
measured beside: multiply-adds, and how fast memory that holds the parameters is read.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from rich.table import Table

from fastnn import GPT, AdamW
from fastnn.bench import results
from fastnn.bench.command import thread_counts
from fastnn.bench.measuring import Budget
from fastnn.bench.peers import registry
from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.progress import say
from fastnn.bench.table import console, si
from fastnn.bench.turns import in_turn, ratio, settling
from fastnn.generation.cost import generation_cost
from fastnn.simd import machine
from fastnn.simd.machine import thread_limit

SCHEMA = "fastnn-transformers/1"
PEER = (str(Path(__file__).parent / "language_model_peer.py"),)
PEERS = ("torch", "torch-compile", "jax")
# Of the first loss, float32 on all sides.
ALLOWED = 1e-4


class Size(NamedTuple):
    vocabulary: int
    length: int
    layers: int
    width: int
    heads: int
    batch: int


SIZES = {
    "microgpt": Size(27, 16, 1, 16, 4, 1),
    "makemore": Size(27, 16, 4, 64, 4, 32),
    "nanogpt-cpu": Size(65, 64, 4, 128, 4, 12),
    "nanogpt-gpu": Size(65, 256, 6, 384, 6, 4),
}
GENERATED = "nanogpt-cpu"


def timed(call: Callable[[], object]) -> Callable[[int], float]:
    """Seconds of so many calls."""
    import time

    def run(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return time.perf_counter() - start

    return run


class Beside:
    """Peers with the same weights, and ours, on so many threads."""

    def __init__(self, size: Size, peers: Sequence[str], threads: int) -> None:
        self.network = GPT(*size[:5], bias=False, seed=0)
        rng = np.random.default_rng(0)
        self.x, self.y = rng.integers(0, size.vocabulary, (2, size.batch, size.length))
        self.threads, self.peers = threads, {name: Process(name, threads, PEER) for name in peers}
        with tempfile.TemporaryDirectory() as folder:
            np.savez(f"{folder}/begin.npz", x=self.x, y=self.y, **self.network.named_parameters)
            request = {"file": f"{folder}/begin.npz", "heads": size.heads}
            self.losses = {name: peer.ask(do="prepare", **request)["loss"] for name, peer in self.peers.items()}
        rule = AdamW(3e-4, weight_decay=0.1, decay="matrices")
        self.trainer = self.network.trainer(rule, batch=size.batch)
        loss = self.trainer.step(self.x, self.y)
        for name, other in self.losses.items():
            if not abs(other - loss) <= ALLOWED * abs(loss):
                raise PeerFailed(f"{name}: its first loss is {other}, ours {loss}")

    def measure(self, call: Callable[[], object], phases: Mapping[str, tuple[str, str]], seconds: float) -> Any:
        """Ours, and of each name a peer's phase, in turn."""
        runs = [timed(call), *(partial(self.peers[peer].time, phase) for peer, phase in phases.values())]
        with thread_limit(self.threads):
            found = in_turn(runs, Budget(seconds), machine.timer_overhead(), settling(self.threads))
        return found[0], dict(zip(phases, found[1:], strict=True))

    def close(self) -> None:
        for peer in self.peers.values():
            peer.close()


def compare(name: str, phase: str, peers: Sequence[str], threads: int, seconds: float) -> dict[str, Any]:
    """One row."""
    size = SIZES[name]
    beside = Beside(size, peers if phase == "step" else [peer for peer in peers if peer == "torch"], threads)
    try:
        ceilings = machine.measure(threads, "float32", 0.3)
        if phase == "step":
            phases = {peer: (peer, "step") for peer in beside.peers}
            ours, theirs = beside.measure(lambda: beside.trainer.step(beside.x, beside.y), phases, seconds)
            flops, moved = beside.network.cost(size.batch, "adamw").total.flops, 0
        else:
            phases = {f"{peer}, {kind}": (peer, kind) for peer in beside.peers for kind in ("cached", "whole")}
            call = partial(beside.network.generate, beside.x[0, :1], size.length, temperature=0)
            ours, theirs = beside.measure(call, phases, seconds)
            moved, flops = generation_cost(beside.network).bytes, 0
    finally:
        beside.close()
    level = ceilings.level_of(beside.network.parameters.nbytes) if moved else None
    floor = flops / ceilings.flops_per_s if level is None else moved / level.bandwidth["read"]
    return {
        "network": name, "parameters": beside.network.parameter_count, "phase": phase, "threads": threads,
        "ours_s": ours.median, "flops": flops, "share": floor / ours.median,
        "tokens_per_s": size.length * (size.batch if phase == "step" else 1) / ours.median,
        "peers": {peer: {"s": found.median, "ratio": ratio(found, ours)} for peer, found in theirs.items()},
    }  # fmt: skip


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row["peers"]))
    found = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("network", "parameters", "phase", "threads", "time", "tokens/s", "of the bound", *names):
        found.add_column(heading, justify="left" if heading in ("network", "phase") else "right")
    for row in rows:
        cells = [f"{row['peers'][name]['ratio']['median']:.2f}x" if name in row["peers"] else "" for name in names]
        found.add_row(
            row["network"], f"{row['parameters']:,}", row["phase"], str(row["threads"]), si(row["ours_s"], "s"),
            si(row["tokens_per_s"], ""), f"{row['share']:.0%}", *cells,
        )  # fmt: skip
    return found


@click.command()
@click.option("--network", "networks", multiple=True, type=click.Choice([*SIZES]), help="All unless given.")
@click.option("--threads", type=click.IntRange(1), multiple=True, help="One and all cores unless given.")
@click.option("--peer", "peers", multiple=True, type=click.Choice(PEERS), help="All that are installed unless given.")
@click.option("--seconds", type=click.FloatRange(0), default=2.0, show_default=True, help="Of each, a row.")
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it here.")
def main(
    networks: Sequence[str], threads: Sequence[int], peers: Sequence[str], seconds: float, json_file: Path | None
) -> None:
    try:
        counts = thread_counts(threads)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    there = [name for name in peers or PEERS if not registry.missing(name)]
    rows = []
    for name in networks or SIZES:
        for count in counts:
            for phase in ("step", "generate") if name == GENERATED else ("step",):
                say(f"{name}, {phase}, {count} thread(s)")
                rows.append(compare(name, phase, there, count, seconds))
    if json_file:
        context = results.context(counts, "float32")
        results.write(json_file, {"schema": SCHEMA, "context": context, "rows": rows})
    console(sys.stdout).print(table(rows))


if __name__ == "__main__":
    main()
