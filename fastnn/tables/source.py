"""Where rows come from, whatever the format: names of columns, and batches of them in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

# Numbers as float64, NaN where one is missing; names as str, "" where one is missing.
Values = NDArray[Any] | list[str]


class Source(Protocol):
    """An open table. rows: at most so many. target: the column to predict, where the format knows.

    locate: where a row from 0 lies, for people, and what its cell in a column holds.
    """

    title: str
    columns: tuple[str, ...]
    rows: int
    target: str | None

    def is_text(self, column: str) -> bool: ...

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        """The columns' values, some thousand rows at a time; those in as_text as str. DataError where it breaks off."""
        ...

    def locate(self, row: int, column: str) -> tuple[str, str]: ...
