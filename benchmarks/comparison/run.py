"""A whole comparison: ceilings, then every case at each number of threads, the document growing row by row.

{"schema": "fastnn-kernels/1", "context": {...}, "rows": [row, ...]}. A row has "ours", a timing by the way of calling,
and "peers", a timing by the name, each with the "ratio" of its time to ours, pair by pair, by the way of calling ours;
"absent" says why a peer is not among them. A row is refused, without times, where our answer is wrong.

Shares of the peak, of products and convolutions, are of "peak_flops_per_s": multiply-adds in registers that took turns
with the row's calls, since the clock of a shared machine is not the same all day. Other rows take that of the context's
ceilings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from case import Case
from limits import Arrays

from comparison import ours
from comparison.groups import title
from comparison.peers import Peers, Ready, peers, versions
from fastnn.bench import results
from fastnn.bench.measuring import Budget, Measurement, seconds_of
from fastnn.bench.peers.process import PeerFailed
from fastnn.bench.rows import finite
from fastnn.bench.run import CEILING_SECONDS
from fastnn.bench.turns import Timed, in_turn, ratio, settling
from fastnn.compiler.jit import threading_layer
from fastnn.simd import machine
from fastnn.simd.machine import Ceilings, thread_limit

SCHEMA = "fastnn-kernels/1"
# A contestant's share of a row. 0.1 s is some thirty blocks of 2.5 ms on one thread; on two the pauses leave six.
BUDGETS = {"fast": Budget(0.01), "normal": Budget(0.1)}

# Operations whose share of the peak is of one that took turns with them.
PRODUCTS = ("matmul", "convolution")

Row = dict[str, Any]
Say = Callable[[str], object]


@dataclass(frozen=True)
class Settings:
    """What to compare. absent: peers that are wanted and why they are not there. effort: "fast" or "normal"."""

    cases: Sequence[tuple[str, Case]]
    threads: Sequence[int]
    peers: Sequence[str]
    absent: dict[str, str]
    effort: str = "normal"


@dataclass
class Report:
    """What a comparison has so far."""

    settings: Settings
    ceilings: dict[tuple[str, int], Ceilings] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    @cached_property
    def _context(self) -> dict[str, Any]:
        context = results.context(self.settings.threads, ", ".join(self._dtypes))
        context["versions"] |= versions(self.settings.peers)
        return context | {"peers": list(self.settings.peers), "absent": self.settings.absent}

    @property
    def _dtypes(self) -> list[str]:
        return list(dict.fromkeys(case.dtype for _, case in self.settings.cases))

    @property
    def document(self) -> dict[str, Any]:
        ceilings = [each.as_dict() for each in self.ceilings.values()]
        return {
            "schema": SCHEMA,
            "context": self._context | {"threading_layer": threading_layer(), "ceilings": ceilings},
            "rows": self.rows,
        }

    @property
    def refused(self) -> list[Row]:
        return [row for row in self.rows if row["verdict"] == "refused"]

    @property
    def _ceiling_seconds(self) -> float:
        return CEILING_SECONDS[self.settings.effort]

    def measure_ceilings(self) -> None:
        for dtype in self._dtypes:
            measured = machine.measure_each(self.settings.threads, dtype, self._ceiling_seconds)
            self.ceilings |= {(dtype, threads): ceilings for threads, ceilings in measured.items()}

    def add(self, row: Row) -> None:
        """Keep a row, with its shares of the ceilings; where it beats its floor, they are measured anew and raised."""
        self.rows.append(row)
        dtype, threads = kind = row["dtype"], row["threads"]
        _put_under(row, self.ceilings[kind])
        if any(timing["floor_fraction"] > 1 for timing in _timings_of(row)):
            again = machine.measure(threads, dtype, self._ceiling_seconds)
            self.ceilings[kind] = self.ceilings[kind].raised_by(again)
            for known in self.rows:
                _put_under(known, self.ceilings[known["dtype"], known["threads"]])


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """One thread stays on one core, with the processes that it starts, where the system can do that.

    Threads that exist already stay where they are, so numba's must be there before.
    """
    if threads > 1 or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})  # the first core has the interrupts
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def compare(report: Report, begin: Say, after_row: Callable[[], object]) -> None:
    """Fills the report. begin(what) before each row, after_row() when it has come."""
    settings = report.settings
    report.measure_ceilings()  # on all threads, which start them
    for threads in settings.threads:
        with pinned(threads), thread_limit(threads), peers(settings.peers, threads) as found:
            for group, case in settings.cases:
                begin(f"{group}: {title(case)}, {case.dtype}, {threads} thread{'s' * (threads > 1)}")
                timer_s = report.ceilings[case.dtype, threads].timer_s
                report.add(_row(group, case, threads, found, BUDGETS[settings.effort], timer_s))
                after_row()


def _row(group: str, case: Case, threads: int, found: Peers, budget: Budget, timer_s: float) -> Row:
    inputs = case.inputs()
    answers = ours.Answers(case, inputs)
    residual = ours.residual(case, inputs, answers)
    row = _describe(group, case, threads, inputs) | {"residual": finite(residual)}
    if not residual <= 1:
        return row | _refusal(f"error over limit, against the reference: {residual:.3g}")
    ready, absent = found.prepare(case, inputs, answers)
    row["absent"] = absent
    timed: dict[str, Timed] = {way: partial(seconds_of, run) for way, run in ours.ways(case, inputs).items()}
    timed |= {name: peer.timed for name, peer in ready.items()}
    if case.op in PRODUCTS:
        timed["peak"], flops = ours.peak(threads, case)
    try:
        measured = in_turn(list(timed.values()), budget, timer_s, settling(threads))
    except PeerFailed as failure:
        found.close()
        return row | _refusal(str(failure))
    times = dict(zip(timed, measured, strict=True))
    if "peak" in times:
        row["peak_flops_per_s"] = flops / times["peak"].median
    return row | _timings(times, ready)


def _refusal(reason: str) -> Row:
    return {"verdict": "refused", "reason": reason, "ours": {}, "peers": {}}


def _describe(group: str, case: Case, threads: int, inputs: Arrays) -> Row:
    """Names and exact counts of one call."""
    cost = case.cost()
    working_set = sum(array.nbytes for array in (inputs | case.outputs(inputs)).values())
    return {
        "group": group, "name": title(case), "op": case.op, "dtype": case.dtype, "threads": threads,
        "flops": cost.flops, "transcendentals": cost.transcendentals, "bytes_min": cost.bytes,
        "working_set": working_set, "absent": {},
    }  # fmt: skip


def _timings(measured: dict[str, Measurement], ready: dict[str, Ready]) -> Row:
    def beside_ours(name: str, peer: Ready) -> Row:
        ratios = {way: ratio(measured[name], measured[way]) for way in ours.WAYS}
        return _timing(measured[name]) | {"how": peer.how, "residual": peer.residual, "ratio": ratios}

    mine = {way: _timing(measured[way]) for way in ours.WAYS}
    return {
        "verdict": mine["nopython"]["verdict"],
        "ours": mine,
        "peers": {name: beside_ours(name, peer) for name, peer in ready.items()},
    }


def _timing(measured: Measurement) -> Row:
    return {
        "median_s": measured.median, "iqr_s": measured.iqr, "min_s": measured.min, "calls": measured.calls,
        "blocks": len(measured.times), "verdict": measured.verdict,
    }  # fmt: skip


def _timings_of(row: Row) -> list[Row]:
    return [*row["ours"].values(), *row["peers"].values()]


def _put_under(row: Row, ceilings: Ceilings) -> None:
    """The floor of a row, the rates of its timings, and their shares of what these ceilings allow."""
    row["floor_s"] = ceilings.floor(row["flops"], row["bytes_min"], row["working_set"])
    for timing in _timings_of(row):
        rate = row["flops"] / timing["median_s"]
        timing["gflops"], timing["peak_fraction"] = rate / 1e9, rate / row.get("peak_flops_per_s", ceilings.flops_per_s)
        timing["floor_fraction"] = row["floor_s"] / timing["median_s"]
