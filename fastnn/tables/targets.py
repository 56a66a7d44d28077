"""The column to predict: which it is, and whether it is of classes or of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_choice
from fastnn.tables.columns import REGRESSION, TASKS, Target
from fastnn.tables.encoding import fault, no_name, require_columns, require_finite
from fastnn.tables.errors import DataError, listed
from fastnn.tables.source import Source, Values

NAMES = ("y", "label", "target")
# Whole numbers of no more values than this are classes, unless the user says otherwise.
FEW = 20
# Whole numbers up to here are exact in float64.
EXACT = 2**53
# More classes than this are no classes, but names of rows.
MOST = 10_000
REMEDY_OF_TARGET = "fill it, or leave the row out (missing drop does)"


def choose(source: Source, name: str | None) -> str:
    """The name given, or the source's own, or y, label or target, or the last column. DataError."""
    if name is not None:
        require_columns(source, [name])
        return name
    if not source.columns:
        raise DataError(f"{source.title} has no column to predict")
    found = [column for column in source.columns if column in NAMES]
    if len(found) > 1:
        raise DataError(f"{source.title} has columns {listed(found)}; name the one to predict (target)")
    return source.target or (found[0] if found else source.columns[-1])


class Labels:
    """Collects the target of a source, batch by batch; `finish` decides what it is.

    known: names that stand for nothing elsewhere, and are classes here; all of them but "" with declared.
    """

    def __init__(
        self, source: Source, name: str, as_text: bool, declared: bool = False, known: Collection[str] = ()
    ) -> None:
        self.source, self.name, self.as_text = source, name, as_text
        self.missing: Counter[str] = Counter()
        self._nothing = {""} if declared else {"", *source.nothing(name)} - set(known)
        self._parts: list[NDArray[Any]] = []
        self._places: list[NDArray[np.int64]] = []  # rows of the source, where some were left out
        self._codes: dict[str, int] = {}
        self._rows = 0

    def add(self, values: Values, kept: NDArray[np.bool_], drops: bool) -> NDArray[np.bool_]:
        """One batch, of which some rows are kept; where it `drops`, not those whose label is missing either. Returns
        the rows that are. DataError."""
        there = self._there(values)
        if not there.all():
            if not drops:
                raise self._absent(int(np.argmin(there)), values)
            self.missing[self.name] += int(np.count_nonzero(~there))
        kept = kept & there
        if self.as_text:
            part = self._coded([value for value, keeps in zip(values, kept, strict=True) if keeps])
        else:
            part = np.asarray(values)[kept]
            require_finite(self.source, self.name, np.asarray(values), np.dtype(np.float64), self._rows, kept)
        self._parts.append(part)
        if drops:
            self._places.append(self._rows + np.flatnonzero(kept))
        self._rows += len(values)
        return kept

    def _there(self, values: Values) -> NDArray[np.bool_]:
        if self.as_text:
            return np.array([value not in self._nothing for value in values], np.bool_)
        there: NDArray[np.bool_] = ~np.isnan(np.asarray(values))
        return there

    def _absent(self, at: int, values: Values) -> DataError:
        row = self._rows + at
        if self.as_text:
            return no_name(self.source, row, self.name, str(values[at]))
        return fault(self.source, row, self.name, f"no number ({{cell}}); {REMEDY_OF_TARGET}")

    def _coded(self, values: Sequence[str]) -> NDArray[np.int64]:
        part = np.array([self._codes.setdefault(value, len(self._codes)) for value in values], np.int64)
        if len(self._codes) > MOST:
            raise DataError(
                f"{self.source.title}: column {self.name!r} holds more than {MOST:,} different texts, such as "
                f"{listed(list(self._codes)[:3])}; expected classes. Name another one to predict (target)"
            )
        return part

    @property
    def names(self) -> Sequence[str]:
        """Of classes that are text."""
        return list(self._codes)

    def _fault(self, row: int, what: str) -> DataError:
        """Of a row that was kept."""
        place = int(np.concatenate(self._places)[row]) if self._places else row
        return fault(self.source, place, self.name, what)

    def finish(self, task: str | None) -> tuple[NDArray[Any], Target]:
        """y (N,): classes int64, or numbers float64. DataError: one class only, a class of one row, no classes."""
        task = None if task is None else as_choice(task, TASKS, "task")
        values = np.concatenate(self._parts)
        if self.as_text:
            if task == REGRESSION:
                raise self._fault(0, "{cell} is text; expected numbers for a regression")
            return self._classes(*_in_order(values, list(self._codes)))
        whole = values == np.round(values)
        kinds = np.unique(values) if whole.all() else values[:0]
        if task == REGRESSION or (task is None and not (whole.all() and len(kinds) <= FEW)):
            return self._numbers(values)
        if not whole.all():
            raise self._fault(int(np.argmin(whole)), "{cell} is no class; expected text or whole numbers")
        if len(kinds) > MOST:
            raise DataError(
                f"{self.source.title}: column {self.name!r} holds {len(kinds):,} different numbers; "
                f"expected at most {MOST:,} classes"
            )
        if np.abs(kinds).max() > EXACT:
            row = int(np.argmax(np.abs(values) > EXACT))
            raise self._fault(row, "{cell} is beyond 2^53, where numbers are not exact; use text")
        return self._classes(np.searchsorted(kinds, values), [_number(kind) for kind in kinds])

    def as_trained(self, target: Target) -> NDArray[Any]:
        """y (N,) as a model knows it: its classes, or numbers. DataError: a class that it does not know."""
        values = np.concatenate(self._parts)
        if target.classes is None:
            if self.as_text:
                raise self._fault(0, "{cell} is text; the model gives numbers")
            return values
        kinds, codes = np.unique(values, return_inverse=True)
        texts = list(self._codes)
        names = [texts[kind] if self.as_text else _number(kind) for kind in kinds]
        known = {name: i for i, name in enumerate(target.classes)}
        labels = np.array([known.get(name, -1) for name in names], np.int64)[codes]
        if (labels < 0).any():
            what = "{cell} is none of the model's classes: " + listed(target.classes)
            raise self._fault(int(np.argmax(labels < 0)), what)
        return labels

    def _classes(self, labels: NDArray[np.int64], names: Sequence[str]) -> tuple[NDArray[Any], Target]:
        if len(names) < 2:
            raise DataError(
                f"{self.source.title}: column {self.name!r} holds one class only, {names[0]!r}; expected at least two"
            )
        counts = np.bincount(labels)
        if (counts < 2).any():
            row = int(np.argmax(labels == np.argmin(counts)))
            raise self._fault(row, "{cell} is the only row of its class; expected two or more, to train and to test on")
        return labels, Target(self.name, tuple(names))

    def _numbers(self, values: NDArray[np.float64]) -> tuple[NDArray[Any], Target]:
        if (values == values[0]).all():
            raise DataError(
                f"{self.source.title}: column {self.name!r} holds {values[0]:g} in every row; nothing is to learn"
            )
        return values, Target(self.name)


def _number(kind: float) -> str:
    """As a class is named; what is no whole number is no class of any model."""
    return str(int(kind)) if kind == round(kind) else repr(float(kind))


def _in_order(codes: NDArray[np.int64], names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Numbered by their order in the alphabet, not in the file."""
    order = sorted(names)
    place = {name: i for i, name in enumerate(order)}
    return np.array([place[name] for name in names])[codes], order


def are_numbers(names: Sequence[str]) -> bool:
    """Whether classes are called as whole numbers are."""
    return all(name.lstrip("-").isdecimal() and name.isascii() and str(int(name)) == name for name in names)
