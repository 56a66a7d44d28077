"""What an experiment found, apart from where it is shown: a terminal, JSON, the page of the timeline, a playground."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Table
from fastnn.report.picture import Picture

# The largest divided by the least, from which on an axis is logarithmic.
WIDE = 20


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A number of ours beside a published one. published: None where the paper has no number of it. low, high: between
    which ours has to lie for the claim to be met; no paper prints them, they are ours. percent: numbers are shares."""

    what: str
    ours: float
    published: float | None = None
    low: float = -math.inf
    high: float = math.inf
    percent: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours divided by the published one."""
        return self.ours / self.published if self.published else None

    @property
    def holds(self) -> bool:
        return self.low <= self.ours <= self.high

    @property
    def asked(self) -> str:
        """The interval in which ours has to lie."""
        if self.low == self.high:
            return f"= {self.written(self.low)}"
        if math.isinf(self.high):
            return f"≥ {self.written(self.low)}"
        if math.isinf(self.low):
            return f"≤ {self.written(self.high)}"
        return f"{self.written(self.low)} to {self.written(self.high)}"

    def written(self, value: float) -> str:
        """As people read it."""
        if self.percent:
            return f"{100 * value:.3g} %"
        if value and not 1e-3 <= abs(value) < 1e9:
            return f"{value:.2e}".replace("e+", "e")
        return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"

    def as_json(self) -> dict[str, Any]:
        ends = {name: end for name, end in (("low", self.low), ("high", self.high)) if math.isfinite(end)}
        return {
            "what": self.what, "published": self.published, "ours": self.ours, "ratio": self.ratio, **ends,
            "holds": self.holds, "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What many starts came to. values: of those that succeeded, in the order of the starts. published: the paper's
    single number, or None."""

    what: str
    unit: str
    values: tuple[float, ...]
    starts: int
    published: float | None = None

    @property
    def share(self) -> float:
        """Of the starts that succeeded."""
        return len(self.values) / self.starts

    @property
    def median(self) -> float:
        """NaN where none succeeded."""
        return float(np.median(self.values)) if self.values else math.nan

    def quantile(self, share: float) -> float:
        return float(np.quantile(self.values, share)) if self.values else math.nan

    @property
    def above(self) -> float | None:
        """Share of the values that are above the published number."""
        if self.published is None or not self.values:
            return None
        return float(np.mean(np.array(self.values) > self.published))

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest, the published number among them."""
        every = [*self.values, *([self.published] if self.published is not None else [])] or [0.0]
        return min(every), max(every)

    @property
    def is_wide(self) -> bool:
        """Whether it is for a logarithmic axis."""
        low, high = self.ends
        return low > 0 and high / low > WIDE

    def bins(self, most: int = 24) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Edges (n + 1,) and counts (n,), the published number within."""
        low, high = self.ends
        if low == high:
            low, high = low - 0.5, high + 0.5
        space = np.geomspace if self.is_wide else np.linspace
        edges: NDArray[np.float64] = space(low, high, min(most, max(4, len(self.values) // 3)) + 1)
        counts, _ = np.histogram(self.values, edges)
        return edges, counts.astype(np.int64)

    @property
    def told(self) -> str:
        """In a sentence."""
        if not self.values:
            return f"None of {self.starts} starts succeeded."
        text = (
            f"{len(self.values)} of {self.starts} starts succeed; median {self.median:,.0f} {self.unit}, "
            f"half of them within {self.quantile(0.25):,.0f} to {self.quantile(0.75):,.0f}."
        )
        if self.above is None:
            return text
        return f"{text} The paper's single run, {self.published:,.0f}, is faster than {self.above:.0%} of them."

    def as_json(self) -> dict[str, Any]:
        return {
            "what": self.what, "unit": self.unit, "starts": self.starts, "succeeded": len(self.values),
            "median": self.median if self.values else None, "published": self.published, "values": list(self.values),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one training of the experiment's network costs: parameters and FLOPs, counted by fastnn.cost."""

    parameters: int
    training_flops: float


def within_twice(what: str, ours: float, published: float) -> Comparison:
    """Of a single run of the paper: at least half of its number, and at most twice."""
    return Comparison(what=what, ours=ours, published=published, low=published / 2, high=published * 2)


# Text is a paragraph.
Block = str | Table | Spread | Picture


@dataclass(frozen=True, kw_only=True)
class Run:
    """title: what was found, in a sentence. sample: of how many random starts, in words; empty where nothing is drawn.
    fails: what of the printed recipe does not do what the paper says, in words; empty where all does. numbers: what
    the blocks stand on, for machines."""

    title: str
    comparisons: tuple[Comparison, ...]
    blocks: tuple[Block, ...]
    sample: str = ""
    work: Work | None = None
    fails: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def spreads(self) -> Sequence[Spread]:
        return [block for block in self.blocks if isinstance(block, Spread)]

    def as_json(self) -> dict[str, Any]:
        work = {"parameters": self.work.parameters, "training_flops": self.work.training_flops} if self.work else None
        return {
            "title": self.title, "sample": self.sample, "comparisons": [each.as_json() for each in self.comparisons],
            "spreads": [each.as_json() for each in self.spreads], "work": work, "fails": self.fails, **self.numbers,
        }  # fmt: skip
