"""Milestones, as milestones.toml has them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A number of a paper. unchecked: from memory."""

    value: float
    about: str
    unchecked: bool = False


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """parameters, training_flops: of the paper's own largest model, 0 where they are not known. estimate: whether they
    are others' than its authors'."""

    year: str
    title: str
    date: str
    source: str
    link: str
    claim: str
    aside: str
    experiments: tuple[str, ...]
    parameters: int
    training_flops: float
    sized: str
    estimate: bool = False
    numbers: Mapping[str, Printed] = field(default_factory=dict)


@cache
def milestones() -> Mapping[str, Milestone]:
    """By year, in their order."""
    text = files(__package__).joinpath("milestones.toml").read_text(encoding="utf-8")
    return {year: _milestone(year, entry) for year, entry in tomllib.loads(text).items()}


def _milestone(year: str, entry: dict[str, object]) -> Milestone:
    numbers = {name: Printed(**each) for name, each in entry.pop("numbers", {}).items()}  # type: ignore[attr-defined]
    experiments = tuple(entry.pop("experiments"))  # type: ignore[arg-type, var-annotated]
    return Milestone(year=year, numbers=numbers, experiments=experiments, **entry)  # type: ignore[arg-type]


def printed(year: str, name: str) -> float:
    """The number of that name in the paper of that year."""
    return milestones()[year].numbers[name].value
