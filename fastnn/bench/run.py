"""A whole run: ceilings, then every case of a plan in turn, the document growing row by row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from fastnn.bench import results
from fastnn.bench.beside import compare
from fastnn.bench.case import Case
from fastnn.bench.measuring import FAST, NORMAL, RIGOROUS, Budget
from fastnn.bench.peers.process import PeerFailed
from fastnn.bench.peers.registry import GENERATE, PEERS, cannot, versions
from fastnn.bench.rows import Row, beats_floor, rows_of, under
from fastnn.bench.rung import Rung
from fastnn.compiler.jit import threading_layer
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.simd import machine
from fastnn.simd.machine import Ceilings

Say = Callable[[str], object]

# Seconds of measuring ceilings, a thread count.
CEILING_SECONDS = {"fast": 0.15, "normal": 1.0, "rigorous": 3.0}
BUDGETS: dict[str, Budget] = {"fast": FAST, "normal": NORMAL, "rigorous": RIGOROUS}


@dataclass(frozen=True)
class Settings:
    """What to run. effort: "fast", "normal" or "rigorous"."""

    rungs: Sequence[Rung]
    batches: Sequence[int]
    threads: Sequence[int]
    dtype: str = "float32"
    optimizer: str = "sgd"
    effort: str = "normal"
    peers: Sequence[str] = ()
    device: str = "cpu"
    phases: Sequence[str] = results.ALL_PHASES

    @property
    def row_count(self) -> int:
        """Rows of a run in which nothing is refused."""
        return sum(
            len(phases := self.phases_of(rung))
            + sum(phase in PEERS[peer].phases for peer in self.peers_of(rung) for phase in phases)
            for rung, _, _ in self.cases
        )

    def phases_of(self, rung: Rung) -> list[str]:
        """Those that it has: language models alone generate."""
        return [phase for phase in self.phases if phase != GENERATE or rung.heads]

    def peers_of(self, rung: Rung) -> list[str]:
        """Those that can train it."""
        return [peer for peer in self.peers if not cannot(peer, rung.sizes, rung.heads, self.optimizer)]

    @property
    def left_out(self) -> list[str]:
        """A sentence for each peer and reason why it does not run some of the networks."""
        reasons: dict[tuple[str, str], list[str]] = {}
        for peer, rung in product(self.peers, dict.fromkeys(self.rungs)):
            if reason := cannot(peer, rung.sizes, rung.heads, self.optimizer):
                reasons.setdefault((peer, reason), []).append(rung.name)
        return [f"{peer} is left out of {', '.join(names)}: {reason}" for (peer, reason), names in reasons.items()]

    @property
    def cases(self) -> list[tuple[Rung, int, int]]:
        """Each once, however often it was asked for."""
        return list(dict.fromkeys(product(self.rungs, self.batches, self.threads)))


@dataclass
class Report:
    """What a run has so far."""

    settings: Settings
    ceilings: dict[int, Ceilings] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def _context(self) -> dict[str, Any]:
        found = results.context(self.settings.threads, self.settings.dtype) | {
            "device": self.settings.device,
            "effort": self.settings.effort,
            "peer_versions": versions(self.settings.peers),
        }
        if self.settings.device == "cpu":
            return found
        from fastnn.cuda.target import description

        return found | {"gpu": description()}

    @property
    def document(self) -> dict[str, Any]:
        """As results.validate wants it, however far the run has come."""
        found = {
            "threading_layer": threading_layer(),
            "ceilings": [ceilings.as_dict() for ceilings in self.ceilings.values()],
        }
        return results.document(self._context | found, self.rows, self.fits)

    @property
    def failed(self) -> bool:
        """Whether a row or a peer was refused."""
        return bool(self.refused or self.failures)

    @property
    def refused(self) -> list[Row]:
        return [row for row in self.rows if row["verdict"] == "refused"]

    def measure_ceilings(self) -> None:
        seconds = CEILING_SECONDS[self.settings.effort]
        if self.settings.device == "cpu":
            self.ceilings = machine.measure_each(self.settings.threads, self.settings.dtype, seconds)
        else:
            self.ceilings = {threads: self._measure(threads) for threads in self.settings.threads}

    def _measure(self, threads: int) -> Ceilings:
        """Of the device that runs the networks."""
        settings = self.settings
        seconds = CEILING_SECONDS[settings.effort]
        if settings.device == "cpu":
            return machine.measure(threads, settings.dtype, seconds)
        from fastnn.cuda import ceilings

        return ceilings.measure(settings.dtype, seconds)

    def fit(self) -> None:
        """The law of the rows so far, where they are of enough networks."""
        if len({row["params"] for row in self.rows}) < 2:
            return
        from fastnn.bench.fits import fits  # SciPy takes 0.3 s to import

        self.fits = fits(self.rows, self.ceilings, self.settings.device)

    def add(self, row: Row) -> None:
        """Keep a row, under the ceilings known by now; where it beats its floor, they are measured anew and raised."""
        threads = row["threads"]
        self.rows.append(row)
        row.update(under(row, self.ceilings[threads]))
        if beats_floor(row):
            self.ceilings[threads] = self.ceilings[threads].raised_by(self._measure(threads))
            for known in self.rows:
                known.update(under(known, self.ceilings[known["threads"]]))


def run(report: Report, begin_case: Say, after_row: Callable[[], object], say: Say) -> None:
    """Fills the report. begin_case(what) before each case, after_row() when a row has come; say() what went wrong."""
    settings = report.settings
    budget = BUDGETS[settings.effort]
    report.measure_ceilings()
    for rung, batch, threads in settings.cases:
        begin_case(f"{rung.name}, batch {batch}, {threads} thread{'s' if threads > 1 else ''}")
        case = Case(rung, batch, threads, settings.dtype, settings.optimizer, settings.device)
        ours = []
        for row in rows_of(case, settings.phases_of(rung), report.ceilings[threads], budget):
            report.add(row)
            ours.append(row)
            after_row()
        for peer in settings.peers_of(rung):
            try:
                for row in compare(case, peer, ours, report.ceilings[threads], budget):
                    report.add(row)
                    after_row()
            except (PeerFailed, NonFiniteLoss) as failure:
                report.failures.append(f"{case.rung.name}, {threads} thread(s): refused, {failure}")
                say(report.failures[-1])
