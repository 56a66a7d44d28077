"""A progress bar on stderr for training that takes long enough to want one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from fastnn.fit import History

Show = Callable[[int, "History"], None]

# Shorter runs end before a bar could be read.
PATIENCE_SECONDS = 1.0


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    return Progress(
        TextColumn("epoch"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(),
        # Where nothing can be redrawn, the last line stays: it is all that is printed.
        console=console, transient=console.is_terminal,
    )  # fmt: skip


@contextmanager
def epoch_bar(epochs: int, wanted: bool | None) -> Iterator[Show]:
    """show(epoch, history) for after each epoch. wanted: True at once, False never, None late, on a terminal."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield lambda epoch, history: None
        return
    started = time.perf_counter()
    bar = _bar()
    task = bar.add_task("", total=epochs)

    def show(epoch: int, history: History) -> None:
        if not bar.live.is_started and (wanted or time.perf_counter() - started > PATIENCE_SECONDS):
            bar.start()
        accuracy = f"  accuracy {history.accuracy[-1]:.3f}" if history.accuracy else ""
        bar.update(task, completed=epoch + 1, description=f"loss {history.loss[-1]:.5f}{accuracy}")

    try:
        yield show
    finally:
        bar.stop()
