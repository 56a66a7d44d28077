"""What is of the sides of an image: one number for both, or two, down and across."""

from __future__ import annotations

from typing import Any

from fastnn.edge.checks import as_count, as_int64

Pair = tuple[int, int]
# Rows that windows of so many sides are over.
TAKES = {1: "sequences (T, C)", 2: "images (H, W, C)"}


def sides_of(sides: int, value: Any, name: str, minimum: int) -> Any:
    """A number, of windows of one side; of two, of a number, or two, down and across, these two."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * sides
    if len(given) != sides:
        expected = "a number" if sides == 1 else "a number, or two: down and across"
        raise ValueError(f"{name} is {value!r}; expected {expected}")
    found = tuple(as_int64(as_count(side, name, minimum), name) for side in given)
    return found if sides == 2 else found[0]


def as_pair(value: Any, of_row: int) -> Pair:
    """Down and across; of_row: down, of what is one row."""
    down, across = value if isinstance(value, tuple) else (of_row, value)
    return down, across
