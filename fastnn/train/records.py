"""What is known of each epoch, and the file of JSON lines that keeps it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.atomic import is_file, write_atomically


class Record(NamedTuple):
    """epoch: from 1. NaN: accuracy of numbers, val_* without a validation part. loss, accuracy: before each update.

    seconds, samples_per_s and gflops are of training alone.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    samples_per_s: float
    gflops: float

    def as_dict(self) -> dict[str, Any]:
        """Without what is not there; null for what is not finite."""
        values = {name: value for name, value in self._asdict().items() if not math.isnan(value)}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}


def as_array(records: Sequence[Record]) -> NDArray[np.float64]:
    """(epochs, fields)"""
    return np.array(records, np.float64).reshape(len(records), len(Record._fields))


def of_array(array: NDArray[np.float64]) -> list[Record]:
    return [Record(int(row[0]), *row[1:]) for row in array.tolist()]


def _line(record: Record) -> str:
    return json.dumps(record.as_dict()) + "\n"


def _is_history(content: bytes) -> bool:
    """Whether lines are of epochs 1, 2, ...; the last may be torn."""
    try:
        found = [json.loads(line)["epoch"] for line in content.split(b"\n")[:-1]]
    except (ValueError, KeyError, TypeError):
        return False
    return found == list(range(1, len(found) + 1))


class HistoryFile:
    """A line an epoch, written at once, from `with` on. FileExistsError: the file is not of this run."""

    def __init__(
        self, path: str | PathLike[str], records: Sequence[Record], resume: bool = False, overwrite: bool = False
    ) -> None:
        """records: of a run that goes on; later lines of the file are cut off, a kill may have come after them."""
        self.path = Path(path)
        self._known = known = "".join(map(_line, records)).encode()
        if self.path.exists() and is_file(self.path) and not overwrite:
            found = self.path.read_bytes()
            if found and not (resume and found.startswith(known) and _is_history(found)):
                raise FileExistsError(f"{self.path} holds something else; name another file, or overwrite it")

    def __enter__(self) -> HistoryFile:
        write_atomically(self.path, self._known)
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, record: Record) -> None:
        self._file.write(_line(record))
        self._file.flush()
