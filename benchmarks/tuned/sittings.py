"""A constant beside its neighbours: a process for each, all alive at once, of which one runs at a time.

What one value compiles is kept in a folder of this run for all others: kernels that the constant has no part in are
compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from comparison.run import pinned

from fastnn.bench.measuring import Budget
from fastnn.bench.peers.process import Process
from fastnn.bench.turns import in_turn, settling
from fastnn.compiler.jit import SPIN_COUNT, SPINS
from tuned.constants import Constant
from tuned.judging import Row, beside, loses, mean
from tuned.workloads import as_request, title

WORKER = (str(Path(__file__).parents[1] / "tuning_worker.py"),)
# A contestant's share of a workload: forty blocks of 5 ms on one thread; on two the pauses leave six.
BUDGETS = {"fast": Budget(0.02), "normal": Budget(0.2)}
# What reading the clock takes, at the most.
TIMER_S = 1e-7


@contextmanager
def workers(constant: Constant, values: Sequence[Any], cache: Path) -> Iterator[tuple[Process, list[Process]]]:
    """The process of the value in force, and one of each of these values."""
    variables: Mapping[str, str] = {
        "FASTNN_CACHE_DIR": str(cache), "NUMBA_NUM_THREADS": str(constant.threads), SPIN_COUNT: SPINS,
    }  # fmt: skip

    def started(change: str) -> Process:
        return stack.enter_context(closing(Process(change, constant.threads, WORKER, variables)))

    with pinned(constant.threads), ExitStack() as stack:
        yield started("null"), [started(constant.change(value).as_text()) for value in values]


def measured(constant: Constant, values: Sequence[Any], budget: Budget, cache: Path) -> list[Row]:
    """A row of each of these neighbours: "value", "cases", which it makes in another way, their "mean", and "loses"."""
    cases: dict[Any, list[Row]] = {value: [] for value in values}
    with workers(constant, values, cache) as (ours, theirs):
        for case in constant.cases:
            others = {v: p for v, p in zip(values, theirs, strict=True) if constant.decides(v, case)}
            for process in (ours, *others.values()) if others else ():
                process.ask(do="prepare", **as_request(case))
            contestants = [partial(process.time, "call") for process in (ours, *others.values())]
            mine, *found = in_turn(contestants, budget, TIMER_S, settling(constant.threads)) if others else [None]
            for value, measurement in zip(others, found, strict=True):
                cases[value].append({"name": title(case), "in_force_s": mine.median} | beside(measurement, mine))
    return [_judged(value, rows) for value, rows in cases.items() if rows]


def _judged(value: Any, cases: list[Row]) -> Row:
    found = mean(cases)
    return {"value": value, "cases": cases, "mean": found, "loses": loses(found)}


def compared(constant: Constant, budget: Budget, cache: Path) -> Row:
    """All neighbours. One that wins is measured again, in new processes, whose code and arrays lie elsewhere: the
    second figures stand."""
    first = measured(constant, constant.others, budget, cache)
    won = [row["value"] for row in first if row["loses"]]
    again = {row["value"]: row for row in (measured(constant, won, budget, cache) if won else [])}
    return {
        "name": constant.name, "home": constant.home, "in_force": constant.in_force, "threads": constant.threads,
        "neighbours": [again.get(row["value"], row) for row in first],
    }  # fmt: skip
