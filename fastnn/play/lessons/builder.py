"""A network of any size: its parameters, what it costs, how long it takes here, and what is larger."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from fastnn.bench.calibration import kept
from fastnn.networks.models import mlp
from fastnn.paper.models import model
from fastnn.play.lessons.timed import DTYPE, seconds_of_a_step
from fastnn.play.lessons.trained import GRADED
from fastnn.play.session.fields import Choice, Refused, Settings, Sizes
from fastnn.play.session.lesson import Lesson
from fastnn.study.work import Call

MOST_PARAMETERS = 1_000_000
LARGE = ("lenet-5", "gpt2", "gpt3", "gpt4")
FIELDS = {
    "sizes": Sizes(label="Units of each layer, the inputs first", default=(3, 4, 4, 2), fewest=2, most=12, widest=4096),
    "activation": Choice(label="Activation", default="relu", options=GRADED),
    "batch": Choice(label="Rows a step", default="32", options=("1", "32", "256")),
}


def texts() -> dict[str, Any]:
    models = [model(name) for name in LARGE]
    return {
        "large": [{"name": each.name, "parameters": each.parameters, "estimate": each.estimate} for each in models],
        "embedding": _embedding(),
    }  # fmt: skip


def _embedding() -> dict[str, int]:
    """Of GPT-2: a row of numbers for each token."""
    shape: Any = model("gpt2").shape
    return {"tokens": shape.vocabulary, "width": shape.width, "parameters": shape.vocabulary * shape.width}


def answer(settings: Settings) -> dict[str, Any]:
    """Refused: a network too large to be tried here."""
    sizes, batch = settings["sizes"], int(settings["batch"])
    count = sum(fan_in * fan_out + fan_out for fan_in, fan_out in zip(sizes, sizes[1:], strict=False))
    if count > MOST_PARAMETERS:
        raise Refused("sizes", f"makes {count:,} parameters; expected at most {MOST_PARAMETERS:,}")
    loss = "binary_cross_entropy_with_logits" if sizes[-1] == 1 else "cross_entropy"
    network = mlp(*sizes, activation=settings["activation"], loss=loss, seed=0)
    cost = network.cost(batch)
    return {
        "sizes": sizes, "parameters": network.parameter_count, "forward_macs": network.cost(1).forward.macs,
        "flops": cost.total.flops, "bytes": cost.total.bytes,
        "weight_bytes": 4 * network.parameter_count, "measured": seconds_of_a_step(network, batch),
        "predicted": _predicted(sizes, batch),
    }  # fmt: skip


def _predicted(sizes: tuple[int, ...], batch: int) -> float | None:
    """By the model of this machine, where `fastnn machine` has measured it."""
    document = kept.kept(DTYPE)
    if document is None:
        return None
    return float(
        kept.model(document)
        .predict(Call(sizes, batch, numba.get_num_threads(), "step", np.dtype(DTYPE).itemsize))
        .median
    )


LESSON = Lesson(fields=FIELDS, texts=texts, answer=answer)
