"""Layers without an activation: however many, they are one matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.functional import matmul
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
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
    """The one matrix that comes nearest to the network, and how far off it is, by the largest number that it answers.

    Without an activation that is the product of all matrices, else the best by least squares. residual is None where
    the network answers 0 to every row: then the matrix of zeros says all of it.
    """
    bend = "identity" if settings["activation"] == "off" else settings["activation"]
    network = mlp(
        *[WIDTH] * (settings["depth"] + 1), activation=bend, loss="mse", seed=settings["seed"], initializer="orthogonal"
    )
    x = np.random.default_rng(settings["seed"]).standard_normal((ROWS, WIDTH)).astype("float32")
    answered = network(x)
    matrix = _product(network) if bend == "identity" else np.linalg.lstsq(x, answered, rcond=None)[0]
    scale = float(np.abs(answered).max())
    return {
        "matrix": matrix.tolist(), "parameters": network.parameter_count,
        "residual": float(np.abs(answered - matmul(x, matrix)).max()) / scale if scale else None,
        "answered": answered[0].tolist(), "by_matrix": matmul(x[:1], matrix)[0].tolist(),
    }  # fmt: skip


def _product(network: Network) -> NDArray[Any]:
    found = np.eye(WIDTH, dtype="float32")
    for name, view in network.named_parameters.items():
        if name.endswith("weight"):
            found = matmul(found, view.copy())
    return found


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
