"""Whether code became faster from one run to another: verdicts from the raw times of two result files.

Times become cycles first: each is multiplied by the rate of multiply-adds in registers that was measured around its
row, since the clock of a shared machine differs by several percent from run to run. The ratio of medians has an
interval of 95 % by the bootstrap (Efron 1979) over blocks within each run. What differs between two runs of the same
code and not within one is seen in how the ratios of all rows on so many threads scatter around their median (1.48 times
the median absolute deviation), three of which widen every interval. A rank test (Mann & Whitney 1947) must agree.

    FASTER, SLOWER   the whole interval is on one side of 1, and the ratio beyond the threshold
    SAME             the whole interval is within twice the threshold
    UNDECIDED        neither
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu

from fastnn.simd import machine

Row = Mapping[str, Any]
Key = tuple[Any, ...]

VERDICTS = FASTER, SLOWER, SAME, UNDECIDED = "FASTER", "SLOWER", "SAME", "UNDECIDED"
THRESHOLD = 0.05
# Of the rank test, one row in a hundred by chance.
SIGNIFICANCE = 0.01
RESAMPLES, CONFIDENCE = 1000, 0.95
# Scatters that widen an interval, since a few rows scatter more than most. Of 360 comparisons of rows of the same code,
# in 15 pairs of runs with --fast, 11 % came out as changed with 1.96 scatters, 7 % with 2.5, 4 % with 3; of rows made
# 10 % slower 78, 68 and 63 % were found.
SCATTERS = 3.0
# Scatter between runs that is assumed where fewer rows than this could show it, and at the least.
ROWS_FOR_SCATTER, ASSUMED_SCATTER, LEAST_SCATTER = 8, 0.03, 0.005
# Calls of less than so many seconds scatter by so much, as code lies elsewhere in every process: over six processes an
# epoch's step of 3-4-2 has a standard deviation of 7 %, one of 3-4-4-2 of 6 %, 64-16-10 and larger ones 1 to 2 %.
SHORT, SHORT_SCATTER = 2e-6, 0.05
KEY = ("name", "batch", "threads", "dtype", "optimizer", "phase", "peer")
THREADS = KEY.index("threads")
# What must be the same for times to be comparable at all, and what had better be.
MACHINE = ("cpu", "arch", "vector_unit", "cores_physical", "cores_logical", "device")
ENVIRONMENT = ("threading_layer", "os", "versions")


class NotComparable(ValueError):
    """Two results that no comparison of times makes sense for; says why."""


@dataclass(frozen=True)
class Compared:
    """One row in both runs. ratio: time of the second over that of the first, at one clock."""

    key: Key
    before_s: float
    after_s: float
    ratio: float
    low: float
    high: float
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        return dict(zip(KEY, self.key, strict=True)) | {
            "before_s": self.before_s, "after_s": self.after_s, "ratio": self.ratio, "low": self.low,
            "high": self.high, "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """rows that both runs have; left_out: why others have no verdict; warnings: what differs beside the code.

    scatter: of ratios from run to run, by the number of threads.
    """

    rows: list[Compared]
    left_out: list[str]
    warnings: list[str]
    scatter: dict[int, float]

    @property
    def mean(self) -> float:
        """The geometric mean of the ratios."""
        return geometric_mean(row.ratio for row in self.rows)


def key_of(row: Row) -> Key:
    return tuple(row.get(name) for name in KEY)


def compare(before: Mapping[str, Any], after: Mapping[str, Any], thresholds: Mapping[str, float]) -> Comparison:
    """Two documents of fastnn-bench/1. thresholds: by a row's name, and "" for all others. NotComparable."""
    _require_same_machine(before["context"], after["context"])
    first, second = ({key_of(row): row for row in document["benchmarks"]} for document in (before, after))
    left_out = [
        f"{_title(key)}: only in one of the runs" for key in [*first, *second] if (key in first) != (key in second)
    ]
    both = []
    for key in first.keys() & second.keys():
        if not (first[key]["times_s"] and second[key]["times_s"]):
            left_out.append(f"{_title(key)}: refused in one of the runs")
        elif first[key]["flops"] != second[key]["flops"]:
            left_out.append(f"{_title(key)}: its FLOPs differ, so it is not the same work")
        else:
            both.append(key)
    both.sort(key=list(first).index)
    if not both:
        raise NotComparable("the runs have no timed row in common")
    cycles = {key: _cycles(first[key], second[key]) for key in both}
    ratios = {key: float(np.median(b) / np.median(a)) for key, (a, b) in cycles.items()}
    short = {key for key in both if first[key]["median_s"] < SHORT}
    scatter = {
        threads: scatter_of([ratios[key] for key in both if key[THREADS] == threads and key not in short])
        for threads in dict.fromkeys(key[THREADS] for key in both)
    }
    rows = [
        _compared(
            key,
            cycles[key],
            ratios[key],
            first[key],
            second[key],
            max(scatter[key[THREADS]], SHORT_SCATTER if key in short else 0.0),
            _threshold(thresholds, key),
        )  # fmt: skip
        for key in both
    ]
    return Comparison(rows, left_out, _differences(before["context"], after["context"]), scatter)


