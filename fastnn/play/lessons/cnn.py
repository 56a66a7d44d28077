"""A convolutional network that learns to read digits: its filters, and what they see in a digit that is moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.demo.cnn import layers_of
from fastnn.demo.convnets import BATCH, FILTERS, KERNEL, as_rows, convnet
from fastnn.demo.digits import as_images, moved, split_rows
from fastnn.demo.looking_inside import values
from fastnn.play.lessons.again import again
from fastnn.play.lessons.trained import RATE, SEED, optimizer_choice, optimizer_of
from fastnn.play.session.fields import Choice, Settings, Whole
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import PAUSE, Arrays, Measured
from fastnn.play.session.run import Run

# Digits to choose from, pixels that they are moved by, and maps of a layer that are drawn.
DIGITS, MOST_MOVED, DRAWN = 100, 4, 8
FIELDS = {
    "digit": Whole(label="Digit held out, by number", default=0, low=0, high=DIGITS - 1, slides=True),
    "right": Whole(label="Moved to the right", default=0, low=-MOST_MOVED, high=MOST_MOVED, slides=True, unit="pixels"),
    "down": Whole(label="Moved down", default=0, low=-MOST_MOVED, high=MOST_MOVED, slides=True, unit="pixels"),
    "data": Choice(label="Digits", default="mnist", options=("digits", "mnist")),
    "optimizer": optimizer_choice("adam"),
    "rate": replace(RATE, default=0.003),
    "seed": SEED,
}


class Reading(Measured):
    """x (N, pixels), y: digits held out, of which one is shown on its way."""

    def __init__(self, run: Run, x: NDArray[Any], y: NDArray[Any], optimizer: str) -> None:
        network = run.network
        stages = [each for each in network.operations if each.owner in ("Activation", "MaxPool2d")]
        about = {
            "side": network.input_shape[0], "layers": layers_of(network),
            "stages": [{"made": each.owner, "side": each.shape[0], "maps": each.shape[2]} for each in stages],
        }  # fmt: skip
        super().__init__(run, (as_rows(network, x), y), optimizer, self._stages, PAUSE, about=about)
        self._x, self._y, self._names = x, y, [each.name for each in stages]
        self.shows(0, 0, 0)

    def shows(self, digit: int, down: int, right: int) -> None:
        """A digit by its number, moved by so many pixels."""
        self._image, self._truth = moved(self._x[digit : digit + 1], down, right), self._y[digit]
        self.look_again()

    def _stages(self) -> Arrays:
        """What each filter of the first layer wants; what the first maps of each stage have, map by map."""
        network = self.network
        rows = as_rows(network, self._image)
        seen = values(network, rows)
        maps = {
            f"stage{at}": np.moveaxis(seen[name][0], 2, 0)[:DRAWN] for at, name in enumerate(self._names)
        }  # fmt: skip
        filters = np.moveaxis(network.named_parameters["0.weight"][:, :, 0], 2, 0)
        return {
            "image": self._image[0], "truth": np.array([self._truth]), "filters": filters,
            "probabilities": network.predict_proba(rows)[0], **maps,
        }  # fmt: skip


def texts() -> dict[str, Any]:
    return {"filters": FILTERS, "kernel": KERNEL, "drawn": DRAWN, "counted": "of digits held out"}


def begin(settings: Settings) -> Reading:
    digits = data.load(settings["data"])
    split = split_rows(len(digits.x), settings["seed"])
    network = convnet(as_images(digits.x[:1]).shape[1], False, settings["seed"])
    x, y = as_rows(network, digits.x[split.train]), digits.y[split.train]
    run = Run(network, x, y, optimizer_of(settings), BATCH, settings["seed"])
    made = Reading(run, digits.x[split.test], digits.y[split.test], settings["optimizer"])
    adjust(made, settings)
    return made


def adjust(measured: Measured, settings: Settings) -> None:
    assert isinstance(measured, Reading)
    measured.shows(settings["digit"], settings["down"], settings["right"])
    measured.run.set_rate(settings["rate"])


ROWS = """from fastnn.demo.convnets import as_rows, convnet
from fastnn.demo.digits import as_images, split_rows

digits = data.load({name!r})
network = convnet(as_images(digits.x[:1]).shape[1], False, SEED)
rows = split_rows(len(digits.x), SEED).train
x, y = as_rows(network, digits.x[rows]), digits.y[rows]"""


def program(settings: Settings, steps: int) -> str:
    return again(
        "cnn", rows=ROWS.format(name=settings["data"]), network="network", optimizer=optimizer_of(settings),
        batch=BATCH, seed=settings["seed"], steps=steps,
    )  # fmt: skip


LESSON = Lesson(
    fields=FIELDS, texts=texts, begin=begin, adjust=adjust, adjusts=frozenset({"digit", "right", "down", "rate"}),
    program=program, recording=Recording(last=1000, points=60),
)  # fmt: skip
