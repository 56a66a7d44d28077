"""What the columns of a source hold, before its rows are read: names, which are collected by reading those columns
once, or numbers, and where the numbers lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastnn.tables.columns import Column
from fastnn.tables.encoding import fault, no_name
from fastnn.tables.errors import DataError, listed
from fastnn.tables.source import Source, Values

# Names that a column may hold, each of which becomes an input.
CATEGORIES = 100
# Deviations from 0 at which numbers are kept as differences: float32 rounds them to 6e-5 of a deviation here, of times
# in seconds to a whole one.
FAR = 1024
# The same of a number that does not differ at first: a day may begin so.
FAR_CONSTANT = 2.0**20


def survey(
    source: Source, names: Sequence[str], categorical: Sequence[str], rule: str | None, centre: bool
) -> tuple[Column, ...]:
    """What each column holds. DataError: too many names, a name that is missing without a rule, numbers among names."""
    text = [name for name in names if name in categorical or source.is_text(name)]
    kinds = _kinds(source, text)
    found = {name: _names(source, name, kinds[name], name in categorical, rule) for name in text}
    numbers = [name for name in names if name not in found]
    for name in numbers:
        if doubt := source.doubt(name):
            raise DataError(f"{source.title}, column {name!r}: {doubt}")
    origins = _origins(source, numbers) if centre else {}
    return tuple(Column(name, found.get(name), origins.get(name, 0.0)) for name in names)


def _kinds(source: Source, text: Sequence[str]) -> dict[str, dict[str, int]]:
    """The texts of each column, with the row that has them first. DataError: too many."""
    seen: dict[str, dict[str, int]] = {name: {} for name in text}
    row = 0
    for batch in source.batches(text, text) if text else ():
        for name, values in zip(text, batch, strict=True):
            if len(seen[name]) <= CATEGORIES:
                for at, value in enumerate(values):
                    seen[name].setdefault(value, row + at)
        row += len(batch[0])
    if many := [name for name in text if len(seen[name]) > CATEGORIES]:
        such = "; ".join(f"{name!r}, such as {listed(list(seen[name])[:3])}" for name in many)
        raise DataError(
            f"{source.title}: more than {CATEGORIES} different texts, each of which would be an input, are in {such}. "
            f"Leave out (drop) {listed(many)}"
        )
    return seen


def _names(source: Source, name: str, kinds: dict[str, int], wanted: bool, rule: str | None) -> tuple[str, ...]:
    """Those of a column, in the order of the alphabet. wanted: the user says that it holds names."""
    nothing = {"", *(() if wanted else source.nothing(name))}
    if rule is None and (absent := [kind for kind in kinds if kind in nothing]):
        raise no_name(source, kinds[absent[0]], name, absent[0])
    there = [kind for kind in kinds if kind not in nothing]
    numbers = [kind for kind in there if source.is_number(kind)]
    if not wanted and 0 < len(numbers) < len(there):
        raise fault(
            source, kinds[numbers[0]], name,
            "a number, {cell}, and the column begins with text; mend it, or say that it holds names (categorical)",
        )  # fmt: skip
    if not wanted and (doubt := source.doubt(name)):
        raise DataError(f"{source.title}, column {name!r}: {doubt}")
    if not there:
        raise DataError(f"{source.title}: column {name!r} holds nothing; leave it out (drop)")
    return tuple(sorted(there))


def _origins(source: Source, names: Sequence[str]) -> dict[str, float]:
    """Of columns whose numbers lie far from 0, for what they differ, their mean: of those whose first ones do."""
    first = next(iter(source.batches(names, ())), None) if names else None
    if first is None:
        return {}
    near = {name: _moments(values) for name, values in zip(names, first, strict=True)}
    candidates = [name for name in names if _is_far(*near[name])]
    found = {name: (0, 0.0, 0.0) for name in candidates}
    for batch in source.batches(candidates, ()) if candidates else ():
        for name, values in zip(candidates, batch, strict=True):
            there, (count, total, squares) = np.asarray(values)[np.isfinite(values)] - near[name][1], found[name]
            found[name] = count + there.size, total + float(there.sum()), squares + float(np.square(there).sum())
    origins = {}
    for name, (count, total, squares) in found.items():
        mean = total / count
        if _is_far(count, near[name][1] + mean, max(squares / count - mean * mean, 0.0) ** 0.5):
            origins[name] = near[name][1] + mean
    return origins


def _moments(values: Values) -> tuple[int, float, float]:
    """How many numbers there are, their mean and deviation."""
    there = np.asarray(values)[np.isfinite(values)]
    return (there.size, float(there.mean()), float(there.std())) if there.size else (0, 0.0, 0.0)


def _is_far(count: int, mean: float, deviation: float) -> bool:
    return count > 0 and abs(mean) > (FAR * deviation or FAR_CONSTANT)
