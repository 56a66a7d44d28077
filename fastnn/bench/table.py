"""Rows as a table that a person can read, in a terminal of 100 columns or a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = dict[str, Any]

# A pipe has no width; this holds the widest table.
PIPE_WIDTH = 140
PREFIXES = (
    (1e18, "E"),
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def si(value: float, unit: str = "") -> str:
    """Three digits and a prefix: 1.20 µs, 10.0 M, 26."""
    if isinstance(value, int) and abs(value) < 1000:
        return f"{value} {unit}".strip()
    # A value that rounds to 1000 takes the next prefix.
    scale, prefix = next(((s, p) for s, p in PREFIXES if abs(value) >= s * 0.9995), PREFIXES[-1])
    scaled = value / scale
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f} {prefix}{unit}".strip()


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else si(seconds, "s")


def _loss(row: Row) -> str:
    if row.get("loss_first") is None:
        return "-"
    return f"{row['loss_first']:.2f}→{row['loss_last']:.2f}"


def _spread(row: Row) -> str:
    return "-" if row["median_s"] is None else _percent(row["iqr_s"] / row["median_s"])


def _ratio(row: Row) -> str:
    return interval(row["ratio"]) if row.get("ratio") else ""


def interval(ratio: dict[str, float]) -> str:
    """How many times as long as ours a peer takes, with the interval of 95 %."""
    return f"{ratio['median']:.3g} [{ratio['low']:.3g}, {ratio['high']:.3g}]"


def _tokens(row: Row) -> str:
    return si(row["tokens"] / row["median_s"]) if row.get("tokens") and row["median_s"] else ""


def _compile(row: Row) -> str:
    return _time(row["compile_s"]) if row["compile_s"] != 0 else "0"


def _verdict(row: Row) -> str:
    return "" if row["verdict"] == "ok" else str(row["verdict"])


def _always(cells: Sequence[str]) -> bool:
    return True


def _varies(cells: Sequence[str]) -> bool:
    return len(set(cells)) > 1


Cell = Callable[[Row], str]

# Heading, cell, and when a column of such cells is shown.
COLUMNS: tuple[tuple[str, Cell, Callable[[Sequence[str]], bool]], ...] = (
    ("network", lambda row: row["name"], _always),
    ("params", lambda row: si(row["params"]), _always),
    ("batch", lambda row: str(row["batch"]), _varies),
    ("thr", lambda row: str(row["threads"]), _varies),
    ("phase", lambda row: row["phase"], _always),
    ("peer", lambda row: row.get("peer", ""), any),
    ("FLOPs", lambda row: si(row["flops"]), _always),
    ("time", lambda row: _time(row["median_s"]), _always),
    ("GFLOP/s", lambda row: "-" if row["gflops"] is None else f"{row['gflops']:.3g}", _always),
    ("tokens/s", _tokens, any),
    ("% peak", lambda row: _percent(row["peak_fraction"]), _always),
    ("spread", _spread, _always),
    ("compile", _compile, _always),
    ("loss", _loss, _always),
    ("x ours", _ratio, any),
    ("verdict", _verdict, any),
)
LEFT = ("network", "phase", "peer", "x ours", "verdict")


def table(rows: Sequence[Row]) -> Table:
    """A line a row; a network's name stands in its first. Columns that say nothing are left out."""
    from rich.table import Table

    result = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    shown = [(heading, cell) for heading, cell, wanted in COLUMNS if wanted([cell(row) for row in rows])]
    for heading, _ in shown:
        result.add_column(heading, justify="left" if heading in LEFT else "right", no_wrap=True)
    previous = ""
    for row in _by_phase(rows):
        cells = [cell(row) for _, cell in shown]
        if row["name"] == previous:
            cells[:2] = "", ""
        elif previous:
            result.add_row()
        previous = row["name"]
        result.add_row(*cells, style="red" if row["verdict"] == "refused" else None)
    return result


def _by_phase(rows: Sequence[Row]) -> list[Row]:
    """Cases in their order, and in each the peers' rows of a phase below ours."""
    cases = list(dict.fromkeys(_case(row) for row in rows))
    phases = list(dict.fromkeys(row["phase"] for row in rows))
    return sorted(rows, key=lambda row: (cases.index(_case(row)), phases.index(row["phase"])))


def _case(row: Row) -> tuple[Any, ...]:
    return row["name"], row["batch"], row["threads"]


def console(stream: IO[str]) -> Console:
    """As wide as the terminal, or PIPE_WIDTH where there is none."""
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else PIPE_WIDTH, highlight=False)


def ceilings_table(ceilings: Sequence[dict[str, Any]]) -> Table:
    """Measured ceilings, a column a number of threads and dtype."""
    from rich.table import Table

    result = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    result.add_column("measured ceilings")
    for each in ceilings:
        result.add_column(f"{each['dtype']}, {each['threads']} thread{'s' * (each['threads'] > 1)}", justify="right")
    result.add_row("multiply-adds", *(si(each["flops_per_s"], "FLOP/s") for each in ceilings))
    for level in ceilings[0]["bandwidth"]:
        for stream in (name for name in ceilings[0]["bandwidth"][level] if name != "bytes"):
            rates = (si(each["bandwidth"][level][stream], "B/s") for each in ceilings)
            result.add_row(f"{stream} in {level}", *rates)
    result.add_row("reading the clock", *(si(each["timer_s"], "s") for each in ceilings))
    result.add_row("calling a kernel", *(si(each["call_s"], "s") for each in ceilings))
    result.add_row("between cores, there and back", *(_time(each.get("handover_s")) for each in ceilings))
    return result
