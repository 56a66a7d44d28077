"""train: a whole run, with its checkpoint and its history."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from fastnn.compiler.jit import check_threading_layer
from fastnn.edge.atomic import is_file, sweep
from fastnn.train.checkpoint import Checkpoint
from fastnn.train.predictor import Predictor
from fastnn.train.records import HistoryFile, Record
from fastnn.train.standing import Standing

# A checkpoint is written at most so often, and takes at most this share of the time.
SECONDS = 1.0
SHARE = 0.1

Training = Standing[Any, Any]
Place = str | PathLike[str]
After = Callable[[Record], object]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The model of the best epoch (from 1; of the last, where no part is held out), what each epoch was, and scores.

    stopped: "epochs", "patience", or "asked" where `after` said so.
    """

    model: Predictor
    records: list[Record]
    best_epoch: int
    stopped: str
    scores: dict[str, dict[str, Any]]


class _Pace:
    """When a checkpoint is due."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._next = seconds, time.perf_counter() + seconds

    def write(self, training: Training, place: Place, now: bool = False) -> None:
        start = time.perf_counter()
        if now or start >= self._next:
            training.checkpoint().write(place)
            end = time.perf_counter()
            self._next = end + max(self.seconds, (end - start) / SHARE)


def run(
    training: Training,
    *,
    checkpoint: Place | None = None,
    resume: bool = False,
    history: Place | None = None,
    overwrite: bool = False,
    after: After | None = None,
    checkpoint_seconds: float = SECONDS,
) -> Outcome:
    """Train to the end.

    checkpoint: a file that says after some epochs, and at the end, where the training stands. resume: go on from it,
    if it is there; the end is the same to the bit. history: a file of JSON lines, one an epoch. overwrite: both may be
    there, of another run. after(record): called after each epoch; True stops, and the checkpoint stands.

    ValueError: a checkpoint of another run. FileExistsError. NonFiniteLoss: the checkpoint of an epoch before stands.
    """
    there = checkpoint is not None and Path(checkpoint).exists() and is_file(checkpoint)
    goes_on = there and resume
    if checkpoint is not None and goes_on:
        training.resume(Checkpoint.read(checkpoint))
    elif there and not overwrite:
        raise FileExistsError(f"{checkpoint} is there already; resume it, name another file, or overwrite it")
    file = None if history is None else HistoryFile(history, training.records, goes_on, overwrite)
    for place in (checkpoint, history):
        if resume and place is not None:
            sweep(place)
    if checkpoint is not None and not goes_on:
        training.checkpoint().write(checkpoint)  # without it, lines of a history are another run's
    with file or nullcontext():
        asked = _train(training, checkpoint, file, after, checkpoint_seconds)
    check_threading_layer()
    return _outcome(training, asked)


def _train(
    training: Training, checkpoint: Place | None, file: HistoryFile | None, after: After | None, seconds: float
) -> bool:
    """Whether `after` asked to stop."""
    pace = _Pace(seconds)
    for record in training:
        if file is not None:
            file.append(record)
        asked = after is not None and after(record) is True
        if checkpoint is not None:
            pace.write(training, checkpoint, now=asked or training.is_over)
        if asked:
            return True
    return False


def _outcome(training: Training, asked: bool) -> Outcome:
    best = training.best.epoch + 1 if training.best is not None and training.best.epoch >= 0 else training.epoch
    whole = training.epoch >= training.settings.epochs
    stopped = "epochs" if whole else "patience" if training.is_over else "asked"
    return Outcome(training.finish(), training.records, best, stopped, training.scores())
