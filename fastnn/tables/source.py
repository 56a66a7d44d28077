"""Where rows come from, whatever the format: names of columns, and batches of them in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from fastnn.tables.form import Format
from fastnn.tables.numbers import plain

# Numbers as float64, NaN where one is missing; names as str, "" where one is missing.
Values = NDArray[Any] | list[str]


class Source(Protocol):
    """An open table. rows: at most so many. target: the column to predict, where the format knows. form: how
    the numbers of a text file are written, for who reads another one like it; None where as programs write them. told:
    how it is read, in words; "" where the file itself says it.
    kept: what must live as long as the source, such as a temporary file.

    is_text: whether a column holds names. nothing: what stands for a name that is missing. is_number: whether a text
    would be one in a column of numbers. doubt: why a column may hold something else than it seems to.
    locate: where a row from 0 lies, for people, and what its cell in a column holds.
    """

    title: str
    columns: tuple[str, ...]
    rows: int
    target: str | None
    form: Format | None
    told: str
    kept: Any

    def is_text(self, column: str) -> bool: ...

    def nothing(self, column: str) -> frozenset[str]: ...

    def is_number(self, cell: str) -> bool: ...

    def doubt(self, column: str) -> str | None: ...

    def batches(self, columns: Sequence[str], as_text: Sequence[str]) -> Iterator[list[Values]]:
        """The columns' values, some thousand rows at a time; those in as_text as str. DataError where it breaks off."""
        ...

    def locate(self, row: int, column: str) -> tuple[str, str]: ...


class Typed:
    """The part of a Source whose file knows what its columns hold."""

    target: str | None = None
    form: Format | None = None
    told = ""
    kept: Any = None

    def nothing(self, column: str) -> frozenset[str]:
        return frozenset({""})

    def is_number(self, cell: str) -> bool:
        return plain(cell) is not None

    def doubt(self, column: str) -> str | None:
        return None
