"""The experiments by name, run: what the terminal, the page and JSON show, and anything else may."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from time import perf_counter
from typing import Any

from fastnn.timeline.experiments.found import Run
from fastnn.timeline.papers.milestones import Milestone, milestones

SCHEMA = "fastnn-timeline/1"


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """One experiment, when it was run. seconds: that it took here, compiling included."""

    name: str
    run: Run
    seconds: float

    @property
    def command(self) -> str:
        return f"fastnn timeline {self.name}"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A milestone with those of its experiments that were run."""

    milestone: Milestone
    repeated: tuple[Repeated, ...]

    def as_json(self) -> dict[str, Any]:
        runs = [
            {"name": each.name, "command": each.command, "seconds": round(each.seconds, 1), **each.run.as_json()}
            for each in self.repeated
        ]
        about = asdict(self.milestone)
        return {**about, "experiments": runs}


def names() -> list[str]:
    """Of all experiments, in their order."""
    return [name for milestone in milestones().values() for name in milestone.experiments]


def chosen(asked: Sequence[str]) -> Mapping[str, list[str]]:
    """Experiments by year, of the years and experiments asked for; all where none is. ValueError for others."""
    every = {year: list(milestone.experiments) for year, milestone in milestones().items()}
    for name in asked:
        if name not in every and name not in names():
            raise ValueError(f"{name!r} is no milestone; expected one of {', '.join([*every, *names()])}")
    if not asked:
        return every
    kept = {
        year: [name for name in experiments if year in asked or name in asked] for year, experiments in every.items()
    }
    return {year: experiments for year, experiments in kept.items() if experiments}


def repeat(name: str, **settings: Any) -> Repeated:
    """Runs an experiment; settings are those of its `run`."""
    module: Any = import_module(f"fastnn.timeline.experiments.{name.replace('-', '_')}")
    begin = perf_counter()
    found = module.run(**settings)
    return Repeated(name=name, run=found, seconds=perf_counter() - begin)


def repeat_all(asked: Sequence[str], say: Callable[[str], object]) -> list[Entry]:
    """Those that are asked for, one after the other; says which begins."""
    entries = []
    for year, experiments in chosen(asked).items():
        repeated = []
        for name in experiments:
            say(f"{year}: {name}")
            repeated.append(repeat(name))
        entries.append(Entry(milestone=milestones()[year], repeated=tuple(repeated)))
    return entries


def document(entries: Sequence[Entry]) -> dict[str, Any]:
    """For machines."""
    return {"schema": SCHEMA, "milestones": [entry.as_json() for entry in entries]}
