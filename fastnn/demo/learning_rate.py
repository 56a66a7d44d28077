"""The learning rate: too small, right, too large, for four optimizers; then a schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from fastnn import data
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table
from fastnn.demo.parameters import SEED
from fastnn.learning.optimizers import SGD, Adam, AdamW, Cosine, Momentum, Optimizer
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.learning.training import STEP, learning_rate
from fastnn.networks.models import mlp
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--epochs"], type=click.IntRange(min=1), default=10, show_default=True, help="Of each training."),
    SEED,
)

SIZES, BATCH = (64, 32, 10), 32
RATES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1)
KINDS: dict[str, Callable[[float], Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW}
# Guessing costs this; a training that ends above it has made the network worse than nothing.
GUESSING = math.log(SIZES[-1])
# Within so much of the best loss of the same optimizer a rate is good.
GOOD = 2.0
SCHEDULED_RATE = 3e-4


class Run(NamedTuple):
    """loss: of the last epoch, None where it stopped being finite, after `steps` steps."""

    optimizer: str
    rate: float
    loss: float | None
    steps: int


def show(epochs: int, seed: int) -> Demonstration:
    """The learning rate: the same training from too small to exploding.

    With sgd, momentum, adam and adamw on handwritten digits; what diverges is named. Then a cosine schedule with a
    warm-up, from 3e-4.
    """
    runs = {name: [train(name, kind(rate), rate, epochs, seed) for rate in RATES] for name, kind in KINDS.items()}
    scheduled = schedules(epochs, seed)
    verdicts = {name: [verdict(run, of_kind) for run in of_kind] for name, of_kind in runs.items()}
    return Demonstration(
        title=f"{len(KINDS) * len(RATES)} trainings of {'-'.join(map(str, SIZES))}, alike but for the rate",
        sections=(
            Section(f"Loss after {epochs} epochs of 1,797 digits; guessing costs {GUESSING:.3f}",
                    _losses(runs, verdicts)),
            Section(f"A schedule: from {SCHEDULED_RATE:g}, warmed up, down along a cosine",
                    _schedule(scheduled, epochs)),
        ),
        numbers={
            "guessing": GUESSING,
            "runs": [
                {"optimizer": run.optimizer, "rate": run.rate, "loss": run.loss, "steps": run.steps, "verdict": told}
                for name in runs for run, told in zip(runs[name], verdicts[name], strict=True)
            ],
            "schedules": {name: run.loss for name, run in scheduled.items()},
        },
    )  # fmt: skip


def train(name: str, optimizer: Optimizer, rate: float, epochs: int, seed: int) -> Run:
    digits = data.digits()
    network = mlp(*SIZES, seed=seed)
    try:
        history = network.fit(digits.x, digits.y, epochs=epochs, batch=BATCH, optimizer=optimizer, seed=seed)
    except NonFiniteLoss as error:
        return Run(name, rate, None, error.step)
    return Run(name, rate, history.loss[-1], history.steps)


def verdict(run: Run, of_kind: Sequence[Run]) -> str:
    """In words: what this rate did, beside the other rates of the same optimizer."""
    finite = [each.loss for each in of_kind if each.loss is not None]
    if run.loss is None:
        return f"not finite after {run.steps} steps"
    best = min(finite)
    if run.loss <= GOOD * best:
        return "good"
    best_rate = next(each.rate for each in of_kind if each.loss == best)
    if run.rate < best_rate:
        return "too small"
    return "diverged" if run.loss >= GUESSING else "too large"


def schedules(epochs: int, seed: int) -> dict[str, Run]:
    """Adam at a constant rate, and on a schedule."""
    total = steps_of(epochs)
    cosine = Cosine(total, warmup=total // 10)
    return {
        "constant": train("adam", Adam(SCHEDULED_RATE), SCHEDULED_RATE, epochs, seed),
        "warm-up and cosine": train("adam", Adam(SCHEDULED_RATE, schedule=cosine), SCHEDULED_RATE, epochs, seed),
        "ten times the rate, warm-up and cosine": train(
            "adam", Adam(10 * SCHEDULED_RATE, schedule=cosine), 10 * SCHEDULED_RATE, epochs, seed
        ),
    }


def steps_of(epochs: int) -> int:
    return epochs * -(-len(data.digits().x) // BATCH)


def rates_of(optimizer: Optimizer, steps: int, points: int = 40) -> list[tuple[int, float]]:
    """The rate at some steps, as the kernel computes it."""
    control = optimizer.control()
    found = []
    for step in range(0, steps, max(1, steps // points)):
        control[STEP] = step
        found.append((step, float(learning_rate(control))))
    return found


def _losses(runs: dict[str, list[Run]], verdicts: dict[str, list[str]]) -> tuple[Block, ...]:
    losses = tuple(
        (f"{rate:g}", *("not finite" if runs[name][at].loss is None else f"{runs[name][at].loss:.4f}" for name in runs))
        for at, rate in enumerate(RATES)
    )
    told = tuple((f"{rate:g}", *(verdicts[name][at] for name in runs)) for at, rate in enumerate(RATES))
    return (
        Table(columns=("rate", *runs), rows=losses), Table(columns=("rate", *runs), rows=told),
        f"good: at most {GOOD:g} times the best loss of the optimizer. diverged: ends above the loss of guessing.",
        _picture(runs),
    )  # fmt: skip


def _picture(runs: dict[str, list[Run]]) -> Picture:
    return Picture(
        family="learning-rate", title="Loss at the end, by rate", x=Axis(title="learning rate", log=True, plain=True),
        y=Axis(title="loss", log=True, plain=True),
        series=tuple(
            Series(
                name=name, kind="linked", colour=colour, x=tuple(run.rate for run in of_kind if run.loss),
                y=tuple(run.loss for run in of_kind if run.loss),
            )
            for colour, (name, of_kind) in enumerate(runs.items())
        ),
    )  # fmt: skip


def _schedule(found: dict[str, Run], epochs: int) -> tuple[Block, ...]:
    total = steps_of(epochs)
    rates = rates_of(Adam(SCHEDULED_RATE, schedule=Cosine(total, warmup=total // 10)), total)
    rows: list[Any] = [(name, "not finite" if run.loss is None else f"{run.loss:.4f}") for name, run in found.items()]
    return (
        Picture(
            family="schedule", title=f"The rate over {total:,} steps", x=Axis(title="step", plain=True),
            y=Axis(title="rate", plain=True),
            series=(
                Series(name="warm-up and cosine", kind="linked", x=tuple(float(step) for step, _ in rates),
                       y=tuple(rate for _, rate in rates)),
            ),
        ),
        Table(columns=(f"adam, from {SCHEDULED_RATE:g}", "loss"), rows=tuple(rows)),
        "A small rate is safe and slow, and longer runs are what it is for; a schedule lets a larger one end quietly.",
    )  # fmt: skip
