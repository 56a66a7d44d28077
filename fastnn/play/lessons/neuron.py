"""One neuron, each number of it a slider."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.cost import dense_forward
from fastnn.demo.activations import value_and_slope
from fastnn.demo.neuron import OPTIONS, fire
from fastnn.kernels.activation import NAMES
from fastnn.play.lessons.defaults import defaults_of, numbers
from fastnn.play.session.fields import Choice, Number, Settings
from fastnn.play.session.lesson import Lesson

GIVEN = defaults_of(OPTIONS)
INPUTS, WEIGHTS = ("x1", "x2", "x3"), ("w1", "w2", "w3")


def _sliders(names: tuple[str, ...], word: str, values: list[float], low: float) -> dict[str, Number]:
    return {
        name: Number(label=f"{word} {at}", default=value, low=low, high=2.0)
        for at, (name, value) in enumerate(zip(names, values, strict=True), 1)
    }


FIELDS = {
    **_sliders(INPUTS, "Input", numbers(GIVEN["inputs"]), -1.0),
    **_sliders(WEIGHTS, "Weight", numbers(GIVEN["weights"]), -2.0),
    "bias": Number(label="Bias", default=GIVEN["bias"], low=-2.0, high=2.0),
    "activation": Choice(label="Activation", default=GIVEN["activation"], options=NAMES),
}


def texts() -> dict[str, Any]:
    return {"inputs": INPUTS, "weights": WEIGHTS}


def answer(settings: Settings) -> dict[str, Any]:
    inputs, weights = ([settings[name] for name in names] for names in (INPUTS, WEIGHTS))
    activation, bias = settings["activation"], settings["bias"]
    total, output = (fire(inputs, weights, bias, name) for name in ("identity", activation))
    cost = dense_forward(1, len(inputs), 1, activation, np.dtype(np.float64).itemsize)
    return {
        "products": [x * w for x, w in zip(inputs, weights, strict=True)], "sum": total, "output": output,
        "slope": float(value_and_slope(activation, np.array([total]))[1][0]),
        "cost": {"parameters": len(inputs) + 1, "macs": cost.macs, "flops": cost.flops},
    }  # fmt: skip


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
