"""The process that a peer runs in: python -m fastnn.bench.peers.worker NAME THREADS, told what to do by JSON lines.

    {"do": "prepare", "file": ..., "heads": n, "phases": [...], "optimizer": ..., "learning_rate": ...,
     "description": {...}, or null}
        -> {"losses": {phase: first loss}, "seconds": {phase: what its first call took, compilation and all}}
    {"do": "time", "phase": "forward" | "step" | "generate", "calls": n}
        -> {"seconds": ...}

The file, made by numpy.savez, holds the parameters of a fastnn.bench.peers.task.Task by their names, and x (N, B, ...)
and y, the batches in turn. Losses are those of phases that have one. An answer {"error": ...} ends the process. Between
requests the process sleeps in a read.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import cycle, islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn.bench.peers.registry import GENERATE, PEERS
from fastnn.bench.peers.task import Task
from fastnn.compiler.jit import environment_as_found


class Peer(Protocol):
    """The network of a task with softmax cross-entropy, in another library.

    A peer that is timed at the forward pass only has no step, and not all generate.
    """

    def __init__(self, task: Task) -> None:
        """Nothing is compiled yet: that belongs to the first call of a phase."""

    def prepare(self, x: NDArray[Any], y: NDArray[np.int64]) -> Any:
        """A batch in the library's own form."""

    def forward(self, batch: Any) -> Any: ...

    def logits(self, output: Any) -> NDArray[Any]:
        """What forward gave, as logits (B, O) up to a constant a row."""

    def step(self, batch: Any) -> Any:
        """One training step; the loss before it, as something that float() takes."""

    def generate(self, batch: Any) -> Any:
        """As many tokens as a sequence has positions, after the first of the batch's first."""

    def wait(self) -> None:
        """Returns when all work is done."""


class Worker:
    """Answers requests about one peer."""

    def __init__(self, name: str, threads: int) -> None:
        self.kind: type[Peer] = import_module(f"fastnn.bench.peers.{PEERS[name].module}").Model
        self.threads = threads

    def prepare(
        self, file: str, heads: int, phases: Sequence[str], optimizer: str, learning_rate: float,
        description: Mapping[str, Any] | None = None,
    ) -> dict[str, dict[str, float]]:  # fmt: skip
        with np.load(file) as arrays:
            parameters = {name: arrays[name] for name in arrays if name not in "xy"}
            x, y = arrays["x"], arrays["y"]
        task = Task(parameters, heads, x.shape[1], optimizer, learning_rate, self.threads, description)
        self.peer = self.kind(task)
        batches = [self.peer.prepare(*batch) for batch in zip(x, y, strict=True)]
        self.batches = cycle(batches)
        losses, seconds = {}, {}
        # The forward pass comes first, on the initial weights as the step.
        for phase in phases:
            start = time.perf_counter()
            answer = getattr(self.peer, phase)(batches[0])
            self.peer.wait()
            seconds[phase] = time.perf_counter() - start
            if phase != GENERATE:
                loss = answer if phase == "step" else cross_entropy(self.peer.logits(answer), y[0])
                losses[phase] = float(loss)
        return {"losses": losses, "seconds": seconds}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        call = getattr(self.peer, phase)
        start = time.perf_counter()
        for batch in islice(self.batches, calls):
            call(batch)
        self.peer.wait()
        return {"seconds": time.perf_counter() - start}


def cross_entropy(logits: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Mean over the batch, and its positions, in float64."""
    logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    of_label = shifted[np.arange(len(labels)), labels]
    return float((np.log(np.exp(shifted).sum(axis=1)) - of_label).mean())


def serve(begin: Callable[[], object]) -> None:
    """Answers the requests on stdin by the methods of what `begin` makes, each by the one it is named after."""
    for name in set(os.environ) - set(environment_as_found()):
        del os.environ[name]  # what is ours is no setting of a peer's
    # Libraries print what they like; the protocol keeps the real stdout to itself.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            worker = begin()
            for line in sys.stdin:
                request = json.loads(line)
                print(json.dumps(getattr(worker, request.pop("do"))(**request)), file=answers, flush=True)
        except Exception as error:
            print(json.dumps({"error": in_a_line(error)}), file=answers, flush=True)


def in_a_line(error: Exception) -> str:
    """Its kind and the first line of what it says."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def main(name: str, threads: int) -> None:
    serve(partial(Worker, name, threads))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
