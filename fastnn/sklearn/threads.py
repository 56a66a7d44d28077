"""One thread or all, by the clock: the results are the same bits, so epochs may try both.

Threads pay for 64-100-10 at batch 200 where cores are close, by up to 17 %: an epoch of the digits in float64 takes 460
us on two and 554 on one. Where a hypervisor has moved the cores apart, and a word between them takes 0.5 us for 0.1, it
takes 904 us on two; where another process has one of the cores, now and then 80 ms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from numba import get_num_threads, set_num_threads

Result = TypeVar("Result")

# Epochs on each to begin with, in turn. The first does not count: it may compile.
TRIALS = 2
# Rows times parameters of an epoch, a third of its multiply-adds: 20 ms on one thread of 50 GFLOP/s. Longer ones are
# left to all threads, since one of many would take too long to try.
MOST_WORK = 170_000_000


class ThreadTrial:
    """Runs epochs of so much work on one thread or on all, whichever took less time on average so far."""

    def __init__(self, work: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._all = int(get_num_threads())
        choices = {1, self._all} if work <= MOST_WORK else {self._all}
        self._epochs = dict.fromkeys(choices, 0)
        self._seconds = dict.fromkeys(choices, 0.0)

    def threads(self) -> int:
        """Of the next epoch."""
        least_tried = min(self._epochs, key=lambda threads: self._epochs[threads])
        if self._epochs[least_tried] < TRIALS:
            return least_tried
        return min(self._seconds, key=lambda threads: self._seconds[threads] / (self._epochs[threads] - 1))

    def run(self, epoch: Callable[[], Result]) -> Result:
        threads = self.threads()
        set_num_threads(threads)
        try:
            start = self._clock()
            result = epoch()
            if self._epochs[threads]:
                self._seconds[threads] += self._clock() - start
            self._epochs[threads] += 1
        finally:
            set_num_threads(self._all)
        return result
