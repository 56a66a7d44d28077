"""What `fastnn play --export` does."""

from __future__ import annotations

from pathlib import Path

import click

from fastnn.bench.progress import say
from fastnn.edge.atomic import write_atomically
from fastnn.play.export.page import LAST, exported


def run_export(lesson: str, output: Path) -> None:
    """click.UsageError before anything is computed."""
    if lesson not in LAST:
        raise click.UsageError(f"the page {lesson} cannot be exported; expected one of {', '.join(LAST)}")
    if not output.parent.is_dir():
        raise click.UsageError(f"{output}: there is no folder {output.parent}")
    page, frames = exported(lesson)
    content = page.encode()
    try:
        write_atomically(output, content)
    except OSError as error:
        raise click.UsageError(f"{output} cannot be written: {error.strerror}") from error
    say(f"written: {output}, {len(content) / 1000:.0f} kB, {frames} recorded frames")
