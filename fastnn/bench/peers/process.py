"""A peer's process: how it is started, asked and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastnn.compiler.jit import environment_as_found

SOURCES = Path(__file__).parents[3]
# What Python runs in a peer's process; the name of the peer and the number of threads follow.
WORKER = ("-m", "fastnn.bench.peers.worker")
THREAD_VARIABLES = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

# JAX takes its number of threads from NPROC alone (its XLA flags leave a product of 1024 on both cores, 205 GFLOP/s
# where one core gives 118). With one, dispatch on the thread of the caller saves the hand-over.
JAX_SERIAL = {"JAX_CPU_ENABLE_ASYNC_DISPATCH": "false"}


class PeerFailed(RuntimeError):
    """A peer could not do the work, or gave another loss."""


class Process:
    """A peer's process, held to a number of threads; see fastnn.bench.peers.worker.

    variables: what its environment has beside ours.
    """

    def __init__(
        self, name: str, threads: int, worker: Sequence[str] = WORKER, variables: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, *worker, name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=_environment(threads) | dict(variables or {}),
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
