"""Layers without an activation: however many, they are one matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn.functional import matmul
from fastnn.networks.models import mlp
from fastnn.play.session.fields import Choice, Settings, Whole
from fastnn.play.session.lesson import Lesson

WIDTH, ROWS = 4, 256
BENT = ("off", "tanh", "relu")
FIELDS = {
    "depth": Whole(label="Layers", default=100, low=1, high=100, slides=True),
    "activation": Choice(label="Activation between them", default="off", options=BENT),
    "seed": Whole(label="Seed of the weights", default=0, low=0, high=2**31 - 1),
}


def texts() -> dict[str, Any]:
    return {"width": WIDTH, "rows": ROWS}


def answer(settings: Settings) -> dict[str, Any]:
    """The product of all matrices, and how far from it the network is, by the largest number that it answers."""
    bend = "identity" if settings["activation"] == "off" else settings["activation"]
    network = mlp(
        *[WIDTH] * (settings["depth"] + 1), activation=bend, loss="mse", seed=settings["seed"], initializer="orthogonal"
    )
    x = np.random.default_rng(settings["seed"]).standard_normal((ROWS, WIDTH)).astype("float32")
    product = np.eye(WIDTH, dtype="float32")
    for name, view in network.named_parameters.items():
        if name.endswith("weight"):
            product = matmul(product, view.copy())
    answered = network(x)
    scale = float(np.abs(answered).max())
    return {
        "product": product.tolist(), "parameters": network.parameter_count,
        "residual": float(np.abs(answered - matmul(x, product)).max()) / max(scale, 1e-30),
        "answered": answered[0].tolist(), "by_product": matmul(x[:1], product)[0].tolist(),
    }  # fmt: skip


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
