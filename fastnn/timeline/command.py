"""What `fastnn timeline` does between its options and the experiments."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from fastnn.bench.command import require_apart, result_files
from fastnn.bench.compiling import announced
from fastnn.bench.progress import say
from fastnn.demo.display.terminal import console
from fastnn.edge.atomic import write_atomically
from fastnn.edge.options import STDOUT
from fastnn.report import extra
from fastnn.timeline.repeated import chosen, document, repeat_all
from fastnn.timeline.terminal import list_milestones, print_entries


def run_timeline(asked: Sequence[str], json_file: str | None, html_file: Path | None) -> None:
    """click.UsageError before anything is computed or written. Without names and files, the list of them."""
    if not (asked or json_file or html_file):
        list_milestones(console(sys.stdout))
        return
    try:
        if html_file:
            extra.require(extra.TIMELINE)
        require_apart([json_file, html_file])
        files, pages = result_files(json_file, None), result_files(str(html_file) if html_file else None, None)
        chosen(asked)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with announced(say):
        entries = repeat_all(asked, say)
    text = json.dumps(document(entries), indent=1, allow_nan=False) + "\n"
    for file in files:
        write_atomically(file, text.encode())
    for file in pages:
        from fastnn.timeline.page import page

        write_atomically(file, page(entries).encode())
    if json_file == STDOUT:
        sys.stdout.write(text)
    elif asked:
        print_entries(console(sys.stdout), entries)
    for file in [*files, *pages]:
        say(f"written: {file}")
