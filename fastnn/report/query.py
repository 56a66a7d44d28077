"""Which rows are there: values of a field, rows that have them, and how both are told in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastnn.bench.table import si
from fastnn.report.sources import Row, Run

# The one that most is said of stands first.
PHASE_NAMES = {
    "step": "training step",
    "forward": "forward pass",
    "epoch": "step inside an epoch",
    "generate": "generated sequence",
}
OURS = "fastnn"


def values(rows: Iterable[Row], field: str) -> list[Any]:
    """Distinct ones, in order."""
    return sorted({row[field] for row in rows})


def where(rows: Iterable[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def phases(rows: Iterable[Row]) -> list[str]:
    present = {row["phase"] for row in rows}
    return [phase for phase in PHASE_NAMES if phase in present]


def variants(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The dtypes and optimizers that were measured: a picture never mixes them."""
    return [
        dict(zip(("dtype", "optimizer"), pair, strict=True))
        for pair in sorted({(row["dtype"], row["optimizer"]) for row in rows})
    ]


def variant_choice(variant: Mapping[str, Any], rows: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Told only where there are several."""
    several = [name for name in variant if len(values(rows, name)) > 1]
    return tuple((name, str(variant[name])) for name in several)


def program(row: Row) -> str:
    return str(row.get("peer") or OURS)


def threads_name(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def name_of(run: Run, runs: Sequence[Run]) -> str:
    """Put before what it says: nothing where there is only one."""
    return f"{run.label}: " if len(runs) > 1 else ""


def seconds(value: float) -> str:
    return si(float(value), "s")


def times(value: float) -> str:
    """Three digits, without a power of ten: 3,920,000."""
    return f"{float(f'{value:.3g}'):,.10g}"


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def spread(row: Row) -> tuple[float, float]:
    """Quartiles of the times, about: the median with half the interquartile range below and above."""
    half = row["iqr_s"] / 2
    return max(row["median_s"] - half, row["min_s"] / 2), row["median_s"] + half


def span(found: Sequence[Row], field: str = "params") -> tuple[Row, Row]:
    """The rows with the least and the most of it."""
    return min(found, key=lambda row: row[field]), max(found, key=lambda row: row[field])


def run_choice(run: Run, runs: Sequence[Run]) -> tuple[tuple[str, str], ...]:
    """Told only where there are several."""
    return (("run", run.label),) if len(runs) > 1 else ()
