"""What columns mean: numbers, names to be told apart, and the one to predict. Kept with a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CLASSIFICATION, REGRESSION = TASKS = ("classification", "regression")


@dataclass(frozen=True)
class Column:
    """An input column: a number, or, with categories, one of those names, as 0s and a 1 in that many inputs.

    origin: what is subtracted from a number, in float64, before it is rounded to the network's type: of times, places
    and codes that lie far from 0 the differences are what counts, and float32 would lose them.
    """

    name: str
    categories: tuple[str, ...] | None = None
    origin: float = 0.0

    @property
    def width(self) -> int:
        """Inputs that it takes."""
        return 1 if self.categories is None else len(self.categories)


@dataclass(frozen=True)
class Target:
    """The column to predict: one of `classes`, in this order, or a number where there are none."""

    name: str
    classes: tuple[str, ...] | None = None

    @property
    def task(self) -> str:
        return REGRESSION if self.classes is None else CLASSIFICATION

    @property
    def count(self) -> int:
        """Classes, or the one number."""
        return 1 if self.classes is None else len(self.classes)


def describe(column: Column | Target) -> dict[str, Any]:
    """As JSON can keep it; a target with its task, for those who read the file."""
    return asdict(column) | ({"task": column.task} if isinstance(column, Target) else {})


def _names(values: Any) -> tuple[str, ...] | None:
    return None if values is None else tuple(map(str, values))


def column_of(description: Mapping[str, Any]) -> Column:
    """The column that `describe` described."""
    return Column(str(description["name"]), _names(description["categories"]), float(description.get("origin", 0.0)))


def target_of(description: Mapping[str, Any]) -> Target:
    """The target that `describe` described."""
    return Target(str(description["name"]), _names(description["classes"]))
