"""A neighbour's times beside those of the constant in force, and when the constant loses.

A ratio is the neighbour's time over that of the value in force: below 1 the neighbour is faster.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from fastnn.bench.comparison import SHORT, SHORT_SCATTER
from fastnn.bench.measuring import Measurement
from fastnn.bench.turns import ratio

Row = dict[str, Any]

# A constant loses where it takes so much longer than with a neighbour.
LOSS = 0.10


def beside(theirs: Measurement, ours: Measurement) -> Row:
    """The ratio pair by pair, its interval, and that of the least times. Calls so short that it matters where code
    happens to lie in a process have an interval that holds this as well."""
    found = ratio(theirs, ours)
    scatter = 2 * SHORT_SCATTER if ours.median < SHORT else 0.0
    return _around(found["median"], found["low"], found["high"], scatter) | {"least": theirs.min / ours.min}


def _around(median: float, low: float, high: float, scatter: float) -> Row:
    below, above = (math.hypot(math.log(end / median), scatter) for end in (low, high))
    return {"median": median, "low": median * math.exp(-below), "high": median * math.exp(above)}


def mean(rows: Sequence[Row]) -> Row:
    """The geometric mean over workloads; those measured by themselves err by themselves."""
    logs = {name: [math.log(row[name]) for row in rows] for name in ("median", "low", "high", "least")}
    middle, least = (sum(logs[name]) / len(rows) for name in ("median", "least"))
    below, above = (
        math.sqrt(sum((end - median) ** 2 for end, median in zip(logs[name], logs["median"], strict=True))) / len(rows)
        for name in ("low", "high")
    )
    return {
        "median": math.exp(middle), "low": math.exp(middle - below), "high": math.exp(middle + above),
        "least": math.exp(least),
    }  # fmt: skip


def loses(row: Row) -> bool:
    """Whether the constant in force takes more than LOSS longer: by the whole interval, and by the least times."""
    return max(row["high"], row["least"]) < 1 / (1 + LOSS)
