"""Other libraries at the same work: in processes of their own, one at a time, in turn with ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._jit import environment_as_found
from fastnn.bench.case import Case
from fastnn.bench.measuring import (
    WARM_UP_SHARE,
    Budget,
    Measurement,
    block_seconds,
    median_interval,
    seconds_of,
    warm_up,
)
from fastnn.bench.peer_worker import MODELS
from fastnn.bench.rows import Row, describe, times, under
from fastnn.machine import Ceilings, thread_limit

NAMES = tuple(MODELS)
# A peer is called from Python, once a call.
PHASES = ("forward", "step")
# First losses agree to this, relative: they differ by rounding alone.
AGREEMENT = {"float32": 1e-4, "float64": 1e-10}
# Order statistics enclose the median with 95 % from 6 pairs on.
LEAST_PAIRS, MOST_PAIRS = 6, 40
SOURCES = Path(__file__).parents[2]
# What Python runs in a peer's process; the name of the peer and the number of threads follow.
WORKER = ("-m", "fastnn.bench.peer_worker")
THREAD_VARIABLES = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# JAX takes its number of threads from NPROC alone (its XLA flags leave a product of 1024 on both cores, 205 GFLOP/s
# where one core gives 118). With one, dispatch on the thread of the caller saves the hand-over.
JAX_SERIAL = {"JAX_CPU_ENABLE_ASYNC_DISPATCH": "false"}
# After parallel work OpenBLAS spins for 2^28 cycles, 105 ms here, and OpenMP for a few: until threads of either side
# sleep. With 50 ms a step of ours next to NumPy took up to 30 times as long as by itself.
SETTLE_SECONDS = 0.12
# Threads that wake together may share a core until the system spreads them, and spin for a time slice each: calls of 13
# us then take 4 ms.
AWAKE_SECONDS = 0.02


# Seconds of n calls, by the clock of the process that makes them.
Timed = Callable[[int], float]


class PeerFailed(RuntimeError):
    """A peer could not do the work, or gave another loss."""


def parse(names: str, known: Sequence[str] = NAMES, option: str = "--peers") -> list[str]:
    """The names in "numpy,torch", each once. ValueError: a name that is not among the known ones."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in known:
            reason = "is not available yet" if name == "sklearn" else "is unknown"
            raise ValueError(f"{option}: {name!r} {reason}; expected some of {', '.join(known)}")
    return list(dict.fromkeys(wanted))


def installed(name: str) -> bool:
    return find_spec(name) is not None


class Process:
    """A peer's process, held to a number of threads; see fastnn.bench.peer_worker."""

    def __init__(self, name: str, threads: int, worker: Sequence[str] = WORKER) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *worker, name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=_environment(threads),
        )  # fmt: skip

    def ask(self, **request: Any) -> Mapping[str, Any]:
        """Send a request and wait for its answer. PeerFailed where there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "its process ended"}
        if "error" in answer:
            raise PeerFailed(f"{self.name}: {answer['error']}")
        return answer

    def time(self, phase: str, calls: int) -> float:
        """Seconds, by its own clock, that so many calls took."""
        return float(self.ask(do="time", phase=phase, calls=calls)["seconds"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _environment(threads: int) -> dict[str, str]:
    """Ours, with the number of threads where each library looks for it, and where fastnn lies."""
    path = os.pathsep.join(filter(None, (str(SOURCES), os.environ.get("PYTHONPATH"))))
    limits = dict.fromkeys(THREAD_VARIABLES, str(threads)) | (JAX_SERIAL if threads == 1 else {})
    return {**environment_as_found(), **limits, "PYTHONPATH": path}


@contextmanager
def prepared(name: str, case: Case) -> Iterator[Process]:
    """A peer's process with the case's initial weights and batches. PeerFailed: its first loss is another."""
    process = Process(name, case.threads)
    try:
        with tempfile.TemporaryDirectory(prefix="fastnn-") as folder:
            file = Path(folder) / "case.npz"
            _write_case(file, case)
            optimizer = case.trainer.optimizer
            theirs = process.ask(
                do="prepare", file=str(file), layers=len(case.network.layers), optimizer=optimizer.name,
                learning_rate=optimizer.learning_rate,
            )["loss"]  # fmt: skip
        case.restart()
        ours = case.trainer.step(*case.batches[0])
        if not abs(theirs - ours) <= AGREEMENT[case.dtype] * abs(ours):
            raise PeerFailed(f"{name}: its first loss is {theirs:.9g}, ours {ours:.9g}")
        yield process
    finally:
        process.close()


def _write_case(file: Path, case: Case) -> None:
    """The initial weights and the batches, as fastnn.bench.peer_worker reads them."""
    parameters = case.network.named(case.initial)
    layers = range(len(case.network.layers))
    arrays = {f"w{i}": parameters[f"{i}.weight"] for i in layers}
    arrays |= {f"b{i}": parameters[f"{i}.bias"] for i in layers}
    arrays |= {"x": np.stack([x for x, _ in case.batches]), "y": np.stack([y for _, y in case.batches])}
    np.savez(file, allow_pickle=False, **arrays)


def ratio(theirs: Measurement, ours: Measurement) -> dict[str, float]:
    """Peer's time / ours, pair by pair: median, and the interval that holds it with 95 %."""
    median, low, high = median_interval([t / o for t, o in zip(theirs.times, ours.times, strict=True)])
    return {"median": median, "low": low, "high": high}


