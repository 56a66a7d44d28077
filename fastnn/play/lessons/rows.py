"""Rows of a csv file that was dropped on a page: two columns of numbers, and one of labels."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastnn.play.session.fields import Refused
from fastnn.tables.delimited import Delimited
from fastnn.tables.errors import DataError
from fastnn.tables.form import Format
from fastnn.tables.reading import Table, read
from fastnn.tables.scaling import Scaling

TITLE = "the file"
LABELS = ("label", "class", "target")
# As many as a page has colours and shapes for.
MOST_CLASSES = 7
MOST_ROWS, FEWEST_ROWS = 100_000, 10


@dataclass(frozen=True, eq=False)
class Rows:
    """x (N, 2) float32, standardised by those that are trained on; y (N,) int64 from 0; names of columns and classes.

    scaling, origins: what a number was in the file is x as `scaling` has it before, and more by the origin.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    title: str
    scaling: Scaling = field(default_factory=lambda: Scaling.none(2))
    origins: tuple[float, ...] = (0.0, 0.0)

    def as_given(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standardised numbers (N, 2) as the file has them."""
        return self.scaling.undo(x) + self.origins


def held_out_of(rows: int) -> int:
    """A fifth of them, the last."""
    return rows // 5


def rows_of(content: bytes) -> Rows:
    """Of the bytes of a file; in an order of their own, that no class comes last. Refused, by line and column."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.csv"
            path.write_bytes(content)
            source = Delimited(path, Format(), TITLE)
            table = read(source, _label(source.columns), task="classification")
    except (DataError, ModuleNotFoundError) as error:
        raise Refused("file", f"is not taken: {error}") from None
    return _checked(table)


def _label(columns: Sequence[str]) -> str:
    """The column that is called so, else the last: x, y, label is what people have, and y is no label there."""
    return next((name for name in columns if name.lower() in LABELS), columns[-1])


def _checked(table: Table) -> Rows:
    columns, target = table.columns, table.target
    if len(columns) != 2 or any(column.categories is not None for column in columns):
        names = ", ".join(column.name for column in columns)
        raise Refused("file", f"has {names} beside the label {target.name}; expected two columns of numbers")
    classes = target.classes or ()
    if len(classes) > MOST_CLASSES:
        raise Refused("file", f"has {len(classes)} labels in {target.name}; expected at most {MOST_CLASSES}")
    if not FEWEST_ROWS <= len(table) <= MOST_ROWS:
        raise Refused("file", f"has {len(table):,} rows; expected {FEWEST_ROWS} to {MOST_ROWS:,}")
    order = np.random.default_rng(0).permutation(len(table))
    x = table.x[order]
    scaling = Scaling.of(x[: -held_out_of(len(x))])
    scaling.apply(x)
    return Rows(
        x, table.y[order], tuple(column.name for column in columns), classes,
        f"{len(table):,} rows of your file", scaling, tuple(column.origin for column in columns),
    )  # fmt: skip
