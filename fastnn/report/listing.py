"""All rows as one table: what its columns are, and what stands in them. The same cells are what a reader downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fastnn.report.plotly_html import short
from fastnn.report.query import program
from fastnn.report.sources import Row, Run, Suite

# Name in the files, heading, unit or kind of number, cell.
COLUMNS: tuple[tuple[str, str, str, Callable[[Run, Row], Any]], ...] = (
    ("run", "run", "", lambda run, row: run.label),
    ("device", "device", "", lambda run, row: run.device),
    ("name", "network", "", lambda run, row: row["name"]),
    ("params", "parameters", "count", lambda run, row: row["params"]),
    ("batch", "batch", "count", lambda run, row: row["batch"]),
    ("threads", "threads", "count", lambda run, row: row["threads"]),
    ("dtype", "dtype", "", lambda run, row: row["dtype"]),
    ("optimizer", "optimizer", "", lambda run, row: row["optimizer"]),
    ("phase", "phase", "", lambda run, row: row["phase"]),
    ("program", "program", "", lambda run, row: program(row)),
    ("median_s", "time", "s", lambda run, row: row["median_s"]),
    ("iqr_s", "IQR", "s", lambda run, row: row["iqr_s"]),
    ("min_s", "least", "s", lambda run, row: row["min_s"]),
    ("ratio", "times ours", "number", lambda run, row: _ratio(row, "median")),
    ("ratio_low", "from", "number", lambda run, row: _ratio(row, "low")),
    ("ratio_high", "to", "number", lambda run, row: _ratio(row, "high")),
    ("gflops", "GFLOP/s", "number", lambda run, row: row["gflops"]),
    ("peak_fraction", "of peak", "share", lambda run, row: row["peak_fraction"]),
    ("floor_s", "floor", "s", lambda run, row: row["floor_s"]),
    ("over_floor", "times floor", "number", lambda run, row: _over_floor(row)),
    ("flops", "FLOPs", "count", lambda run, row: row["flops"]),
    ("macs", "MACs", "count", lambda run, row: row["macs"]),
    ("bytes_min", "bytes", "count", lambda run, row: row["bytes_min"]),
    ("residual", "residual", "number", lambda run, row: row["residual"]),
    ("loss_first", "loss before", "number", lambda run, row: row["loss_first"]),
    ("loss_last", "loss after", "number", lambda run, row: row["loss_last"]),
    ("compile_s", "compiling", "s", lambda run, row: row["compile_s"]),
    ("verdict", "verdict", "", lambda run, row: row["verdict"]),
)


def columns() -> list[dict[str, str]]:
    return [{"name": name, "heading": heading, "kind": kind} for name, heading, kind, _ in COLUMNS]


def cells(runs: Sequence[Run]) -> list[list[Any]]:
    """A list a row, refused ones too, of numbers with six digits; null where there is none."""
    return [
        [_cell(get(run, row)) for _, _, _, get in COLUMNS] for run in runs for row in run.document["benchmarks"]
    ]  # fmt: skip


def _over_floor(row: Row) -> float | None:
    """How many times as long as its FLOPs or bytes need at the least."""
    return row["median_s"] / row["floor_s"] if row["median_s"] is not None and row["floor_s"] > 0 else None


def _ratio(row: Row, part: str) -> float | None:
    return row["ratio"][part] if row.get("ratio") else None


def _cell(value: Any) -> Any:
    return short(value) if isinstance(value, float) else value


def suites(found: Sequence[Suite]) -> list[dict[str, Any]]:
    """Rows of each pytest-benchmark file, as they are downloaded."""
    return [
        {"label": suite.label, "rows": [{key: _cell(value) for key, value in row.items()} for row in suite.rows]}
        for suite in found
    ]
