"""A session as it was: what it told, and a frame at each of some steps."""

from __future__ import annotations

import json
import queue
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import Message
from fastnn.play.session.session import Session


@dataclass(frozen=True)
class Recorded:
    """told: what a page learns at first, of its training, and what it answers, if it does. frames: as they came, one
    for each of steps."""

    told: list[dict[str, Any]]
    steps: list[int]
    frames: list[bytes]


def steps_to(last: int, points: int) -> list[int]:
    """From 0, dense where a training moves most; fewer than the points where they fall together."""
    return [0, *np.unique(np.geomspace(1, last, points).round().astype(int)).tolist()]


def record(lesson: Lesson, steps: Sequence[int]) -> Recorded:
    """Trains by the defaults of the lesson. RuntimeError where the session refuses, or its loss is not finite."""
    came: queue.Queue[str | bytes] = queue.Queue()
    session = Session(lesson, came.put)
    try:
        session.take(Message("open"))
        told = [_told(came, "fields"), _told(came, "layout")]
        if lesson.answer is not None:
            told.append(_told(came, "answer"))
        frames = []
        for step in steps:
            if step:
                session.take(Message("train", {"until": step}))
                _told(came, "paused")
            session.take(Message("frame"))
            frames.append(_frame(came))
        return Recorded(told, list(steps), frames)
    finally:
        session.take(None)


def _told(came: queue.Queue[str | bytes], key: str) -> dict[str, Any]:
    """The next words that have the key; others are about compiling."""
    while True:
        found: dict[str, Any] = json.loads(came.get())
        _check(found)
        if key in found:
            return found


def _frame(came: queue.Queue[str | bytes]) -> bytes:
    while not isinstance(found := came.get(), bytes):
        _check(json.loads(found))
    return found


def _check(told: dict[str, Any]) -> None:
    if "refused" in told or told.get("over"):
        raise RuntimeError(f"this cannot be recorded: {told}")
