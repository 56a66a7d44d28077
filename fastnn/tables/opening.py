"""Files, pipes and built-in sets, opened by their names."""

from __future__ import annotations

import gzip
import shutil
import stat
import tempfile
import zlib
from os import PathLike
from pathlib import Path
from typing import IO, Any

from fastnn import data
from fastnn.tables.arrays import of_dataset, of_npz
from fastnn.tables.delimited import Delimited
from fastnn.tables.errors import DataError
from fastnn.tables.form import Format
from fastnn.tables.parquet import Parquet
from fastnn.tables.source import Source
from fastnn.tables.text import looks_like_text

TEXT = (".csv", ".tsv", ".txt")
STDIN = "-"
SHEETS = (".xls", ".xlsx", ".ods")
# What files begin with, whatever they are called.
PARQUET, ZIP, GZIP = b"PAR1", b"PK\x03\x04", b"\x1f\x8b"


def open_source(place: str | PathLike[str], like: Format | None = None, **told: Any) -> Source:
    """A text file of rows (.csv, .tsv, .txt, or another name), an .npz or .parquet file, any of them behind gzip or in
    a pipe ("-" is stdin), or a built-in set (spam, digits, mnist).

    told: fields of Format, of how a text file is written: header, delimiter, encoding, decimal, thousands, units, null.
    like: what they are where nothing is told, as the `form` of another source.
    DataError: nothing to read. FileNotFoundError, ModuleNotFoundError (pyarrow, which csv and parquet need).
    """
    form = Format(**{name: value for name, value in told.items() if value is not None and value != ()})
    path = Path("/dev/stdin" if str(place) == STDIN else place)
    is_set = str(place) in data.LOADERS and not path.exists()
    if is_set or path.suffix.lower() in (".npz", ".parquet", ".pq"):
        _require_untold(path, form)
    if is_set:
        return of_dataset(data.load(str(place)))
    if not path.exists():
        raise FileNotFoundError(
            f"there is no file {path}; built-in sets are {', '.join(data.LOADERS)}, and of texts (--text) topics"
        )
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it")
    file, title = _file_of(path), str(path)
    source = _source_of(file.path, title, form, like)
    source.kept = file
    return source


def _require_untold(path: Path, form: Format) -> None:
    if names := list(form.told):
        raise DataError(f"{path}: {' and '.join(names)} {'are' if len(names) > 1 else 'is'} for csv files")


class _File:
    """A file to read as often as one likes: the one named, or a copy of what comes only once."""

    def __init__(self, path: Path, copy: IO[bytes] | None = None) -> None:
        self.path, self._copy = path, copy


def _file_of(path: Path) -> _File:
    """What comes from a pipe or a device, and what is packed, is copied to a temporary file. DataError."""
    regular = stat.S_ISREG(path.stat().st_mode)
    try:
        with path.open("rb") as file:
            if regular and file.read(len(GZIP)) != GZIP:
                return _File(path)
            copy = tempfile.NamedTemporaryFile(suffix=path.with_suffix("").suffix if regular else path.suffix)  # noqa: SIM115
            if regular:
                file.seek(0)
                with gzip.open(file) as unpacked:
                    shutil.copyfileobj(unpacked, copy)
            else:
                shutil.copyfileobj(file, copy)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked: {error}") from error
    copy.flush()
    return _file_of(Path(copy.name)) if not regular and _head(Path(copy.name), GZIP) else _File(Path(copy.name), copy)


def _head(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(mark)) == mark


def _source_of(path: Path, title: str, form: Format, like: Format | None) -> Source:
    """By what the file begins with, or is called."""
    suffix = path.suffix.lower()
    if suffix in SHEETS:
        raise DataError(f"{title} is a spreadsheet; save its sheet as csv")
    if suffix == ".npz" or (suffix not in TEXT and _head(path, ZIP)):
        return of_npz(path, title)
    if suffix in (".parquet", ".pq") or (suffix not in TEXT and _head(path, PARQUET)):
        return Parquet(path, title)
    if suffix not in TEXT and not looks_like_text(path):
        expected = f"a table as text, .npz or .parquet, or one of {', '.join(data.LOADERS)}"
        raise DataError(f"{title}: expected {expected}")
    return Delimited(path, form.over(like), title)