def in_turn(contestants: Sequence[Timed], budget: Budget, timer_s: float, pause: float = 0.0) -> list[Measurement]:
    """Blocks of each in turn, A B C A B C, within as many budgets as there are contestants.

    pause: seconds before each block.
    """
    seconds = len(contestants) * budget.seconds
    block = block_seconds(timer_s, budget.seconds / MOST_PAIRS)
    calls = [_calls(timed, block, WARM_UP_SHARE * budget.seconds) for timed in contestants]
    end = time.perf_counter() + seconds
    times: list[list[float]] = [[] for _ in contestants]
    while len(times[-1]) < LEAST_PAIRS or (len(times[-1]) < MOST_PAIRS and time.perf_counter() < end):
        for timed, count, found in zip(contestants, calls, times, strict=True):
            # After its turn to sleep each finds caches cold and its first calls slow: some run before the clock does.
            time.sleep(pause)
            _wake(timed, count // 10 + 1, AWAKE_SECONDS if pause else 0.0)
            found.append(timed(count) / count)
    return [Measurement(tuple(found), count) for found, count in zip(times, calls, strict=True)]


def _wake(timed: Timed, calls: int, seconds: float) -> None:
    """So many calls at least, and for so long."""
    begin = time.perf_counter()
    timed(calls)
    while time.perf_counter() - begin < seconds:
        timed(calls)


def _calls(timed: Timed, block: float, patience: float) -> int:
    """Warm-up by the contestant's own clock, so that a pipe does not count."""
    now = 0.0

    def run(calls: int) -> None:
        nonlocal now
        now += timed(calls)

    timed(1)  # compiles, in some libraries
    return warm_up(run, block, patience, clock=lambda: now)


def compare(case: Case, name: str, rows: Sequence[Row], ceilings: Ceilings, budget: Budget) -> Iterator[Row]:
    """The peer's row beside each of ours that it can be compared with, the ratio put into ours. Raises PeerFailed."""
    comparable = [row for row in rows if row["phase"] in PHASES and row["verdict"] != "refused"]
    if not comparable:
        return
    with thread_limit(case.threads), prepared(name, case) as process:
        for row in comparable:
            phase = row["phase"]
            contestants = [partial(seconds_of, case.run(phase)), partial(process.time, phase)]
            ours, theirs = in_turn(contestants, budget, ceilings.timer_s, settling(case.threads))
            row.setdefault("ratio_to", {})[name] = ratio(theirs, ours)
            yield _peer_row(case, name, phase, theirs, ratio(theirs, ours), ceilings)


def settling(threads: int) -> float:
    """The pause between blocks of work on that many threads."""
    return SETTLE_SECONDS if threads > 1 else 0.0


def _peer_row(
    case: Case, name: str, phase: str, measured: Measurement, ratio: dict[str, float], ceilings: Ceilings
) -> Row:
    unknown = dict.fromkeys(("compile_s", "residual", "loss_first", "loss_last"))
    about = {"peer": name, "ratio": ratio, "verdict": measured.verdict}
    return under(describe(case, phase) | times(case, phase, measured) | unknown | about, ceilings)
