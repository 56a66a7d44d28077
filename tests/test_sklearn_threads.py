"""Epochs are tried on one thread and on all, while they are short, and the faster stays."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numba
import numpy as np
import pytest

from fastnn.machine import thread_limit
from fastnn.sklearn import FastMLPRegressor
from fastnn.sklearn.threads import LONGEST_TRIED, TRIALS, ThreadTrial

MOST = numba.config.NUMBA_NUM_THREADS
needs_threads = pytest.mark.skipif(MOST == 1, reason="one thread is all")


def threads_of(epochs: int, seconds: Mapping[int, float], first: float = 0.0) -> list[int]:
    """The threads of each epoch, on a made-up machine where one takes so long; the first takes longer."""
    now, used = 0.0, []
    trial = ThreadTrial(lambda: now)

    def epoch() -> int:
        nonlocal now
        used.append(numba.get_num_threads())
        now += seconds[used[-1]] + (first if len(used) == 1 else 0.0)
        return len(used)

    assert [trial.run(epoch) for _ in range(epochs)] == list(range(1, epochs + 1))
    return used


@needs_threads
@pytest.mark.parametrize("faster", [1, MOST])
@pytest.mark.parametrize("first", [0.0, 3.0], ids=["warm", "compiling"])
def test_the_faster_of_both_makes_all_epochs_after_the_trials(faster: int, first: float) -> None:
    used = threads_of(20, {1: 0.004, MOST: 0.004} | {faster: 0.003}, first)
    tried, rest = used[: 2 * TRIALS], used[2 * TRIALS :]
    assert used[0] == MOST
    assert tried.count(1) == tried.count(MOST) == TRIALS
    assert set(rest) == {faster}


@needs_threads
def test_long_epochs_are_left_to_all_threads() -> None:
    assert set(threads_of(9, {1: 0.0, MOST: 1.1 * LONGEST_TRIED})) == {MOST}


def test_where_one_thread_is_all_there_is_nothing_to_try() -> None:
    with thread_limit(1):
        assert set(threads_of(9, {1: 0.001})) == {1}


def test_the_number_of_threads_is_left_as_it_was_after_an_error_too() -> None:
    before, trial = numba.get_num_threads(), ThreadTrial()

    def failing() -> None:
        raise KeyboardInterrupt

    for epoch in (lambda: None, lambda: None, failing):
        with suppress(KeyboardInterrupt):
            trial.run(epoch)
        assert numba.get_num_threads() == before


@needs_threads
def test_whatever_is_chosen_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(0).normal(size=(400, 60))
    fitted = []
    for threads in (1, MOST):
        monkeypatch.setattr(ThreadTrial, "threads", lambda self, count=threads: count)
        fitted.append(FastMLPRegressor((300,), random_state=0, max_iter=9, tol=1e9, n_iter_no_change=2).fit(x, x[:, 0]))
    assert fitted[0].coefs_[0].tobytes() == fitted[1].coefs_[0].tobytes()
