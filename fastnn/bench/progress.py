"""Messages to people, and a bar on stderr where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Begin = Callable[[str], object]
Advance = Callable[[], object]


def say(message: str) -> None:
    """To people: a line on stderr."""
    click.echo(message, err=True)


@contextmanager
def progress(total: int) -> Iterator[tuple[Begin, Advance]]:
    """begin(what) and advance(): a bar of `total` steps where stderr is a terminal, else a line at each beginning."""
    if not sys.stderr.isatty():
        yield say, lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total)
        yield lambda what: bar.update(task, description=what), lambda: bar.advance(task)
