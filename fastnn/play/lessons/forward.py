"""The forward pass layer by layer; then the same work at the size of a large language model."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.demo.looking_inside import values
from fastnn.demo.spam import CLASSES, FEATURES, HIDDEN
from fastnn.networks.models import mlp
from fastnn.paper.models import hardware, model
from fastnn.play.lessons.spam import names
from fastnn.play.lessons.trained import ACTIVATIONS
from fastnn.play.session.fields import Choice, Number, Settings, Whole
from fastnn.play.session.lesson import Lesson
from fastnn.play.session.run import flat

LLM = "llama-2-70b"
DEVICES = ("a100", "h100")
INPUTS = ("x1", "x2", "x3")
FIELDS = {
    **{
        name: Number(label=label, default=value, low=0.0, high=1.0)
        for name, label, value in zip(INPUTS, FEATURES, (1.0, 1.0, 0.0), strict=True)
    },
    "activation": Choice(label="Activation", default="relu", options=ACTIVATIONS),
    "billions": Number(label="Parameters", default=70.0, low=1.0, high=1000.0, step=1.0, unit="billion"),
    "tokens": Whole(label="Tokens", default=4096, low=1, high=131_072),
    "milliseconds": Whole(label="Milliseconds", default=500, low=1, high=100_000),
    "gpus": Whole(label="GPUs", default=8, low=1, high=1024, slides=False),
}


def texts() -> dict[str, Any]:
    exact = model(LLM)
    return {
        "inputs": INPUTS, "features": FEATURES, "classes": CLASSES,
        "sizes": [len(FEATURES), HIDDEN, len(CLASSES)], "names": names(),
        "llm": {"name": LLM, "parameters": exact.parameters, "flops": 2 * exact.forward_macs(4096), "tokens": 4096},
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    network = mlp(len(FEATURES), HIDDEN, len(CLASSES), activation=settings["activation"], seed=0)
    x = np.array([[settings[name] for name in INPUTS]])
    named = network.named_parameters
    layers = [found[0].tolist() for found in values(network, x).values()]
    flops = 2 * settings["billions"] * 1e9 * settings["tokens"]
    each = flops / (settings["milliseconds"] / 1000) / settings["gpus"]
    return {
        "weights": [named["0.weight"].tolist(), named["1.weight"].tolist()],
        "biases": [named["0.bias"].tolist(), named["1.bias"].tolist()], "parameters": flat(network).tolist(),
        "layers": layers, "probabilities": network.predict_proba(x)[0].tolist(), "flops": flops, "each": each,
        "shares": {name: each / hardware(name).flops_per_s for name in DEVICES},
    }  # fmt: skip


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
