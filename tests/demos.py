"""Demonstrations as their commands show them, each made once."""

from __future__ import annotations

from functools import cache
from typing import Any

from click.testing import CliRunner, Result

from fastnn import cli
from fastnn.demo.catalogue import entry
from fastnn.demo.command import command
from fastnn.demo.display.demonstration import Demonstration


@cache
def shown(which: str, **settings: Any) -> Demonstration:
    """With the options' defaults."""
    found = command(which)
    assert found is not None
    defaults = {key: value for key, value in found.make_context(which, []).params.items() if not key.endswith("_file")}
    return entry(which).show(**defaults | settings)


def numbers(which: str, **settings: Any) -> Any:
    return shown(which, **settings).numbers


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["demo", *arguments])
