"""`fastnn demo`: a command a demonstration, each with options of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from fastnn.bench.command import require_apart, result_files
from fastnn.bench.compiling import announced
from fastnn.bench.progress import say
from fastnn.demo.catalogue import SUMMARIES, entry
from fastnn.demo.display.demonstration import Demonstration
from fastnn.demo.display.terminal import console, list_demonstrations, print_demonstration
from fastnn.edge.atomic import write_atomically
from fastnn.edge.options import JSON, STDOUT
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.report import extra

SCHEMA = "fastnn-demo/1"


def outputs() -> list[click.Option]:
    """Those that every demonstration has."""
    page = click.Path(dir_okay=False, path_type=Path)
    return [
        JSON,
        click.Option(["--html", "html_file"], metavar="FILE", type=page, help="Write it as an HTML page."),
    ]


def command(name: str) -> click.Command | None:
    """The command of a demonstration, whose module is imported now; None where there is none of that name."""
    if name not in SUMMARIES:
        return None
    show, options = entry(name)

    def run(json_file: str | None, html_file: Path | None, **settings: Any) -> None:
        run_demo(name, json_file, html_file, settings)

    return click.Command(name, callback=run, params=[*options, *outputs()], help=show.__doc__)


def run_list() -> None:
    list_demonstrations(console(sys.stdout), SUMMARIES)


def run_demo(name: str, json_file: str | None, html_file: Path | None, settings: dict[str, Any]) -> None:
    """click.UsageError before anything is computed or written."""
    try:
        if html_file:
            extra.require(extra.ILLUSTRATED)
        require_apart([json_file, html_file])
        files, pages = result_files(json_file, None), result_files(str(html_file) if html_file else None, None)
        with announced(say):
            shown = entry(name).show(**settings)
    except (ValueError, TypeError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from error
    except NonFiniteLoss as error:
        raise click.ClickException(str(error)) from error
    _hand_out(name, shown, json_file, files, pages)


def _hand_out(
    name: str, shown: Demonstration, json_file: str | None, files: Sequence[Path], pages: Sequence[Path]
) -> None:
    document = json.dumps({"schema": SCHEMA, "name": name, **shown.numbers}, indent=1, allow_nan=False) + "\n"
    for file in files:
        write_atomically(file, document.encode())
    for file in pages:
        from fastnn.demo.display.page import page

        write_atomically(file, page(shown).encode())
    if json_file == STDOUT:
        sys.stdout.write(document)
    else:
        print_demonstration(console(sys.stdout), shown)
    for file in [*files, *pages]:
        say(f"written: {file}")
