"""Options that are of texts. A default stands in LanguageSettings alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from fastnn.language.settings import MODELS, SETTINGS, LanguageSettings

DEFAULTS = {each.name: each.default for each in fields(LanguageSettings)}
OWN = MODELS[LanguageSettings.model]
FILE = click.Path(dir_okay=False, path_type=Path)


def _setting(flag: str, told: str, kind: Any = None, **more: Any) -> click.Option:
    default = DEFAULTS[flag.lstrip("-").replace("-", "_")]
    shown = "" if default is None else f"  [default: {default}]"
    return click.Option([flag], type=kind, help=f"With --text: {told}{shown}", **more)


TEXT = [
    click.Option(["--text"], is_flag=True, help="Train a language model on DATA, a text, or topics."),
    _setting("--vocabulary", "characters, bytes, or a tokenizer.json.", metavar="NAME|FILE"),
    _setting("--length", "tokens of a sequence.", int, metavar="TOKENS"),
    _setting("--blocks", f"of the network; by default {OWN.blocks} of gpt and {MODELS['lstm'].blocks} of others.", int),
    _setting("--width", "of the network.", int),
    _setting("--heads", f"of a gpt's attention; by default {OWN.heads}.", int),
    _setting("--steps", "sequences as many as a batch each.", int),
    click.Option(
        ["--from", "begin"], type=FILE, metavar="MODEL", help="With --text: go on from it, at a tenth of the rate."
    ),
    click.Option(
        ["--freeze"], multiple=True, metavar="PATTERN",
        help="With --text: parameters that stay as they are, such as '2.*'; may be repeated.",
    ),
]  # fmt: skip
# Of those of tables, what a text takes too; a split has one border there, and models are others.
SHARED = ("model", "batch", "dropout", "learning_rate", "weight_decay", "clip_norm", "seed", "dtype", "split")
OF_TEXT = tuple(str(option.name) for option in TEXT if option.name != "text")
KNOWN = ("from", "threads", *SETTINGS)
# In a file of options, of those that nobody else checks; see fastnn.train.command.configuration.
KINDS = {
    "from": (str, "the path of a model"), "threads": (int, "a whole number"), "vocabulary": (str, "a name or a path"),
}  # fmt: skip


def require_text(given: Mapping[str, Any]) -> None:
    """click.UsageError: an option of texts for a table."""
    for name in OF_TEXT:
        if given.get(name):
            raise click.UsageError(f"--{_flag(name)} is for texts; give --text too, or leave it out")
    if given.get("model") == LanguageSettings.model:
        raise click.UsageError(f"--model {LanguageSettings.model} is for texts; give --text too, or another model")


def require_no_table(given: Mapping[str, Any]) -> None:
    """click.UsageError: an option of tables for a text."""
    for name, value in given.items():
        if name not in (*SHARED, *OF_TEXT, "threads", "text") and value not in (None, (), False):
            raise click.UsageError(f"--{_flag(name)} is for tables; leave it out, or leave out --text")


def _flag(name: str) -> str:
    return "from" if name == "begin" else name.replace("_", "-")
