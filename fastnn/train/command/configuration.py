"""Options and a TOML file, joined: what to read, and Settings."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from fastnn.samples.layout import LAYOUTS, NHW
from fastnn.tables import Format
from fastnn.train.settings import Settings

# What Settings do not check, as a TOML file gives it.
KINDS = {
    "target": (str, "a column, such as 'label'"), "drop": (list, "a list of columns, such as ['id']"),
    "categorical": (list, "a list of columns, such as ['id']"), "task": (str, "classification or regression"),
    "weights": (str, "a column, such as 'weight'"),
    "missing": (str, "mean, median or drop"), "header": (bool, "true or false"),
    "delimiter": (str, "one character, such as ';'"), "encoding": (str, "a name, such as 'cp1252'"),
    "decimal": (str, "',' or '.'"), "thousands": (str, "one character, such as '.'"),
    "units": (list, "a list of texts, such as ['%']"), "null": (list, "a list of texts, such as ['NA', '?']"),
    "image_size": (str, "height and width, such as '28x28'"), "axes": (str, f"one of {', '.join(LAYOUTS)}"),
    "threads": (int, "a whole number"),
}  # fmt: skip
# How images and sequences are read, and tables.
OF_SAMPLES = ("image_size", "axes")
READING = tuple(name for name in KINDS if name not in (*OF_SAMPLES, "threads"))
# Of these, how a csv file is written.
FORMAT = tuple(each.name for each in fields(Format))
SETTINGS = tuple(each.name for each in fields(Settings))
KNOWN = (*KINDS, *SETTINGS)
OPTIONS = "|".join((*READING, "unit", "split", "image-size", "axes", "model"))
# What refusals of the library name in parentheses, as it is called in Python.
NAMED = re.compile(rf"\((?:{OPTIONS})\b[^()]*\)")


def as_options(message: str) -> str:
    """The same, with the names of options as the command line has them: (--missing) for (missing)."""
    return NAMED.sub(lambda found: re.sub(rf"(^\(|, )({OPTIONS})\b", r"\1--\2", found[0]), message)


def joined(options: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """Every known name that somebody gave; an option wins. ValueError: a file that says anything else."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    return {**(read(config) if config else {}), **given}


def read(path: Path, known: Sequence[str] = KNOWN, kinds: Mapping[str, Any] = KINDS) -> dict[str, Any]:
    """A TOML file of options, with - or _ in their names. kinds: of those that nobody else checks."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    values = {name.replace("-", "_"): value for name, value in values.items()}
    if unknown := [name for name in values if name not in known]:
        raise ValueError(f"{path}: {unknown[0]} is no option; expected some of {', '.join(known)}")
    for name, (kind, expected) in kinds.items():
        if name not in values:
            continue
        fits = type(values[name]) is kind
        if not fits or (kind is list and not all(isinstance(each, str) for each in values[name])):
            raise ValueError(f"{path}: {name} is {values[name]!r}; expected {expected}")
    if values.get("axes", NHW) not in LAYOUTS:
        raise ValueError(f"{path}: axes is {values['axes']!r}; expected one of {', '.join(LAYOUTS)}")
    if values.get("threads", 1) < 1:
        raise ValueError(f"{path}: threads is {values['threads']}; expected 1 or more")
    return values
