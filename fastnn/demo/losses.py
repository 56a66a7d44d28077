"""Losses: binary cross-entropy and its steepness, cross-entropy over 100,000 classes, squared error."""

from __future__ import annotations

import math

import click
import numpy as np

from fastnn import cost
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table, decimal
from fastnn.functional import binary_cross_entropy, cross_entropy, mse
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--prediction"], type=click.FloatRange(0, 1, min_open=True), default=0.7, show_default=True,
                 help="Of a truth that is 1."),
    click.Option(["--classes"], type=click.IntRange(min=2), default=100_000, show_default=True),
)  # fmt: skip

PREDICTIONS = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)
CURVE = np.linspace(0.01, 1, 34)
# How far the right logit is above all others, which are 0.
LEADS = (0.0, 5.0, 10.0, 15.0, 20.0)


def show(prediction: float, classes: int) -> Demonstration:
    """Losses: what it costs to be wrong, and how steep that is.

    Binary cross-entropy over the prediction, cross-entropy over as many classes as a language model has words, and the
    mean squared error.
    """
    loss = binary(prediction)
    over_classes = [(lead, class_loss(classes, lead)) for lead in LEADS]
    return Demonstration(
        title=f"Predicting {decimal(prediction)} where the truth is 1 costs {decimal(loss)}",
        sections=(
            Section("Binary cross-entropy: -ln p where the truth is 1", _binary()),
            Section(f"Cross-entropy over {classes:,} classes", _classes(classes, over_classes)),
            Section("Mean squared error beside it", _squares()),
        ),
        numbers={
            "prediction": prediction, "binary_cross_entropy": loss, "classes": classes,
            "uniform": over_classes[0][1], "by_lead": [list(pair) for pair in over_classes],
        },
    )  # fmt: skip


def binary(prediction: float) -> float:
    """At a truth of 1."""
    return float(binary_cross_entropy(np.array([[prediction]], np.float64), np.ones((1, 1))))


def steepness(prediction: float) -> float:
    """d loss / d p = -1 / p, where the truth is 1."""
    return -1 / prediction


def class_loss(classes: int, lead: float) -> float:
    """With the logit of the right class at `lead` and all others at 0."""
    logits = np.zeros((1, classes))
    logits[0, 0] = lead
    return float(cross_entropy(logits, np.zeros(1, np.int64)))


def _binary() -> tuple[Block, ...]:
    rows = tuple((f"{p:g}", f"{binary(p):.4f}", f"{steepness(p):.2f}") for p in PREDICTIONS)
    return (
        Table(columns=("prediction", "loss", "slope, -1 / p"), rows=rows),
        Picture(
            family="losses", title="Loss of a prediction where the truth is 1", x=Axis(title="prediction", plain=True),
            y=Axis(title="loss", plain=True),
            series=(
                _curve("binary cross-entropy", [binary(p) for p in CURVE], 0),
                _curve("squared error", [(1 - p) ** 2 for p in CURVE], 1),
            ),
        ),
        "Near 0 a small step towards the truth is worth much: at 0.001 the slope is 1000 times that at 1.",
    )  # fmt: skip


def _curve(name: str, y: list[float], colour: int) -> Series:
    return Series(name=name, kind="linked", colour=colour, x=tuple(CURVE.tolist()), y=tuple(y))


def _classes(classes: int, found: list[tuple[float, float]]) -> tuple[Block, ...]:
    rows = tuple((f"{lead:g}", f"{loss:.4f}", f"{math.exp(-loss):.6f}") for lead, loss in found)
    work = cost.cross_entropy(1, classes)
    told = f"Knowing nothing costs ln {classes:,} = {math.log(classes):.4f}. Only a lead of about that much helps: "
    told += "below it the right class drowns in the many others."
    told += f" The loss of one row is {work.flops:,} FLOPs and {work.transcendentals:,} transcendentals."
    return Table(columns=("lead of the right logit", "loss", "its probability"), rows=rows), told


def _squares() -> tuple[Block, ...]:
    truth, guess = np.array([[1.0, 0.0, 2.0]]), np.array([[0.7, 0.2, 2.5]])
    return (
        f"Predictions {guess[0].tolist()} for {truth[0].tolist()}: the mean of the squares of "
        f"{[round(float(e), 4) for e in (guess - truth)[0]]} is {decimal(float(mse(guess, truth)))}. Its slope grows "
        "with the error and vanishes with it, so it suits numbers; for classes it is flat where a prediction is most "
        "wrong, behind a sigmoid.",
    )
