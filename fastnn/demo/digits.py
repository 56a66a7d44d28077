"""Handwritten digits: a real training, its curves, a confusion matrix, and the digits that were misread."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table
from fastnn.demo.display.maps import Map, Maps
from fastnn.demo.parameters import SEED
from fastnn.learning.fitting import History
from fastnn.learning.losses import CrossEntropy
from fastnn.learning.optimizers import AdamW, Cosine
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--data", "name"], type=click.Choice(["digits", "mnist"]), default="digits", show_default=True,
                 help="1797 of 8 x 8 pixels, or 5000 MNIST digits of 28 x 28."),
    click.Option(["--epochs"], type=click.IntRange(min=1), default=12, show_default=True),
    click.Option(["--misread"], type=click.IntRange(min=0), default=6, show_default=True, help="How many to draw."),
    SEED,
)  # fmt: skip

# Each digit is also seen moved by a pixel to its 8 sides. Held-out MNIST digits: 93.2 % right without that, 96.7 %
# with 4 sides and 256 units, 97.2 % with 8 and 512.
SIDES = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1))
UNITS, BATCH, RATE, SMOOTHING, WARMUP = 512, 32, 2e-3, 0.1, 0.05


class Split(NamedTuple):
    """Rows to train on, to watch, and to judge by: 60, 20 and 20 %."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def show(name: str, epochs: int, misread: int, seed: int) -> Demonstration:
    """Handwritten digits: one hidden layer, trained and judged on digits it has not seen.

    Curves of training and validation, a confusion matrix, and the digits that were misread.
    """
    digits = data.load(name)
    split = split_rows(len(digits.x), seed)
    network = mlp(digits.inputs, UNITS, 10, loss=CrossEntropy(label_smoothing=SMOOTHING), seed=seed)
    history = train(network, digits, split, epochs, seed)
    x, truth = digits.x[split.test], digits.y[split.test]
    answers = network.predict(x)
    accuracy = float(np.mean(answers == truth))
    matrix = confusion(truth, answers)
    seconds = sum(history.seconds)
    return Demonstration(
        title=f"{accuracy:.1%} of {len(truth)} held-out digits are read right",
        sections=(
            Section("Training", _training(network, digits, split, history, seconds)),
            Section(f"Confusion matrix of the {len(truth)} held-out digits", (_matrix(matrix),)),
            Section(f"Misread: {int(np.sum(answers != truth))} of {len(truth)}",
                    tuple(_misread(x, truth, answers, misread)) or ("None.",)),
        ),
        numbers={
            "data": digits.name, "parameters": network.parameter_count, "accuracy": accuracy, "seconds": seconds,
            "loss": history.loss, "val_loss": history.val_loss, "train_accuracy": history.accuracy,
            "val_accuracy": history.val_accuracy, "confusion": matrix.tolist(),
        },
    )  # fmt: skip


def split_rows(rows: int, seed: int) -> Split:
    order = np.random.default_rng(seed).permutation(rows)
    fifth = rows // 5
    return Split(order[2 * fifth :], order[fifth : 2 * fifth], order[:fifth])


def train(network: Network, digits: data.Dataset, split: Split, epochs: int, seed: int) -> History:
    """With each digit moved to all sides, a rate that warms up and falls along a cosine, and smoothed labels."""
    x = np.concatenate([moved(digits.x[split.train], *side) for side in SIDES])
    y = np.tile(digits.y[split.train], len(SIDES))
    steps = epochs * -(-len(x) // BATCH)
    held_out = digits.x[split.validation], digits.y[split.validation]
    optimizer = AdamW(RATE, weight_decay=0.0, schedule=Cosine(steps, warmup=int(WARMUP * steps)))
    return network.fit(x, y, epochs=epochs, batch=BATCH, seed=seed, validation=held_out, optimizer=optimizer)


def moved(x: NDArray[np.float32], down: int, right: int) -> NDArray[np.float32]:
    """Images moved by some pixels; what leaves at one side is lost, what comes in is 0."""
    images = as_images(x)
    found = np.zeros_like(images)
    side = images.shape[1]
    to_rows, from_rows = shifted(down, side)
    to_columns, from_columns = shifted(right, side)
    found[:, to_rows, to_columns] = images[:, from_rows, from_columns]
    return found.reshape(x.shape)


def shifted(by: int, side: int) -> tuple[slice, slice]:
    """Places after and before."""
    return slice(max(by, 0), side + min(by, 0)), slice(max(-by, 0), side + min(-by, 0))


def as_images(x: NDArray[np.float32]) -> NDArray[np.float32]:
    side = round(x.shape[1] ** 0.5)
    return x.reshape(-1, side, side)


def confusion(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> NDArray[np.int64]:
    """(10, 10): how often the digit of the row was read as that of the column."""
    return np.bincount(10 * truth + answers, minlength=100).reshape(10, 10)


def _training(
    network: Network, digits: data.Dataset, split: Split, history: History, seconds: float
) -> tuple[Block, ...]:
    epochs = tuple(float(epoch + 1) for epoch in range(len(history.loss)))
    rows = len(split.train) * len(SIDES)
    return (
        f"{digits.description}. {len(split.train):,} to train on, each at {len(SIDES)} places, "
        f"{len(split.validation):,} to watch, {len(split.test):,} to judge by. {digits.inputs}-{UNITS}-10, "
        f"{network.parameter_count:,} parameters: {len(epochs)} epochs of {rows:,} rows took {seconds:.2f} s, "
        f"{len(epochs) * rows / max(seconds, 1e-9):,.0f} rows a second.",
        Picture(
            family="digits", title="Share of digits read right", x=Axis(title="epoch", plain=True),
            y=Axis(title="right", plain=True),
            series=tuple(
                Series(name=name, kind="linked", colour=colour, x=epochs, y=tuple(values))
                for colour, (name, values) in enumerate(
                    (("training", history.accuracy), ("validation", history.val_accuracy))
                )
            ),
        ),
        Table(
            columns=("epoch", "loss", "right", "validation loss", "validation right"),
            rows=tuple(
                (str(at + 1), f"{history.loss[at]:.4f}", f"{history.accuracy[at]:.4f}", f"{history.val_loss[at]:.4f}",
                 f"{history.val_accuracy[at]:.4f}")
                for at in range(len(epochs))
            ),
        ),
    )  # fmt: skip


def _matrix(matrix: NDArray[np.int64]) -> Table:
    rows = tuple(
        (str(digit), *(str(count) if count else "." for count in row.tolist())) for digit, row in enumerate(matrix)
    )
    return Table(columns=("truth", *(f"as {digit}" for digit in range(10))), rows=rows)


def _misread(x: NDArray[np.float32], truth: NDArray[np.int64], answers: NDArray[np.int64], most: int) -> Iterator[Maps]:
    wrong = np.flatnonzero(answers != truth)[:most]
    if len(wrong):
        maps = (Map(caption=f"{truth[i]}, read as {answers[i]}", values=as_images(x)[i]) for i in wrong)
        yield Maps(title=f"{len(wrong)} digits that were misread", maps=tuple(maps), largest=1.0)
