"""A progress bar on stderr for training that takes long enough to want one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

# epoch from 0, loss, accuracy where there is one
Show = Callable[[int, float, float | None], None]

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
    """show(epoch, loss, accuracy) for after each epoch. wanted: True at once, False never, None late, on a terminal."""
    if wanted is False or (wanted is None and not sys.stderr.isatty()):
        yield lambda epoch, loss, accuracy: None
        return
    started = time.perf_counter()
    bar = _bar()
    task = bar.add_task("", total=epochs)

    def show(epoch: int, loss: float, accuracy: float | None) -> None:
        if not bar.live.is_started and (wanted or time.perf_counter() - started > PATIENCE_SECONDS):
            bar.start()
        right = "" if accuracy is None else f"  accuracy {accuracy:.3f}"
        bar.update(task, completed=epoch + 1, description=f"loss {loss:.5f}{right}")

    try:
        yield show
    finally:
        bar.stop()
