"""Tables as files, for tests: the same rows as csv, npz and parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from pyarrow import parquet

from fastnn.tables import Table, open_source, read

HOUSES = "size,town,rooms,price\n50.5,Bern,2,500\n80,Oslo,3,600.5\n\n60,Bern,2,550\n"


def csv_of(folder: Path, text: str | bytes, name: str = "t.csv") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def table_of(folder: Path, text: str | bytes, **options: Any) -> Table:
    how = {name: options.pop(name) for name in ("header", "delimiter") if name in options}
    return read(open_source(csv_of(folder, text), **how), **options)


def write_csv(file: Path, x: Any, y: Any) -> Path:
    names = ",".join([*(f"x{i}" for i in range(x.shape[1])), "y"])
    rows = ("".join(f"{value!r}," for value in row) + str(label) for row, label in zip(x.tolist(), y, strict=True))
    return csv_of(file.parent, "\n".join([names, *rows]), f"{file.name}.csv")


def write_npz(file: Path, x: Any, y: Any) -> Path:
    np.savez(f"{file}.npz", x=x, y=y)
    return Path(f"{file}.npz")


def write_parquet(file: Path, x: Any, y: Any) -> Path:
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    parquet.write_table(pyarrow.table({**columns, "y": y}), f"{file}.parquet")
    return Path(f"{file}.parquet")


# A small table in many forms: rows of a number, a whole number and a class.
ROWS = [(1.5, 20, "a"), (2.25, 30, "b"), (3.0, 45, "a"), (4.75, 50, "b")]
X = np.array([row[:2] for row in ROWS], np.float32)


def rows_of(apart: str, end: str = "\n", form: str = "{}") -> str:
    return "".join(apart.join([form.format(a), str(b), c]) + end for a, b, c in ROWS)


def assert_rows(table: Any, names: tuple[str, ...] = ("size", "rooms")) -> None:
    np.testing.assert_array_equal(table.x, X)
    assert tuple(column.name for column in table.columns) == names
    assert table.target.classes == ("a", "b")
