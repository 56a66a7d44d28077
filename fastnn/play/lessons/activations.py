"""Nine activations at any sum, and units that die in a training."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import data
from fastnn.demo.activations import BATCH, CURVE, MORTAL, SHOWN, steepest, value_and_slope
from fastnn.demo.looking_inside import first_layer
from fastnn.learning.optimizers import SGD
from fastnn.networks.models import mlp
from fastnn.play.lessons.again import DIGITS_AGAIN, again
from fastnn.play.lessons.trained import SEED
from fastnn.play.session.fields import Choice, Number, Settings
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run

HIDDEN = 64
FIELDS = {
    "z": Number(label="Sum z", default=1.0, low=-4.0, high=4.0),
    "activation": Choice(label="Activation", default="relu", options=SHOWN),
    "unit": Choice(label="Hidden units", default=MORTAL[0], options=MORTAL),
    "rate": Number(label="Learning rate", default=1.0, low=0.1, high=3.0, step=0.1),
    "seed": SEED,
}


def texts() -> dict[str, Any]:
    curves = {name: value_and_slope(name, CURVE) for name in SHOWN}
    return {
        "curve": CURVE.tolist(), "units": HIDDEN, "counted": "of the digits it trains on",
        "curves": {name: [value.tolist(), slope.tolist()] for name, (value, slope) in curves.items()},
        "steepest": {name: steepest(name) for name in SHOWN},
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    at = np.array([settings["z"]])
    return {"at": {name: [float(each[0]) for each in value_and_slope(name, at)] for name in SHOWN}}


def begin(settings: Settings) -> Measured:
    digits = data.digits()
    network = mlp(digits.inputs, HIDDEN, digits.classes, activation=settings["unit"], seed=settings["seed"])
    run = Run(network, digits.x, digits.y, SGD(settings["rate"]), BATCH, settings["seed"])

    def asleep() -> dict[str, Any]:
        """Units whose sum is above 0 for no digit."""
        return {"asleep": [float((first_layer(network, "identity")(digits.x).max(axis=0) <= 0).sum())]}

    return Measured(run, (digits.x, digits.y), "sgd", asleep)


def program(settings: Settings, steps: int) -> str:
    digits = data.digits()
    return again(
        "activations", rows=DIGITS_AGAIN, optimizer=SGD(settings["rate"]), batch=BATCH, seed=settings["seed"],
        steps=steps,
        network=f"fastnn.mlp({digits.inputs}, {HIDDEN}, {digits.classes}, activation={settings['unit']!r}, seed=SEED)",
    )  # fmt: skip


LESSON = Lesson(
    fields=FIELDS, texts=texts, answer=answer, begin=begin, adjusts=frozenset({"z", "activation"}),
    answers_to=frozenset({"z", "activation"}), program=program,
    recording=Recording(last=2000, points=120),
)  # fmt: skip
