"""This machine: what it says it is, and the ceilings that kernels of ours reach on it.

A ceiling is the best of several short runs: peak rate of fused multiply-adds, bandwidth of copy, triad and read for
working sets that fit each cache and for memory, cost of reading the clock and of calling a kernel.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import psutil
from numpy.typing import DTypeLike, NDArray

from fastnn.edge.checks import as_count, as_dtype
from fastnn.simd import handover, peak
from fastnn.simd.caches import caches, sane_caches, sysctl
from fastnn.simd.host import UNIT

PRIVATE_CACHES = ("L1d", "L2")
# Memory is streamed through a buffer of twice the last cache, within these bounds: touching it first takes 0.3 s a GB.
MEMORY_BYTES = (32 * 2**20, 512 * 2**20)
# Share of the time for the rate of multiply-adds; the streams share the rest.
PEAK_SHARE = 0.25
# One timed run: long against the clock (50 ns) and short against a time slice (4 ms); of several threads, long against
# the wait for a core on a busy machine.
SERIAL_RUN, PARALLEL_RUN = 0.5e-3, 2e-3
LEAST_RUNS, LONG_RUNS, PATIENCE = 5, 3, 2.0
# Runs whose median is the pace of the moment.
PACE_RUNS = 7
# A word goes there and back so often, in each of so many runs, and a thread looks so often before it gives up: 0.5 ms.
HANDOVERS, HANDOVER_RUNS, LOOKS = 1000, 5, 2_000_000

Run = Callable[[NDArray[Any], int], object]


@dataclass(frozen=True, slots=True)
class Level:
    """capacity: bytes of working set it holds for these threads; bandwidth: bytes/s by stream, on `measured` bytes."""

    name: str
    capacity: float
    measured: int
    bandwidth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ceilings:
    """flops_per_s: peak of multiply-adds (2 FLOPs each). timer_s: of reading the clock. call_s: of calling a kernel
    with one array from Python. levels: nearest first, memory last. handover_s: see handover_time."""

    threads: int
    dtype: str
    flops_per_s: float
    timer_s: float
    call_s: float
    levels: tuple[Level, ...]
    handover_s: float | None = None

    def level_of(self, working_set: float) -> Level:
        """The nearest level that holds that many bytes."""
        return next((level for level in self.levels if working_set <= level.capacity), self.levels[-1])

    def floor(self, flops: float, moved: float, working_set: float) -> float:
        """Seconds that no kernel goes below: all FLOPs at peak, or all bytes at the best stream of their level."""
        bandwidth = max(self.level_of(working_set).bandwidth.values())
        return max(flops / self.flops_per_s, moved / bandwidth)

    def raised_by(self, other: Ceilings) -> Ceilings:
        """The higher of two measurements, number by number."""
        levels = tuple(
            replace(mine, bandwidth={name: max(rate, theirs.bandwidth[name]) for name, rate in mine.bandwidth.items()})
            for mine, theirs in zip(self.levels, other.levels, strict=True)
        )
        return replace(self, flops_per_s=max(self.flops_per_s, other.flops_per_s), levels=levels)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: rates in FLOP/s and bytes/s, times in seconds."""
        bandwidth = {level.name: {"bytes": level.measured, **level.bandwidth} for level in self.levels}
        return {
            "threads": self.threads, "dtype": self.dtype, "flops_per_s": self.flops_per_s, "bandwidth": bandwidth,
            "timer_s": self.timer_s, "call_s": self.call_s, "handover_s": self.handover_s,
        }  # fmt: skip


def description() -> dict[str, Any]:
    """CPU model, cores, caches and memory in bytes, operating system; None where the system does not say."""
    return {
        "cpu": _cpu_model(),
        "arch": platform.machine(),
        "vector_unit": UNIT.name,
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(logical=True),
        "threads_max": int(numba.config.NUMBA_NUM_THREADS),
        "caches": caches(),
        "memory": psutil.virtual_memory().total,
        "os": f"{platform.system()} {platform.release()}",
    }


def _cpu_model() -> str | None:
    if platform.system() == "Darwin":
        return sysctl("machdep.cpu.brand_string")
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or None
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else None


def measure(threads: int, dtype: DTypeLike = "float32", seconds: float = 1.0) -> Ceilings:
    """The ceilings for that many threads, in about that many seconds. ValueError: more threads than there are."""
    threads, dtype = as_count(threads, "threads"), as_dtype(dtype)
    if threads > numba.config.NUMBA_NUM_THREADS:
        raise ValueError(f"threads is {threads}; this machine has {numba.config.NUMBA_NUM_THREADS}")
    with thread_limit(threads):
        flops = _peak_flops(threads, dtype, PEAK_SHARE * seconds)
        sizes = _level_sizes(threads)
        each = (1 - PEAK_SHARE) * seconds / len(sizes)
        levels = tuple(_level(name, capacity, total, threads, dtype, each) for name, capacity, total in sizes)
        between = handover_time() if threads > 1 else None
    return Ceilings(threads, dtype.name, flops, timer_overhead(), call_overhead(), levels, between)


def measure_each(threads: Iterable[int], dtype: DTypeLike = "float32", seconds: float = 1.0) -> dict[int, Ceilings]:
    """By number of threads, each in about that many seconds. More threads reach at least what fewer did: on a busy
    machine they have to wait for one another."""
    found: dict[int, Ceilings] = {}
    for count in sorted(set(threads)):
        ceilings = measure(count, dtype, seconds)
        found[count] = ceilings.raised_by(found[max(found)]) if found else ceilings
    return found


