"""How a gradient shrinks on its way back through many layers, and what keeps it."""

from __future__ import annotations

from typing import Any

from fastnn.demo.activations import steepest
from fastnn.demo.gradients import ACTIVATIONS, CURES, build, norms_of
from fastnn.play.session.fields import Choice, Settings, Whole
from fastnn.play.session.lesson import Lesson

WIDTH = 32
FIELDS = {
    "depth": Whole(label="Layers", default=64, low=2, high=64, slides=True),
    "activation": Choice(label="Activation", default="sigmoid", options=ACTIVATIONS),
    "cure": Choice(label="What is done about it", default="none", options=tuple(CURES)),
    "seed": Whole(label="Seed of the weights", default=0, low=0, high=2**31 - 1),
}


def texts() -> dict[str, Any]:
    return {"width": WIDTH}


def answer(settings: Settings) -> dict[str, Any]:
    """The norm of each layer's gradient, the first layer first, and what is left of it there."""
    chain = CURES[settings["cure"]]
    norms = norms_of(build(chain, settings["activation"], WIDTH, settings["depth"], settings["seed"]))
    most = steepest(settings["activation"])
    return {
        "norms": norms, "left": norms[0] / norms[-1] if norms[-1] else 0.0, "steepest": most,
        "product": most ** settings["depth"],
    }  # fmt: skip


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
