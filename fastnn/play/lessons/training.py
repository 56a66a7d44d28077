"""The training loop: rates from too small to diverging, four optimizers, a schedule."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from fastnn import data
from fastnn.demo.learning_rate import (
    BATCH,
    GUESSING,
    KINDS,
    RATES,
    SCHEDULED_RATE,
    SIZES,
    rates_of,
    steps_of,
    train,
    verdict,
)
from fastnn.layers import Dense
from fastnn.learning.optimizers import SGD, Cosine, Optimizer
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.play.lessons.again import DIGITS_AGAIN, again
from fastnn.play.lessons.trained import RATE, SEED, optimizer_choice
from fastnn.play.session.fields import Choice, Number, Settings
from fastnn.play.session.lesson import Lesson, Recording
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run

EPOCHS = 10
# Steps down a valley of one weight, and where they begin.
VALLEY_STEPS, VALLEY_START = 12, -1.0
SCHEDULES = ("constant", "warm-up and cosine")
FIELDS = {
    "valley": Number(label="Learning rate", default=0.3, low=0.01, high=1.1),
    "optimizer": optimizer_choice("adam"),
    "rate": replace(RATE, default=SCHEDULED_RATE),
    "schedule": Choice(label="Schedule", default=SCHEDULES[1], options=SCHEDULES),
    "seed": SEED,
}


def texts() -> dict[str, Any]:
    return {
        "guessing": GUESSING, "rates": RATES, "epochs": EPOCHS, "batch": BATCH, "sizes": SIZES,
        "scheduled_rate": SCHEDULED_RATE, "steps": steps_of(EPOCHS), "counted": "of the digits it trains on",
    }  # fmt: skip


def answer(settings: Settings) -> dict[str, Any]:
    runs = _runs(settings["optimizer"], settings["seed"])
    return {
        "valley": valley(settings["valley"]), "schedule": rates_of(_optimizer(settings), steps_of(EPOCHS)),
        "runs": runs,
    }  # fmt: skip


def valley(rate: float) -> list[float]:
    """The one weight of y = w x after each step of gradient descent on (w - 1)^2: x and the truth are 1."""
    network = Network(1, [Dense(1, bias=False)], loss="mse", dtype="float64", initialize=False)
    weight = network.named_parameters["0.weight"]
    weight[0, 0] = VALLEY_START
    trainer: Any = network.trainer(SGD(rate), batch=1)
    found, one = [VALLEY_START], np.ones((1, 1))
    for _ in range(VALLEY_STEPS):
        trainer.step(one, one)
        found.append(float(weight[0, 0]))
    return found


@cache
def _runs(optimizer: str, seed: int) -> list[dict[str, Any]]:
    """The same training at each rate, with what became of it in words."""
    found = [train(optimizer, KINDS[optimizer](rate), rate, EPOCHS, seed) for rate in RATES]
    return [{"rate": run.rate, "loss": run.loss, "told": verdict(run, found)} for run in found]


def _optimizer(settings: Settings) -> Optimizer:
    made = KINDS[settings["optimizer"]](settings["rate"])
    if settings["schedule"] == SCHEDULES[0]:
        return made
    total = steps_of(EPOCHS)
    return replace(made, schedule=Cosine(total, warmup=total // 10))


def begin(settings: Settings) -> Measured:
    digits = data.digits()
    network = mlp(*SIZES, seed=settings["seed"])
    run = Run(network, digits.x, digits.y, _optimizer(settings), BATCH, settings["seed"])
    last = None if settings["schedule"] == SCHEDULES[0] else steps_of(EPOCHS)
    return Measured(run, (digits.x, digits.y), settings["optimizer"], last=last)


def program(settings: Settings, steps: int) -> str:
    return again(
        "training", rows=DIGITS_AGAIN, network=f"fastnn.mlp({', '.join(map(str, SIZES))}, seed=SEED)",
        optimizer=_optimizer(settings), batch=BATCH, seed=settings["seed"], steps=steps,
    )  # fmt: skip


LESSON = Lesson(
    fields=FIELDS, texts=texts, answer=answer, begin=begin, adjusts=frozenset({"valley"}), program=program,
    recording=Recording(last=steps_of(EPOCHS), points=120),
)  # fmt: skip
