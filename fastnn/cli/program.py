"""What all commands have in common: how they end, and what becomes of signs that a terminal cannot show."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from fastnn.edge.options import FAILED, INTERRUPTED


class Program(click.Group):
    """A group of commands, each of which ends in one line and a status where the system fails it: a full disk, a file
    that may not be written, an interruption."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # numbers come out, whatever becomes of a sign beside them
                stream.reconfigure(errors="replace")
        try:
            return super().main(*args, **kwargs)
        except OSError as error:  # but that of a pipe which nobody reads any more, where click ends quietly
            _let_go_of_stdout()
            click.echo(f"Error: {error}", err=True)
            sys.exit(FAILED)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _interruptible():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _interruptible():
                return super().invoke(ctx)
        finally:
            sys.stdout.flush()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends with the status that a shell expects, where click's own is that of any failure."""
    try:
        yield
    except (KeyboardInterrupt, Exception) as error:
        if not _is_interruption(error):
            raise
        click.echo("interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C came, also while a compiled module was loaded, which makes an ImportError of it (scipy's)."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def _let_go_of_stdout() -> None:
    """Where stdout cannot be written, what waits for it would be tried again, and fail, when the process ends."""
    with suppress(OSError, ValueError, AttributeError):
        try:
            sys.stdout.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
