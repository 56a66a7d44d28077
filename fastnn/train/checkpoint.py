"""Where a training stands after an epoch, in one safetensors file: enough to go on to the same bits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.networks.io import FileError, read_tensors, write

FORMAT = "fastnn-checkpoint/1"
VECTORS = ("parameters", "state", "control", "records", "best")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """settings and data: what the run was told, and what it ran on, as JSON keeps it.

    parameters, state, control: of the trainer. records: fastnn.train.records.as_array. best: parameters of the best
    epoch (from 0), empty where there is none yet. No generator is kept: the order of an epoch follows from its number.
    """

    settings: dict[str, Any]
    data: dict[str, Any]
    parameters: NDArray[Any]
    state: NDArray[Any]
    control: NDArray[np.float64]
    records: NDArray[np.float64]
    best: NDArray[Any]
    best_epoch: int
    best_score: float

    def write(self, path: str | PathLike[str]) -> None:
        """Atomically."""
        told = {name: getattr(self, name) for name in ("settings", "data", "best_epoch", "best_score")}
        metadata = {"format": FORMAT, **{name: json.dumps(value) for name, value in told.items()}}
        write(path, {name: getattr(self, name) for name in VECTORS}, metadata)

    @staticmethod
    def read(path: str | PathLike[str]) -> Checkpoint:
        """FileError, FileNotFoundError."""
        metadata, tensors = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise FileError(
                f"{path}: format is {metadata.get('format')!r}; expected {FORMAT!r}, a file of --checkpoint"
            )
        try:
            told: dict[str, Any] = {name: json.loads(value) for name, value in metadata.items() if name != "format"}
            return Checkpoint(**{**told, **tensors})
        except (ValueError, TypeError) as error:
            raise FileError(f"{path}: {error}") from error


def differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """In words: batch is 64, and 32 in the checkpoint."""
    names = dict.fromkeys([*now, *kept])
    return [
        f"{name} is {_short(now.get(name))}, and {_short(kept.get(name))} in the checkpoint"
        for name in names
        if kept.get(name) != now.get(name)
    ]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
