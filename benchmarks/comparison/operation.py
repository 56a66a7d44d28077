"""What a library makes of a case: a call to time, and how to read its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = dict[str, Array]


class NotOffered(LookupError):
    """The library has no such operation here; says why."""


@dataclass(frozen=True, slots=True)
class Operation:
    """call() returns when its work is done. read(what call returned) gives arrays by the names of tests/case.py.

    how: the spelling that was chosen, where there are several.
    """

    call: Callable[[], Any]
    read: Callable[[Any], Arrays]
    how: str = ""


class Library(Protocol):
    """A peer, held to a number of threads."""

    def operation(self, op: str, inputs: Arrays, about: dict[str, Any]) -> Operation:
        """Of a case's op, inputs and fields. NotOffered where there is none."""


def named(name: str) -> Callable[[Any], Arrays]:
    """Reads a single answer."""
    return lambda answer: {name: np.asarray(answer)}


def function_of(op: str, about: dict[str, Any]) -> str:
    """exp, tanh, ...: the elementwise function of a case."""
    return str(about["name"] if op == "function" else about["activation"])


ELEMENTWISE = ("function", "activation_forward")
