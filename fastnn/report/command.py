"""What `fastnn report` does between its options and the page."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from fastnn.bench.command import result_files
from fastnn.bench.progress import say
from fastnn.edge.atomic import write_atomically
from fastnn.edge.options import STDOUT
from fastnn.report import extra
from fastnn.report.sources import newest, read, run_of


def run_report(files: Sequence[Path], output: Path, folder: Path | None) -> None:
    """Writes the page, and the figures where a folder is named. click.UsageError before anything is written."""
    try:
        extra.require([*extra.PAGE, *(extra.FIGURES if folder else ())])
        result_files(str(output), folder)
        if not files:
            files = [newest()]
            say(f"the newest result file: {files[0]}")
        sources = read(files)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    from fastnn.report.page import page

    if str(output) == STDOUT:
        click.echo(page(sources), nl=False)
    else:
        write_atomically(output, page(sources).encode())
        say(f"written: {output}")
    if folder:
        from fastnn.report.figures import write_all

        for name in write_all(sources, folder):
            say(f"written: {folder / name}, as PNG and SVG")


def draw(document: Mapping[str, Any]) -> None:
    """The time of a step against parameters, on stderr."""
    from fastnn.report.growth import time_pictures
    from fastnn.report.terminal import text

    picture = next(time_pictures([run_of("", document)]), None)
    if picture is not None:
        say(text(picture, coloured=sys.stderr.isatty()))
