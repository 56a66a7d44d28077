"""The measuring protocol: warm up until calls agree, then timed blocks until their spread is small or time is out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

# Makes n calls of what is measured.
Run = Callable[[int], object]
Clock = Callable[[], float]

# Share of a block that reading the clock may take.
TIMER_SHARE = 1e-4
# A warm-up ends when this many blocks in a row lie within this share of one another.
AGREEING_BLOCKS, AGREEMENT = 3, 0.05
WARM_UP_SHARE = 0.25
# Spread, as IQR / median: measured until it is below the first; above the others the row says so.
ENOUGH, NOISY, VERY_NOISY = 0.05, 0.10, 0.25
# Quartiles of fewer blocks say little; a block is so long that the budget holds at most this many.
LEAST_BLOCKS, MOST_BLOCKS = 20, 200
# However slow a call is, the median of three.
FEWEST_BLOCKS = 3


@dataclass(frozen=True, slots=True)
class Budget:
    """seconds: for one measurement, warm-up included. spread: IQR / median that ends it early."""

    seconds: float
    spread: float = ENOUGH


FAST, NORMAL, RIGOROUS = Budget(0.2), Budget(1.5), Budget(10.0, spread=0.01)


@dataclass(frozen=True, slots=True)
class Measurement:
    """Seconds of one call: the mean of each block, in the order they ran, and calls in a block."""

    times: tuple[float, ...]
    calls: int

    @property
    def median(self) -> float:
        return float(np.median(self.times))

    @property
    def iqr(self) -> float:
        low, high = np.percentile(self.times, (25, 75))
        return float(high - low)

    @property
    def min(self) -> float:
        return min(self.times)

    @property
    def spread(self) -> float:
        """IQR / median."""
        return self.iqr / self.median

    @property
    def verdict(self) -> str:
        if self.spread > VERY_NOISY:
            return "very noisy"
        return "noisy" if self.spread > NOISY else "ok"


def measure(run: Run, budget: Budget, timer_s: float = 1e-7, clock: Clock = time.perf_counter) -> Measurement:
    """Times run(n), n calls at once; timer_s is what reading the clock takes."""
    end = clock() + budget.seconds
    block = block_seconds(timer_s, budget.seconds / MOST_BLOCKS)
    calls = warm_up(run, block, WARM_UP_SHARE * budget.seconds, clock)
    times: list[float] = []
    while not _is_enough(times, budget.spread, clock() >= end):
        times.append(seconds_of(run, calls, clock) / calls)
    return Measurement(tuple(times), calls)


def _is_enough(times: Sequence[float], spread: float, late: bool) -> bool:
    if late:
        return len(times) >= FEWEST_BLOCKS
    return len(times) >= LEAST_BLOCKS and Measurement(tuple(times), 1).spread < spread


def seconds_of(run: Run, calls: int, clock: Clock = time.perf_counter) -> float:
    start = clock()
    run(calls)
    return clock() - start


def block_seconds(timer_s: float, least: float) -> float:
    """What a block takes at the least: the clock is read twice and may cost TIMER_SHARE of it."""
    return max(2 * timer_s / TIMER_SHARE, least)


def warm_up(run: Run, block: float, patience: float, clock: Clock = time.perf_counter) -> int:
    """Runs until the last calls agree, or for `patience` seconds; returns how many calls take `block` seconds."""
    end = clock() + patience
    run(1)  # may load kernels for longer than the patience, and says nothing about the calls after it
    calls, recent = 1, [seconds_of(run, 1, clock)]
    while recent[-1] < block or (not _agree(recent) and clock() < end):
        if recent[-1] < block:
            calls = _more_calls(calls, recent[-1], block)
            recent.clear()
        recent.append(seconds_of(run, calls, clock))
    return calls


def _more_calls(calls: int, elapsed: float, block: float) -> int:
    """At most ten times as many, since the first calls are slower than the rest."""
    return int(calls * min(10.0, 1.2 * block / max(elapsed, 1e-9))) + 1


def _agree(recent: Sequence[float]) -> bool:
    last = recent[-AGREEING_BLOCKS:]
    return len(last) == AGREEING_BLOCKS and max(last) <= (1 + AGREEMENT) * min(last)


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Median and the order statistics that enclose the true one with 95 % confidence (all of them for fewer than 6)."""
    ordered = sorted(values)
    n = len(ordered)
    below = max(0, int(np.floor((n - 1.96 * np.sqrt(n)) / 2)))
    return float(np.median(ordered)), ordered[below], ordered[n - 1 - below]
