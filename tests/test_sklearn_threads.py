"""Epochs are tried on one thread and on all, while they are short, and the faster stays."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import needs
import numba
import numpy as np
import pytest

from fastnn.simd.machine import thread_limit
from fastnn.sklearn import FastMLPRegressor
from fastnn.sklearn.threads import MOST_WORK, TRIALS, ThreadTrial

MOST = numba.config.NUMBA_NUM_THREADS


Seconds = Callable[[int, int], float]


def threads_of(epochs: int, seconds: Seconds, work: int = 1) -> list[int]:
    """The threads of each epoch on a made-up machine; seconds(epoch, threads)."""
    now = 0.0
    used: list[int] = []
    trial = ThreadTrial(work, lambda: now)

    def epoch() -> int:
        nonlocal now
        used.append(numba.get_num_threads())
        now += seconds(len(used), used[-1])
        return len(used)

    assert [trial.run(epoch) for _ in range(epochs)] == list(range(1, epochs + 1))
    return used


@needs.two_cores
@pytest.mark.parametrize("faster", [1, MOST])
@pytest.mark.parametrize("first", [0.003, 3.0], ids=["warm", "compiling"])
def test_the_faster_of_both_makes_all_epochs_after_the_trials(faster: int, first: float) -> None:
    used = threads_of(20, lambda epoch, threads: first if epoch == 1 else 0.003 if threads == faster else 0.004)
    tried, rest = used[: 2 * TRIALS], used[2 * TRIALS :]
    assert tried.count(1) == tried.count(MOST) == TRIALS
    assert set(rest) == {faster}


@needs.two_cores
def test_threads_that_become_slow_are_left() -> None:
    """As when another process begins to work on one of the cores."""
    used = threads_of(100, lambda epoch, threads: 0.004 if threads == 1 else 0.003 if epoch < 50 else 0.080)
    assert set(used[10:49]) == {MOST}
    assert set(used[53:]) == {1}


@needs.two_cores
def test_long_epochs_are_left_to_all_threads() -> None:
    assert set(threads_of(9, lambda _, threads: float(threads > 1), work=MOST_WORK + 1)) == {MOST}
    assert 1 in threads_of(9, lambda _, threads: float(threads > 1), work=MOST_WORK)


def test_where_one_thread_is_all_there_is_nothing_to_try() -> None:
    with thread_limit(1):
        assert set(threads_of(9, lambda *_: 0.001)) == {1}


def test_the_number_of_threads_is_left_as_it_was_after_an_error_too() -> None:
    before, trial = numba.get_num_threads(), ThreadTrial(1)

    def failing() -> None:
        raise KeyboardInterrupt

    for epoch in (lambda: None, lambda: None, failing):
        with suppress(KeyboardInterrupt):
            trial.run(epoch)
        assert numba.get_num_threads() == before


@needs.two_cores
def test_whatever_is_chosen_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(400, 60))
    fitted = []
    for threads in (1, MOST):
        monkeypatch.setattr(ThreadTrial, "threads", lambda self, count=threads: count)
        fitted.append(FastMLPRegressor((300,), random_state=0, max_iter=9, tol=1e9, n_iter_no_change=2).fit(x, x[:, 0]))
    assert fitted[0].coefs_[0].tobytes() == fitted[1].coefs_[0].tobytes()
