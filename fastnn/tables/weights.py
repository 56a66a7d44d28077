"""A column that says how often the loss of a row counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastnn.tables.encoding import fault, require_columns
from fastnn.tables.errors import DataError
from fastnn.tables.source import Source, Values


class Weights:
    """Collects the weights of a source, batch by batch. DataError: a column that is not there, or holds text."""

    def __init__(self, source: Source, name: str) -> None:
        require_columns(source, [name])
        if source.is_text(name):
            raise DataError(f"{source.title}: column {name!r} holds text; expected numbers, how often a row counts")
        self.source, self.name = source, name
        self._parts: list[NDArray[np.float64]] = []
        self._rows = 0

    def add(self, values: Values, kept: NDArray[np.bool_]) -> None:
        """One batch, of which some rows are kept. DataError: a number that no row can weigh."""
        weights = np.asarray(values, np.float64)
        wrong = kept & ~(np.isfinite(weights) & (weights >= 0))
        if wrong.any():
            row = self._rows + int(np.argmax(wrong))
            raise fault(self.source, row, self.name, "{cell} is no weight of a row; expected a number of at least 0")
        self._parts.append(weights[kept])
        self._rows += len(weights)

    def finish(self) -> NDArray[np.float64]:
        """Of all rows that were kept. DataError: none weighs anything."""
        found = np.concatenate(self._parts)
        if not found.any():
            raise DataError(f"{self.source.title}: column {self.name!r} is 0 in every row; nothing is to learn")
        return found
