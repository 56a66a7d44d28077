"""Files and built-in sets, opened by their names."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from fastnn import data
from fastnn.tables.arrays import of_dataset, of_npz
from fastnn.tables.delimited import Delimited
from fastnn.tables.errors import DataError
from fastnn.tables.parquet import Parquet
from fastnn.tables.source import Source

TEXT = (".csv", ".tsv", ".txt")


def open_source(place: str | PathLike[str], *, header: bool | None = None, delimiter: str | None = None) -> Source:
    """A .csv, .tsv, .txt, .npz or .parquet file, or a built-in set (spam, digits, mnist).

    header: whether the first line names the columns; None: unless one of its cells is a number. delimiter: one
    character; None finds it.
    DataError: nothing to read. FileNotFoundError, ModuleNotFoundError (pyarrow, which csv and parquet need).
    """
    path = Path(place)
    suffix = path.suffix.lower()
    if suffix not in TEXT and (header is not None or delimiter is not None):
        raise DataError(f"{path}: header and delimiter are for csv files")
    if str(place) in data.LOADERS and not path.exists():
        return of_dataset(data.load(str(place)))
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}; built-in sets are {', '.join(data.LOADERS)}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it")
    if suffix in TEXT:
        return Delimited(path, header, delimiter)
    if suffix == ".npz":
        return of_npz(path)
    if suffix in (".parquet", ".pq"):
        return Parquet(path)
    raise DataError(f"{path}: expected a .csv, .tsv, .txt, .npz or .parquet file, or one of {', '.join(data.LOADERS)}")
