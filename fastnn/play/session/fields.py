"""What can be set on a page: controls there, checks here. What comes from a page or a link is believed only so far."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

# Characters of what came.
MOST_SHOWN = 40


class Refused(ValueError):
    """What came over the wire and is not taken. field: the name of what was wrong."""

    def __init__(self, field: str, told: str) -> None:
        super().__init__(f"{field} {told}")
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Field(ABC):
    """label: in words, beside the control. default: what it is unless it is set."""

    label: str
    default: Any
    kind: ClassVar[str]

    @abstractmethod
    def read(self, name: str, given: Any) -> Any:
        """The value as it is computed with. Refused."""

    def told(self, value: Any) -> Any:
        """The value as JSON has it."""
        return value

    def describe(self) -> dict[str, Any]:
        """For the page, which makes a control of it."""
        return {"kind": self.kind, **asdict(self)}


def shown(given: Any) -> str:
    """As much of what came as is told again."""
    text = repr(given)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _number(name: str, given: Any, low: float, high: float) -> float:
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise Refused(name, f"is {type(given).__name__}; expected a number")
    if not (low <= given <= high):  # NaN, too
        raise Refused(name, f"is {shown(given)}; expected {low:g} to {high:g}")
    return float(given)


@dataclass(frozen=True, kw_only=True)
class Number(Field):
    """A slider. scale "log" moves it by factors. unit: read out behind the value."""

    low: float
    high: float
    step: float = 0.01
    scale: str = "linear"
    unit: str = ""
    kind: ClassVar[str] = "number"

    def read(self, name: str, given: Any) -> float:
        return _number(name, given, self.low, self.high)


@dataclass(frozen=True, kw_only=True)
class Whole(Field):
    """A whole number. slides: as a slider, else typed. unit: read out behind a slider's value."""

    low: int
    high: int
    slides: bool = False
    unit: str = ""
    kind: ClassVar[str] = "whole"

    def read(self, name: str, given: Any) -> int:
        number = _number(name, given, self.low, self.high)
        if number != int(number):
            raise Refused(name, f"is {shown(given)}; expected a whole number")
        return int(number)


@dataclass(frozen=True, kw_only=True)
class Choice(Field):
    options: tuple[str, ...]
    kind: ClassVar[str] = "choice"

    def read(self, name: str, given: Any) -> str:
        if not isinstance(given, str) or given not in self.options:
            raise Refused(name, f"is {shown(given)}; expected one of {', '.join(self.options)}")
        return given


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """A line of at least one character."""

    most: int
    kind: ClassVar[str] = "text"

    def read(self, name: str, given: Any) -> str:
        if not isinstance(given, str):
            raise Refused(name, f"is {type(given).__name__}; expected text")
        if not 0 < len(given) <= self.most:
            raise Refused(name, f"has {len(given)} characters; expected 1 to {self.most}")
        return given


@dataclass(frozen=True, kw_only=True)
class Sizes(Field):
    """Units of each layer, the inputs first."""

    fewest: int
    most: int
    widest: int
    kind: ClassVar[str] = "sizes"

    def read(self, name: str, given: Any) -> tuple[int, ...]:
        if not isinstance(given, list):
            raise Refused(name, f"is {type(given).__name__}; expected a list of whole numbers")
        if not self.fewest <= len(given) <= self.most:
            raise Refused(name, f"has {len(given)} entries; expected {self.fewest} to {self.most}")
        one = Whole(label="", default=1, low=1, high=self.widest)
        return tuple(one.read(f"{name}[{at}]", each) for at, each in enumerate(given))


@dataclass(frozen=True)
class Content:
    """What was made of a file."""

    title: str
    value: Any


@dataclass(frozen=True, kw_only=True)
class File(Field):
    """A file that was dropped on the page, as the lesson reads it; None without one. No link holds it."""

    kind: ClassVar[str] = "file"

    def read(self, name: str, given: Any) -> Content | None:
        if given is None or isinstance(given, Content):
            return given
        raise Refused(name, f"is {shown(given)}; expected null, or a file that is dropped on the page")

    def told(self, value: Any) -> Any:
        return None if value is None else value.title


Fields = Mapping[str, Field]
Settings = dict[str, Any]


def defaults(fields: Fields) -> Settings:
    return {name: field.default for name, field in fields.items()}


def read(fields: Fields, given: Any) -> Settings:
    """Those that were given, as they are computed with. Refused, by the name of the field."""
    if not isinstance(given, dict):
        raise Refused("settings", f"is {type(given).__name__}; expected an object")
    for name in given:
        if name not in fields:
            raise Refused(str(name)[:40], f"is no setting of this page; expected {', '.join(fields)}")
    return {name: fields[name].read(name, value) for name, value in given.items()}


def as_json(fields: Fields, settings: Settings) -> Settings:
    """As JSON has them."""
    return {name: fields[name].told(value) for name, value in settings.items()}


def finite(name: str, given: Any, bound: float = math.inf) -> float:
    """A number typed on the page. Refused."""
    number = _number(name, given, -bound, bound)
    if not math.isfinite(number):
        raise Refused(name, f"is {shown(given)}; expected a finite number")
    return number