@contextmanager
def thread_limit(count: int) -> Iterator[None]:
    """Kernels use that many threads inside the block."""
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def _best_rate(run: Run, buffer: NDArray[Any], per_row: float, seconds: float) -> float:
    """Units a second, at `per_row` a row of the buffer and round: the best of many runs."""
    rounds = _rounds(run, buffer[:1], PARALLEL_RUN if len(buffer) > 1 else SERIAL_RUN)
    begin = time.perf_counter()
    runs, best = 0, 0.0
    while (elapsed := time.perf_counter() - begin) < seconds or (runs < LEAST_RUNS and elapsed < PATIENCE * seconds):
        start = time.perf_counter()
        run(buffer, rounds)
        best = max(best, rounds * per_row * len(buffer) / (time.perf_counter() - start))
        runs += 1
    return best


def _rounds(run: Run, row: NDArray[Any], seconds: float) -> int:
    """Rounds that take about that long: doubled until some runs did. An interrupted run only looks long, so the best
    rate so far decides what is."""
    rounds, best, long_runs = 1, 0.0, 0
    while long_runs < LONG_RUNS:
        start = time.perf_counter()
        run(row, rounds)
        best = max(best, rounds / max(time.perf_counter() - start, 1e-9))
        if rounds / best < seconds:
            rounds *= 2
        else:
            long_runs += 1
    return max(1, int(seconds * best))


def peak_rounds(threads: int, dtype: np.dtype[Any]) -> tuple[NDArray[Any], float]:
    """What peak.fma_peak takes to keep so many threads multiplying, and the FLOPs of a row of it in a round."""
    # x -> x/2 + 1/2 stays near 1: neither overflow nor subnormals.
    buffer = np.full((threads, peak.chain_elements(dtype.itemsize)), 0.5, dtype)
    return buffer, peak.flops_of_round(dtype.itemsize)


def _peak_flops(threads: int, dtype: np.dtype[Any], seconds: float) -> float:
    buffer, flops = peak_rounds(threads, dtype)
    peak.fma_peak(buffer, 1)
    return _best_rate(peak.fma_peak, buffer, flops, seconds)


def pace(dtype: DTypeLike) -> float:
    """FLOP/s of multiply-adds in the registers of one core at this moment: a shared machine's clock is not constant.

    Of one core, since several wait for each other where others are busy.
    """
    buffer, flops = peak_rounds(1, as_dtype(dtype))
    rounds = _rounds(peak.fma_peak, buffer, SERIAL_RUN)
    seconds = []
    for _ in range(PACE_RUNS):
        start = time.perf_counter()
        peak.fma_peak(buffer, rounds)
        seconds.append(time.perf_counter() - start)
    return rounds * flops / float(np.median(seconds))


def _level_sizes(threads: int) -> list[tuple[str, float, int]]:
    """Name, capacity, and bytes to measure with (half the capacity), of all threads together."""
    sizes = sane_caches()
    levels = []
    for name, size in sizes.items():
        capacity = size * (threads if name in PRIVATE_CACHES else 1)
        levels.append((name.removesuffix("d"), float(capacity), capacity // 2))
    least, most = MEMORY_BYTES
    return [*levels, ("DRAM", float("inf"), min(max(2 * sizes["L3"], least), most))]


def _level(name: str, capacity: float, total: int, threads: int, dtype: np.dtype[Any], seconds: float) -> Level:
    buffer = np.ones((threads, total // threads // dtype.itemsize), dtype)
    each = seconds / len(peak.STREAMS)
    return Level(name, capacity, total, {stream: _stream_rate(buffer, stream, each) for stream in peak.STREAMS})


def _stream_rate(buffer: NDArray[Any], name: str, seconds: float) -> float:
    kind, arrays = peak.STREAMS[name]
    moved = buffer.shape[1] // arrays * arrays * buffer.itemsize
    peak.stream(buffer, kind, 1)
    return _best_rate(lambda rows, repeats: peak.stream(rows, kind, repeats), buffer, moved, seconds)


def handover_time() -> float | None:
    """Seconds in which a word goes from one thread to another and back; None where two do not run at once."""
    if numba.config.NUMBA_NUM_THREADS < 2:
        return None
    with thread_limit(2):
        handover.hand_over(np.zeros(2 * handover.APART, np.int64), 1, 1)  # loads the kernel
        return min(filter(None, (_handover() for _ in range(HANDOVER_RUNS))), default=None)


def has_moved(then: float | None, now: float | None) -> bool:
    """Whether a word takes twice or half as long between cores: a virtual machine's may move from chip to chip."""
    return then is not None and now is not None and not 0.5 < now / then < 2


def handover_of(ceilings: Sequence[Mapping[str, Any]]) -> float | None:
    """handover_s of measured ceilings, as as_dict gives them; None where it was not measured."""
    return next((each["handover_s"] for each in reversed(ceilings) if each.get("handover_s")), None)


def _handover() -> float | None:
    words = np.zeros(2 * handover.APART, np.int64)
    start = time.perf_counter()
    handover.hand_over(words, HANDOVERS, LOOKS)
    elapsed = time.perf_counter() - start
    return elapsed / HANDOVERS if words[handover.APART] == HANDOVERS else None


def timer_overhead(reads: int = 1000) -> float:
    """Seconds that one reading of the clock takes: the best of a few runs."""
    return _best_of(5, lambda: [time.perf_counter() for _ in range(reads)]) / reads


def call_overhead(calls: int = 1000) -> float:
    """Seconds that a call of a compiled kernel with one array takes from Python, its loop included."""
    array = np.zeros(1, np.float32)
    peak.first(array)
    return _best_of(5, lambda: [peak.first(array) for _ in range(calls)]) / calls


def _best_of(runs: int, action: Callable[[], object]) -> float:
    def seconds() -> float:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start

    return min(seconds() for _ in range(runs))
