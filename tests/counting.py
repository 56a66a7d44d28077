"""A number that counts the operations done with it, to hold the cost model against the reference.

`Tally.array` makes object arrays of counted numbers. An operation counts when at least one operand is a
counted number, so scalars computed from plain floats alone stay free. There is no conversion to float and
no power: code that needs one fails instead of escaping the count.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass
class Tally:
    """Operations counted so far, by kind; shared by all numbers that it made."""

    adds: int = 0
    muls: int = 0
    divs: int = 0
    compares: int = 0
    sqrts: int = 0
    transcendentals: int = 0

    @property
    def flops(self) -> int:
        return self.adds + self.muls + self.divs + self.compares + self.sqrts

    def clear(self) -> None:
        for field in fields(self):
            setattr(self, field.name, 0)

    def array(self, values: npt.ArrayLike) -> Array:
        """An object array of counted numbers with these values."""
        counted: Array = np.vectorize(lambda value: Counted(float(value), self), otypes=[object])(values)
        return counted


class Counted:
    """A float that adds to its tally whatever is done with it."""

    __slots__ = ("tally", "value")

    def __init__(self, value: float, tally: Tally) -> None:
        self.value = value
        self.tally = tally

    def __neg__(self) -> Counted:
        return Counted(-self.value, self.tally)

    def __abs__(self) -> Counted:
        return Counted(abs(self.value), self.tally)


def value_of(number: Any) -> float:
    """The plain value of a number, counted or not."""
    return number.value if isinstance(number, Counted) else float(number)


def values(numbers: Any) -> Array:
    """The float64 array of the values of an array of numbers, counted or not."""
    return np.asarray(np.vectorize(value_of, otypes=[np.float64])(numbers))


def _binary(kind: str, operation: Callable[[Any, Any], Any]) -> Callable[[Counted, Any], Counted]:
    def method(self: Counted, other: Any) -> Counted:
        setattr(self.tally, kind, getattr(self.tally, kind) + 1)
        return Counted(operation(self.value, value_of(other)), self.tally)

    return method


def _comparison(operation: Callable[[Any, Any], bool]) -> Callable[[Counted, Any], bool]:
    def method(self: Counted, other: Any) -> bool:
        self.tally.compares += 1
        return operation(self.value, value_of(other))

    return method


def _unary(kind: str, operation: Callable[[float], float]) -> Callable[[Counted], Counted]:
    def method(self: Counted) -> Counted:
        setattr(self.tally, kind, getattr(self.tally, kind) + 1)
        return Counted(operation(self.value), self.tally)

    return method


def _reflected(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda left, right: operation(right, left)


for _name, _kind in (("add", "adds"), ("sub", "adds"), ("mul", "muls"), ("truediv", "divs")):
    setattr(Counted, f"__{_name}__", _binary(_kind, getattr(operator, _name)))
    setattr(Counted, f"__r{_name}__", _binary(_kind, _reflected(getattr(operator, _name))))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Counted, f"__{_name}__", _comparison(getattr(operator, _name)))
Counted.sqrt = _unary("sqrts", math.sqrt)  # type: ignore[attr-defined]
for _name in ("exp", "expm1", "log", "log1p", "tanh", "erf"):
    setattr(Counted, _name, _unary("transcendentals", getattr(math, _name)))
