"""What a user says of how a table is written as text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastnn.tables.errors import DataError
from fastnn.tables.numbers import MARKS, SEPARATORS


@dataclass(frozen=True)
class Format:
    """What a user says of a csv file; None is found.

    header: whether the first line names the columns. delimiter: one character, a blank for runs of blanks. encoding: as
    Python names it. decimal, thousands: marks of numbers. units: texts that stand beside numbers. null: what stands
    for a missing value, in place of the usual. DataError: what cannot be.
    """

    header: bool | None = None
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    units: tuple[str, ...] = ()
    null: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("units", "null"):
            value = getattr(self, name)
            texts = (value,) if isinstance(value, str) else value  # one alone
            if texts is not None and not all(isinstance(text, str) for text in texts):
                raise DataError(f"{name} is {value!r}; expected texts")
            object.__setattr__(self, name, None if texts is None else tuple(texts))
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise DataError(f"delimiter is {self.delimiter!r}; expected one character, such as ';'")
        if self.decimal not in (None, *MARKS):
            raise DataError(f"decimal is {self.decimal!r}; expected '.' or ','")
        if self.thousands not in (None, *SEPARATORS):
            raise DataError(f"thousands is {self.thousands!r}; expected one of {' '.join(map(repr, SEPARATORS))}")
        if self.thousands is not None and self.thousands == (self.decimal or "."):
            raise DataError(f"thousands and decimal are both {self.thousands!r}; expected two marks")
        if not all(unit.strip() for unit in self.units):
            raise DataError("a unit is empty; expected a text, such as '%' or 'kg'")

    def over(self, other: Format | None) -> Format:
        """This, and what it does not say as the other does."""
        return self if other is None else replace(other, **self.told)

    @property
    def told(self) -> dict[str, Any]:
        """What is said, by name."""
        return {name: value for name, value in vars(self).items() if value is not None and value != ()}
