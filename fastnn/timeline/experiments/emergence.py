"""2023: networks of growing size read digits better and better, and long numbers all at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn import data
from fastnn.learning.optimizers import Adam
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.starts import work_of

UNITS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20)
LEARNED, EPOCHS, BATCH = 1_200, 40, 32
LENGTH, NUMBERS = 25, 20_000


class Size(NamedTuple):
    """Of held-out digits, the mean of some starts: cross-entropy, share that is right; share of numbers of LENGTH
    digits of which all are right; and of what that would be if errors were independent."""

    parameters: int
    loss: float
    right: float
    whole: float
    power: float


def run(starts: int = 5) -> Run:
    found = [size(units, starts) for units in UNITS]
    right, whole, loss = (np.array([each[place] for each in found]) for place in (2, 3, 1))
    late = {name: _late(values) for name, values in (("digit", right), ("number", whole), ("loss", -loss))}
    errors = [abs(each.whole - each.power) for each in found]
    return Run(
        title=f"Digits are read better with every size; numbers of {LENGTH} digits seem to emerge",
        comparisons=(
            Comparison(
                what=f"numbers of {LENGTH} digits, from p to the power {LENGTH}, the largest distance", published=0,
                ours=max(errors), high=0.03, note="of a share; p is the share of single digits",
            ),
            Comparison(
                what="of the gain in loss, after the first half of the sizes", ours=late["loss"], high=0.4, percent=True
            ),
            Comparison(
                what="of the gain in single digits, after it", ours=late["digit"], high=0.4, percent=True
            ),
            Comparison(
                what="of the gain in whole numbers, after it", ours=late["number"], low=0.6, percent=True,
                note="the same networks, another measure",
            ),
        ),
        blocks=(
            f"64-n-10 networks learn {LEARNED:,} handwritten digits; numbers of {LENGTH} digits are drawn from the "
            f"others. {starts} starts a size.",
            _picture(found),
            f"Nothing in the networks jumps. A measure that asks for {LENGTH} right digits at once is the power "
            f"{LENGTH} of one that asks for each, and such a power is flat until it is steep.",
        ),
        sample=f"{starts} starts a size",
        work=work_of(_network(UNITS[-1], 0), EPOCHS * LEARNED, BATCH),
        numbers={"sizes": [each._asdict() for each in found]},
    )  # fmt: skip


def _network(units: int, seed: int) -> Network:
    return mlp(64, units, 10, seed=seed)


def size(units: int, starts: int) -> Size:
    every = np.array([_start(units, seed) for seed in range(starts)])
    loss, right, whole, power = every.mean(axis=0)
    return Size(_network(units, 0).parameter_count, float(loss), float(right), float(whole), float(power))


def _start(units: int, seed: int) -> tuple[float, float, float, float]:
    digits, rng = data.load("digits"), np.random.default_rng(seed)
    order = rng.permutation(len(digits.x))
    known, others = order[:LEARNED], order[LEARNED:]
    network = _network(units, seed)
    network.fit(digits.x[known], digits.y[known], epochs=EPOCHS, batch=BATCH, optimizer=Adam(3e-3), seed=seed)
    hits = network.predict(digits.x[others]) == digits.y[others]
    whole = hits[rng.integers(0, len(others), (NUMBERS, LENGTH))].all(axis=1).mean()
    right = float(hits.mean())
    return network.loss(digits.x[others], digits.y[others]), right, float(whole), right**LENGTH


def _late(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Share of a rise that comes after the first half of the sizes."""
    middle = values[(len(values) - 1) // 2]
    return float((values[-1] - middle) / (values[-1] - values[0]))


def _picture(found: list[Size]) -> Picture:
    x = tuple(float(each.parameters) for each in found)
    return Picture(
        family="emergence", title="The same networks by two measures",
        x=Axis(title="parameters", log=True), y=Axis(title="right", percent=True),
        series=(
            Series(name="single digits", kind="linked", colour=0, x=x, y=tuple(each.right for each in found)),
            Series(
                name=f"numbers of {LENGTH} digits", kind="linked", colour=1, x=x, y=tuple(each.whole for each in found)
            ),
        ),
    )  # fmt: skip
