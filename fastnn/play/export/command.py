"""What `fastnn play --export` does."""

from __future__ import annotations

import click

from fastnn.bench.command import result_files
from fastnn.bench.compiling import announced
from fastnn.bench.progress import say
from fastnn.edge.atomic import write_atomically
from fastnn.edge.options import STDOUT
from fastnn.play.export.page import exportable, exported


def run_export(lesson: str, output: str) -> None:
    """click.UsageError before anything is computed."""
    if lesson not in exportable():
        raise click.UsageError(f"the page {lesson} cannot be exported; expected one of {', '.join(exportable())}")
    if output == STDOUT:
        raise click.UsageError("--export writes a file; name one")
    try:
        (file,) = result_files(output, None)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    say(f"{lesson}: training, and recording it ...")
    with announced(say):
        page, frames = exported(lesson)
    content = page.encode()
    write_atomically(file, content)
    say(f"written: {file}, {len(content) / 1000:.0f} kB, {frames} recorded frames")
