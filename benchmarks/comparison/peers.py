"""The processes of peers, which are given a case and make its calls when asked; see benchmarks/kernel_peer.py."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from case import Case
from kernel_peer import LIBRARIES
from limits import Arrays
from update_cases import LEARNING_RATE

from comparison.ours import Answers
from fastnn.bench.peers.process import PeerFailed, Process
from fastnn.bench.turns import Timed

NAMES = tuple(LIBRARIES)
WORKER = (str(Path(__file__).parents[1] / "kernel_peer.py"),)
# A peer may round more than our limits allow: JAX's adam, whose bias corrections are float32, errs by 28 of them. One
# that errs by more does less work: compiled PyTorch's erf by 3400, since near 0 its relative error grows.
SLACK = 100.0


def package(name: str) -> str:
    """torch_compiled is in torch."""
    return name.partition("_")[0]


def present(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Those that are installed, and why the others are left out."""
    absent = {name: f"{package(name)} is not installed" for name in names if find_spec(package(name)) is None}
    return [name for name in names if name not in absent], absent


def versions(names: Sequence[str]) -> dict[str, str]:
    return {package(name): version(package(name)) for name in names}


@dataclass(frozen=True, slots=True)
class Ready:
    """A peer that holds a case: its calls, how it spells them, the residual of its answer."""

    timed: Timed
    how: str
    residual: float


class Peers:
    """Processes on a number of threads, started when first needed; one that fails is started anew for the next case."""

    def __init__(self, names: Sequence[str], threads: int, folder: Path) -> None:
        self.names, self._threads, self._folder = names, threads, folder
        self._processes: dict[str, Process] = {}

    def prepare(self, case: Case, inputs: Arrays, answers: Answers) -> tuple[dict[str, Ready], dict[str, str]]:
        """The peers that can make the case's calls, and why the others cannot."""
        file = self._folder / "inputs.npz"
        np.savez(file, allow_pickle=False, **inputs)
        request = {"op": case.op, "about": asdict(case) | {"learning_rate": LEARNING_RATE}, "inputs": str(file)}
        ready, absent = {}, {}
        for name in self.names:
            try:
                ready[name] = self._ask(name, request, answers)
            except PeerFailed as failure:
                absent[name] = str(failure)
                if name in self._processes:
                    self._processes.pop(name).close()
            except LookupError as reason:
                absent[name] = str(reason)
        return ready, absent

    def _ask(self, name: str, request: Mapping[str, Any], answers: Answers) -> Ready:
        """LookupError: the peer does not offer this, or not as exactly."""
        if name not in self._processes:
            self._processes[name] = Process(name, self._threads, WORKER)
        process, file = self._processes[name], self._folder / f"{name}.npz"
        answer = process.ask(do="prepare", outputs=str(file), **request)
        if "skipped" in answer:
            raise LookupError(answer["skipped"])
        with np.load(file) as outputs:
            residual = answers.residual(dict(outputs))
        if not residual <= SLACK:
            raise LookupError(f"its error is {residual:.3g} of the limit")
        return Ready(partial(process.time, "call"), answer["how"], residual)

    def close(self) -> None:
        for process in self._processes.values():
            process.close()
        self._processes.clear()


@contextmanager
def peers(names: Sequence[str], threads: int) -> Iterator[Peers]:
    with tempfile.TemporaryDirectory(prefix="fastnn-") as folder:
        found = Peers(names, threads, Path(folder))
        try:
            yield found
        finally:
            found.close()
