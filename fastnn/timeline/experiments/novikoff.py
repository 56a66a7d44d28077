"""1958: Rosenblatt's rule makes no more corrections than Novikoff's bound, whatever it is shown."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.learning.optimizers import SGD
from fastnn.networks.models import mlp
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run
from fastnn.timeline.experiments.starts import work_of

INPUTS, POINTS = 10, 100
# Of the margins that are asked for, as shares of the longest input.
LEAST, LARGEST = 0.01, 0.3
EPOCHS = 20_000


class Draw(NamedTuple):
    """bound: (R / γ)²; presentations: rows that it was shown until none was wrong."""

    bound: float
    corrections: int
    presentations: int


def run(draws: int = 1_000) -> Run:
    """Separable points whose margin is known, shown in turn until none is wrong."""
    found = [learned(seed) for seed in range(draws)]
    shares = np.array([each.corrections / each.bound for each in found])
    broken = int(np.sum(shares > 1))
    slope = _slope(found)
    network = _network()
    presentations = int(np.median([each.presentations for each in found]))
    return Run(
        title=f"Corrections stay within Novikoff's bound in {draws - broken:,} of {draws:,} draws",
        comparisons=(
            Comparison(what="draws that break the bound", published=0, ours=broken, low=0, high=0),
            Comparison(
                what="corrections divided by the bound, the most", published=1, ours=float(shares.max()), high=1
            ),
            Comparison(
                what="corrections divided by the bound, the median", ours=float(np.median(shares)), high=0.5,
                note="the bound is for the worst case",
            ),
        ),
        blocks=(
            f"Each draw: {POINTS} points in {INPUTS} dimensions, on the two sides of a plane that is drawn too, none "
            f"nearer to it than γ. One neuron of {network.parameter_count} parameters begins at 0 and is corrected at "
            "each mistake. Its bias is a weight of an input that is always 1, and counts in R.",
            _picture(found),
            f"Over the draws corrections grow as the bound to the power {slope:.2f}: as the bound is the square of "
            f"R / γ, about as R / γ to the power {2 * slope:.1f}. Random points are kinder than the worst.",
        ),
        sample=f"{draws:,} draws",
        work=work_of(network, presentations, 1),
        numbers={
            "draws": draws, "slope": slope,
            "bound": [each.bound for each in found], "corrections": [each.corrections for each in found],
        },
    )  # fmt: skip


def _network() -> Any:
    return mlp(
        INPUTS, 1, output_activation="step", loss="perceptron", initializer="zeros", dtype="float64"
    )  # fmt: skip


def separable(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """Points (POINTS, INPUTS), their sides 0 or 1, and (R / γ)² of them with a 1 beside each."""
    rng = np.random.default_rng(seed)
    plane = rng.normal(size=INPUTS + 1)
    plane /= np.linalg.norm(plane)
    least = np.exp(rng.uniform(np.log(LEAST), np.log(LARGEST)))
    kept: list[NDArray[np.float64]] = []
    while len(kept) < POINTS:
        x = np.append(rng.normal(size=INPUTS), 1.0)
        if abs(plane @ x) >= least * np.linalg.norm(x):
            kept.append(x)
    rows = np.array(kept)
    distances = rows @ plane
    ratio = np.linalg.norm(rows, axis=1).max() / np.abs(distances).min()
    return np.ascontiguousarray(rows[:, :-1]), (distances > 0).astype(np.int64), float(ratio**2)


def learned(seed: int) -> Draw:
    x, y, bound = separable(seed)
    trainer = _network().trainer(SGD(1.0), batch=1)
    held, order = trainer.hold(x, y), np.arange(len(x))
    corrections = 0
    for epoch in range(1, EPOCHS + 1):
        mistakes = int(trainer.epoch(held, order).loss)
        corrections += mistakes
        if not mistakes:
            return Draw(bound, corrections, epoch * len(x))
    raise ArithmeticError(f"draw {seed} is separable and was not learned in {EPOCHS} epochs")


def _slope(found: list[Draw]) -> float:
    """Of log corrections over log bound."""
    some = [each for each in found if each.corrections]
    bounds, corrections = (np.log([each[place] for each in some]) for place in (0, 1))
    return float(np.polyfit(bounds, corrections, 1)[0])


def _picture(found: list[Draw]) -> Picture:
    ends = min(each.bound for each in found), max(each.bound for each in found)
    some = [each for each in found if each.corrections]
    return Picture(
        family="novikoff", title="Corrections, and the bound that they never pass",
        x=Axis(title="(R / γ)²", log=True), y=Axis(title="corrections", log=True),
        series=(
            Series(name="the bound", kind="line", colour=1, x=ends, y=ends),
            Series(
                name="a draw", colour=0, faint=True, x=tuple(each.bound for each in some),
                y=tuple(float(each.corrections) for each in some),
            ),
        ),
    )  # fmt: skip
