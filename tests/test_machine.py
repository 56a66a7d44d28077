"""The machine's description and its measured ceilings."""

from __future__ import annotations

import json
import platform
import time
from pathlib import Path
from typing import Any

import needs
import numba
import numpy as np
import pytest
from bench_rows import private_words

from fastnn.simd import caches, handover, machine, peak
from fastnn.simd.machine import Ceilings, Level

ALL = numba.config.NUMBA_NUM_THREADS


def ceilings(flops: float = 100e9, near: float = 200e9, far: float = 20e9) -> Ceilings:
    near_level = Level("L1", 1000.0, 500, {"copy": near, "read": near / 2})
    levels = (near_level, Level("DRAM", float("inf"), 9000, {"copy": far, "read": far}))
    return Ceilings(1, "float32", flops, 5e-8, 2e-7, levels)


def test_description_names_no_user_and_no_host() -> None:
    assert private_words(json.dumps(machine.description())) == []


def test_description_is_plausible() -> None:
    about = machine.description()
    assert about["cores_logical"] >= (about["cores_physical"] or 1) >= 1
    assert about["memory"] > 2**28
    assert about["arch"] == platform.machine()
    for size in about["caches"].values():
        assert size is None or 2**13 <= size <= 2**31


def test_levels_are_measured_where_the_system_says_nothing_of_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(caches, "CACHE_FOLDER", tmp_path / "none")
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    assert machine.description()["caches"] == {"L1d": None, "L2": None, "L3": None}
    assert [name for name, _, _ in machine._level_sizes(1)] == ["L1", "L2", "L3", "DRAM"]


@pytest.mark.parametrize("threads", sorted({1, ALL}))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_measured_ceilings_are_plausible(threads: int, dtype: Any) -> None:
    measured = machine.measure(threads, dtype, 0.1)
    assert (measured.threads, measured.dtype) == (threads, dtype)
    assert 1e8 < measured.flops_per_s < 1e15
    assert [level.name for level in measured.levels] == ["L1", "L2", "L3", "DRAM"]
    for level in measured.levels:
        assert set(level.bandwidth) == {"copy", "triad", "read"}
        assert min(level.bandwidth.values()) > 1e6
        assert max(level.bandwidth.values()) < 1e14
    # A call reads no clock and a reading calls no kernel, but both are calls of a small function from Python.
    assert 0.1 < measured.call_s / measured.timer_s < 100
    assert json.loads(json.dumps(measured.as_dict(), allow_nan=False)) == measured.as_dict()


class MadeUpMachine:
    """A clock that moves by what calls take here: rounds of streams and of multiply-adds, first elements, readings."""

    ROUND, FIRST, READING = 1e-5, 2e-7, 5e-8

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(machine, "time", self)
        monkeypatch.setattr(machine, "sane_caches", lambda: caches.ASSUMED_CACHES)
        monkeypatch.setattr(peak, "fma_peak", lambda buffer, rounds: self.take(rounds * self.ROUND))
        monkeypatch.setattr(peak, "stream", lambda buffer, kind, rounds: self.take(rounds * self.ROUND))
        monkeypatch.setattr(peak, "first", lambda array: self.take(self.FIRST))

    def take(self, seconds: float) -> None:
        self.now += seconds

    def perf_counter(self) -> float:
        self.take(self.READING)
        return self.now


def test_ceilings_take_the_time_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = MadeUpMachine(monkeypatch)
    machine.measure(1, "float32", 0.4)
    # Beyond it, for the peak and each stream of each level: finding out how many rounds take long enough.
    assert 0.4 < made_up.now < 0.4 + 13 * 8 * machine.SERIAL_RUN


def test_a_call_and_a_reading_of_the_clock_are_timed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    MadeUpMachine(monkeypatch)
    assert machine.timer_overhead() == pytest.approx(MadeUpMachine.READING, rel=0.01)
    assert machine.call_overhead() == pytest.approx(MadeUpMachine.FIRST, rel=0.01)


def test_the_number_of_threads_is_left_as_it_was() -> None:
    before = numba.get_num_threads()
    machine.measure(1, "float32", 0.01)
    assert numba.get_num_threads() == before


def test_more_threads_reach_at_least_what_one_does() -> None:
    measured = machine.measure_each([ALL, 1], "float32", 0.05)
    one, several = measured[1], measured[ALL]
    assert several.flops_per_s >= one.flops_per_s
    for mine, theirs in zip(several.levels, one.levels, strict=True):
        assert all(mine.bandwidth[name] >= rate for name, rate in theirs.bandwidth.items())


def test_more_threads_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match=f"this machine has {ALL}"):
        machine.measure(ALL + 1)
    with pytest.raises(ValueError, match="float16"):
        machine.measure(1, "float16")


def test_the_floor_is_the_longer_of_computing_and_moving() -> None:
    assert ceilings().floor(flops=100e9, moved=0, working_set=10) == 1.0
    assert ceilings().floor(flops=0, moved=400e9, working_set=10) == 2.0  # by the best stream of L1
    assert ceilings().floor(flops=0, moved=40e9, working_set=5000) == 2.0  # too large for L1
    assert ceilings().floor(flops=100e9, moved=400e9, working_set=10) == 2.0


def test_raising_takes_the_higher_of_each_number() -> None:
    raised = ceilings(flops=1e9, near=9e9, far=1e9).raised_by(ceilings(flops=2e9, near=3e9, far=5e9))
    assert raised.flops_per_s == 2e9
    assert raised.levels[0].bandwidth == {"copy": 9e9, "read": 4.5e9}
    assert raised.levels[1].bandwidth == {"copy": 5e9, "read": 5e9}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_multiply_adds_are_made_as_often_as_they_are_counted(dtype: Any) -> None:
    itemsize = np.dtype(dtype).itemsize
    buffer = np.full((2, peak.chain_elements(itemsize)), 0.25, dtype)
    lanes = buffer.shape[1] // (peak.CHAINS + 2)
    buffer[:, -2 * lanes : -lanes], buffer[:, -lanes:] = 1, 2
    peak.fma_peak(buffer, 7)
    assert (buffer[:, : -2 * lanes] == 14.25).all()
    assert peak.flops_of_round(itemsize) == 2 * peak.CHAINS * lanes


def test_streams_touch_what_they_count() -> None:
    copied = np.arange(12, dtype=np.float32).reshape(1, 12)
    peak.stream(copied, peak.COPY, 1)
    assert copied[0].tolist() == [6, 7, 8, 9, 10, 11, 6, 7, 8, 9, 10, 11]
    triad = np.arange(6, dtype=np.float64).reshape(1, 6)
    peak.stream(triad, peak.TRIAD, 1)
    assert triad[0].tolist() == [2 + 0.5 * 4, 3 + 0.5 * 5, 2, 3, 4, 5]
    read = np.ones((2, 8), np.float32)
    peak.stream(read, peak.READ, 1)
    assert read[:, 0].tolist() == [4.0, 4.0]


@needs.two_cores
def test_a_word_goes_between_two_threads_and_back() -> None:
    """Every turn is answered, and all of them took no longer than the asking."""
    started = time.perf_counter()
    found = machine.handover_time()
    elapsed = time.perf_counter() - started
    assert found is None or 0 < found * machine.HANDOVERS < elapsed
    assert machine.measure(1, "float32", 0.05).handover_s is None


def test_nobody_answers_a_thread_that_is_alone() -> None:
    words = np.zeros(2 * handover.APART, np.int64)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        handover.hand_over(words, 10, 1000)
    finally:
        numba.set_num_threads(before)
    assert words[0] == 1  # asked once, then gave up
    assert words[handover.APART] <= 1
