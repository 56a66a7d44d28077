"""What people see of a training: a bar on a terminal or lines in a pipe, and a table of scores at the end."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.table import Table
from rich.text import Text

from fastnn.bench.progress import say
from fastnn.bench.table import si
from fastnn.train.records import Record

# Lines of a run in a pipe, at most.
LINES = 20


def told(record: Record) -> str:
    """loss 0.2841 (val 0.2734), accuracy 93.3 % (val 93.8 %), 12.0 M samples/s, 24.5 GFLOP/s"""
    parts = [_pair("loss", record.loss, record.val_loss, "{:.4g}".format)]
    if not math.isnan(record.accuracy):
        parts.append(_pair("accuracy", record.accuracy, record.val_accuracy, "{:.1%}".format))
    return ", ".join([*parts, si(record.samples_per_s, "samples/s"), f"{record.gflops:.3g} GFLOP/s"])


def _pair(name: str, value: float, held_out: float, form: Callable[[float], str]) -> str:
    return f"{name} {form(value)}" + ("" if math.isnan(held_out) else f" (val {form(held_out)})")


@contextmanager
def epochs_shown(done: int, epochs: int) -> Iterator[Callable[[Record], None]]:
    """show(record) after each epoch, `done` of which are done already."""
    if not sys.stderr.isatty():
        every = max(-(-epochs // LINES), 1)
        yield lambda record: _line(record, every, epochs)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("epoch"), BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}")
    with Progress(
        *columns, TimeRemainingColumn(compact=True), console=Console(stderr=True), transient=True, redirect_stdout=False
    ) as bar:
        task = bar.add_task("", total=epochs, completed=done)
        yield lambda record: bar.update(task, completed=record.epoch, description=told(record))


def _line(record: Record, every: int, epochs: int) -> None:
    if record.epoch % every == 0 or record.epoch in (1, epochs):
        say(f"epoch {record.epoch}/{epochs}: {told(record)}")


def scores_table(scores: Mapping[str, Mapping[str, Any]]) -> Table:
    """A line a part, a column a score."""
    names = list(next(iter(scores.values())))
    table = _table(["part", *names])
    for part, values in scores.items():
        table.add_row(Text(part), *(_cell(name, values[name]) for name in names))
    return table


def classes_table(confusion: Any, classes: tuple[str, ...]) -> Table:
    """A line a class: its rows, how many of them were found, and how many of those called so were."""
    table = _table(["class", "rows", "found", "right when said"])
    for i, name in enumerate(classes):
        right, rows, said = int(confusion[i, i]), int(confusion[i].sum()), int(confusion[:, i].sum())
        table.add_row(Text(name), f"{rows:,}", _share(right, rows), _share(right, said))
    return table


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _cell(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if name == "rows" else f"{value:.2%}" if name == "accuracy" else f"{value:.5g}"


def _table(headings: list[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="right" if at else "left", no_wrap=True)
    return table