def _require_same_machine(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    for name in MACHINE:
        if name in before and name in after and before[name] != after[name]:
            raise NotComparable(f"the runs are of different machines: {name} is {before[name]!r} and {after[name]!r}")


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    found = [f"{name} was {before.get(name)!r}, is {after.get(name)!r}" for name in ENVIRONMENT
             if name != "versions" and before.get(name) != after.get(name)]  # fmt: skip
    then, now = (machine.handover_of(context["ceilings"]) for context in (before, after))
    if machine.has_moved(then, now):
        found.append(
            f"a word went between cores and back in {then:.2g} s, now in {now:.2g} s: rows of several threads feel it"
        )
    olds, news = before.get("versions", {}), after.get("versions", {})
    changed = [name for name in {**olds, **news} if olds.get(name) != news.get(name)]
    return [*found, *(f"{name} was {olds.get(name)}, is {news.get(name)}" for name in changed)]


def _threshold(thresholds: Mapping[str, float], key: Key) -> float:
    return thresholds.get(str(key[0]), thresholds.get("", THRESHOLD))


def _title(key: Key) -> str:
    name, batch, threads, _, _, phase, peer = key
    return f"{name}, batch {batch}, {threads} thread(s), {phase}{f', {peer}' if peer else ''}"


def _cycles(before: Row, after: Row) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of each at a clock of its own: FLOPs that the registers could have made, or seconds where either run has
    no pace, as that of a GPU."""
    paces = [row.get("pace_flops_per_s") for row in (before, after)]
    first, second = paces if all(paces) else (1.0, 1.0)
    return np.array(before["times_s"]) * first, np.array(after["times_s"]) * second


def scatter_of(ratios: Sequence[float]) -> float:
    """Standard deviation of log ratios from run to run, by rows that changed as most did."""
    if len(ratios) < ROWS_FOR_SCATTER:
        return ASSUMED_SCATTER
    logs = np.log(ratios)
    return max(LEAST_SCATTER, 1.4826 * float(np.median(np.abs(logs - np.median(logs)))))


def _compared(
    key: Key, cycles: tuple[NDArray[np.float64], NDArray[np.float64]], ratio: float, before: Row, after: Row,
    scatter: float, threshold: float,
) -> Compared:  # fmt: skip
    low, high = interval(*cycles, ratio, scatter)
    chance = float(mannwhitneyu(*cycles).pvalue)
    return Compared(
        key, before["median_s"], after["median_s"], ratio, low, high, verdict(ratio, low, high, chance, threshold)
    )


def interval(
    before: NDArray[np.float64], after: NDArray[np.float64], ratio: float, scatter: float
) -> tuple[float, float]:
    """95 % interval of the ratio of medians, from blocks within the runs and the scatter between them."""
    rng = np.random.default_rng(0)
    medians = [np.median(rng.choice(times, (RESAMPLES, times.size)), axis=1) for times in (before, after)]
    tail = 50 * (1 - CONFIDENCE)
    logs = np.percentile(np.log(medians[1] / medians[0]), [tail, 100 - tail])
    middle = math.log(ratio)
    below, above = (
        math.hypot(middle - logs[0], SCATTERS * scatter),
        math.hypot(logs[1] - middle, SCATTERS * scatter),
    )
    return math.exp(middle - below), math.exp(middle + above)


def verdict(ratio: float, low: float, high: float, chance: float, threshold: float) -> str:
    if chance < SIGNIFICANCE and low > 1 and ratio > 1 + threshold:
        return SLOWER
    if chance < SIGNIFICANCE and high < 1 and ratio < 1 / (1 + threshold):
        return FASTER
    return SAME if low > 1 / (1 + 2 * threshold) and high < 1 + 2 * threshold else UNDECIDED
