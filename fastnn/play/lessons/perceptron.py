"""One neuron in a plane: it learns AND and OR, and not XOR."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from fastnn.demo.perceptron import (
    CORNERS,
    EPOCHS,
    GATES,
    HIDDEN_STEPS,
    OPTIONS,
    SPAN,
    STEPS,
    descend,
    gradient_at_zero,
    hidden_network,
    rosenblatt,
)
from fastnn.functional import binary_cross_entropy
from fastnn.layers import Dense
from fastnn.networks.network import Network
from fastnn.play.lessons.defaults import defaults_of
from fastnn.play.session.fields import Choice, Number, Settings
from fastnn.play.session.lesson import Lesson

GIVEN = defaults_of(OPTIONS)
# Points across a map of what the hidden units answer.
ACROSS = 48

FIELDS = {
    "gate": Choice(label="Truth to learn", default="AND", options=tuple(GATES)),
    "w1": Number(label="Weight of input 1", default=1.0, low=-6.0, high=6.0, step=0.1),
    "w2": Number(label="Weight of input 2", default=-1.0, low=-6.0, high=6.0, step=0.1),
    "bias": Number(label="Bias", default=-0.5, low=-9.0, high=6.0, step=0.1),
    "unit": Choice(label="What it does with the sum", default="step", options=("step", "sigmoid")),
}


@cache
def texts() -> dict[str, Any]:
    """What both rules and hidden units come to: a second, once."""
    hidden, activation, seeds = GIVEN["hidden"], GIVEN["activation"], GIVEN["seeds"]
    networks = [hidden_network(hidden, activation, seed) for seed in range(seeds)]
    learned = [network.accuracy(CORNERS, GATES["XOR"]) == 1 for network in networks]
    solver = networks[learned.index(True)]
    across = np.linspace(*SPAN, ACROSS)
    points = np.stack(np.meshgrid(across, across[::-1]), axis=-1).reshape(-1, 2)
    return {
        "corners": CORNERS.tolist(), "gates": GATES, "span": SPAN, "epochs": EPOCHS, "steps": STEPS,
        "rosenblatt": {gate: rosenblatt(labels)._asdict() for gate, labels in GATES.items()},
        "sigmoid": {gate: descend(labels)[0] for gate, labels in GATES.items()}, "least": math.log(2),
        "gradient": gradient_at_zero(GATES["XOR"]),
        "hidden": {
            "units": hidden, "activation": activation, "seeds": seeds, "learned": sum(learned), "steps": HIDDEN_STEPS,
            "parameters": solver.parameter_count, "outputs": solver.predict_proba(CORNERS)[:, 0].tolist(),
            "across": ACROSS, "map": solver.predict_proba(points)[:, 0].round(3).tolist(),
        },
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    network = Network(2, [Dense(1, settings["unit"])], loss="mse", dtype="float64", initialize=False)
    network.named_parameters["0.weight"][:, 0] = settings["w1"], settings["w2"]
    network.named_parameters["0.bias"][0] = settings["bias"]
    outputs, labels = network(CORNERS), np.array([GATES[settings["gate"]]], np.float64).T
    loss = None if settings["unit"] == "step" else float(binary_cross_entropy(outputs, labels))
    right = int(((outputs >= 0.5) == labels).sum())
    return {"outputs": outputs[:, 0].tolist(), "right": right, "loss": loss}


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
