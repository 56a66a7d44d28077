"""Kinds of command line arguments that several commands take: what a shell completes them to, and what names stdout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fastnn.edge.atomic import STANDARD, descriptor_of

STDOUT = "-"
# How a command ends that found a fault, or was interrupted.
FAILED, INTERRUPTED = 1, 130
# What click's scripts for shells take for "complete it as a file's name".
FILES = "file"


class Output(click.ParamType):  # type: ignore[type-arg]  # generic in later versions
    """A file to write, or "-" for stdout, whatever that is called."""

    name = "FILE|-"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        return STDOUT if text != STDOUT and descriptor_of(text) == STANDARD["stdout"] else text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type=FILES)]


class FileOr(click.ParamType):  # type: ignore[type-arg]
    """A file to read, or one of some names; those are asked for only where a shell completes them."""

    name = "text"

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self._names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in self._names() if name.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type=FILES)]


JSON = click.Option(
    ["--json", "json_file"], type=Output(), metavar="FILE|-", help="Write what it found as JSON; - is stdout."
)
