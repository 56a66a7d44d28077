"""A session of the playground without a page, and what it has delivered."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from playing import PATIENCE

import fastnn
from fastnn import data
from fastnn.demo.spam import HELD_OUT
from fastnn.play.lessons.catalogue import lesson
from fastnn.play.session import frames
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.messages import Message
from fastnn.play.session.session import Session

# Steps of an epoch of 3,072 mails.
EPOCH = 96
MAILS = data.spam()
TRAINING = MAILS.x[:-HELD_OUT], MAILS.y[:-HELD_OUT]


class Heard:
    """A session, and what it has delivered."""

    def __init__(self, name: str = "spam", **opening: Any) -> None:
        self._hear(lesson(name), **opening)

    @classmethod
    def of(cls, page: Lesson) -> Heard:
        made = cls.__new__(cls)
        made._hear(page)
        return made

    def _hear(self, page: Lesson, **opening: Any) -> None:
        self.delivered: list[str | bytes] = []
        self.session = Session(page, self.delivered.append)
        self.do("open", **opening)

    def do(self, what: str, **parts: Any) -> None:
        while not self.session.take(Message(what, parts)):
            time.sleep(0.001)

    def wait(self, wanted: Callable[[Any], bool]) -> Any:
        """What was delivered first of all that is wanted: words as objects, bytes as they are."""
        end = time.monotonic() + PATIENCE / 1000
        while time.monotonic() < end:
            for each in [*self.delivered]:
                found = json.loads(each) if isinstance(each, str) else each
                if wanted(found):
                    return found
            time.sleep(0.002)
        raise AssertionError(f"nothing of the kind among {len(self.delivered)}")

    def word(self, name: str) -> Any:
        return self.wait(lambda found: isinstance(found, dict) and name in found)[name]

    def frame(self) -> dict[str, Any]:
        """The arrays of the next one, by name."""
        self.delivered[:] = [each for each in self.delivered if isinstance(each, str)]
        self.do("frame")
        frame: bytes = self.wait(lambda found: isinstance(found, bytes))
        layouts = [json.loads(each) for each in self.delivered if isinstance(each, str) and '"arrays"' in each]
        numbers, found = np.frombuffer(frame, "<f4", offset=frames.HEADER.size), {}
        for name, size in layouts[-1]["arrays"]:
            found[name], numbers = numbers[:size], numbers[size:]
        return found

    def network(self) -> Any:
        """Its parameters by name."""
        self.delivered.clear()
        return json.loads(self.file("json"))["parameters"]

    def file(self, form: str) -> bytes:
        self.do("save", form=form)
        found: bytes = self.wait(lambda found: isinstance(found, bytes) and found[1] == frames.FILE)
        return found[frames.HEADER.size :]


def fitted(path: Path, epochs: int, **settings: Any) -> bytes:
    """The file of `fit` with the page's settings."""
    network = fastnn.mlp(3, 4, 2, seed=0)
    network.fit(*TRAINING, epochs=epochs, seed=0, **settings)
    network.save(path / "fitted.safetensors")
    return (path / "fitted.safetensors").read_bytes()
