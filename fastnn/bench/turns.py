"""Contestants in turn, A B A B, so that drift hits all alike; the ratio is taken pair by pair."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fastnn.bench.measuring import WARM_UP_SHARE, Budget, Measurement, block_seconds, median_interval, warm_up

# Order statistics enclose the median with 95 % from 6 pairs on.
LEAST_PAIRS, MOST_PAIRS = 6, 40
# After parallel work OpenBLAS spins for 2^28 cycles, 105 ms here, and OpenMP for a few: until threads of either side
# sleep. With 50 ms a step of ours next to NumPy took up to 30 times as long as by itself.
SETTLE_SECONDS = 0.12
# Threads that wake together may share a core until the system spreads them, and spin for a time slice each: calls of 13
# us then take 4 ms.
AWAKE_SECONDS = 0.02

# Seconds of n calls, by the clock of the process that makes them.
Timed = Callable[[int], float]


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

    return warm_up(run, block, patience, clock=lambda: now)


def settling(threads: int) -> float:
    """The pause between blocks of work on that many threads."""
    return SETTLE_SECONDS if threads > 1 else 0.0
