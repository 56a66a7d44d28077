"""One thread or all, by the clock: the results are the same bits, so the first epochs may try both.

Threads pay for 64-100-10 at batch 200 where cores are close, by up to 12 %; where a hypervisor has moved them apart, so
that a word between them takes 0.5 us for 0.1, an epoch of the digits takes 904 us on two and 552 on one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from numba import get_num_threads, set_num_threads

Result = TypeVar("Result")

# Epochs on each, in turn; the fastest of each counts, since the first of all may compile.
TRIALS = 3
# Longer epochs, in seconds, are left to all threads: one of sixteen would take too long to try.
LONGEST_TRIED = 0.02


class ThreadTrial:
    """Runs epochs, the first of them on one thread and on all in turn, the others on what was faster."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._all = get_num_threads()
        self._times: dict[int, list[float]] = {self._all: [], 1: []}

    def threads(self) -> int:
        """Of the next epoch."""
        alone, shared = self._times[1], self._times[self._all]
        if len(alone) >= TRIALS:
            return min(self._times, key=lambda threads: min(self._times[threads][:TRIALS]))
        tries = min(shared, default=LONGEST_TRIED) < LONGEST_TRIED
        return 1 if tries and len(alone) < len(shared) else self._all

    def run(self, epoch: Callable[[], Result]) -> Result:
        threads = self.threads()
        set_num_threads(threads)
        try:
            start = self._clock()
            result = epoch()
            self._times[threads].append(self._clock() - start)
        finally:
            set_num_threads(self._all)
        return result
