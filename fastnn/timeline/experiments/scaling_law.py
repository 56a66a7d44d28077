"""2020: the loss of students of a random teacher falls as a power of size, the faster the fewer the dimensions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series
from fastnn.timeline.experiments.found import Comparison, Run, Work
from fastnn.timeline.experiments.starts import work_of
from fastnn.timeline.papers.milestones import printed

DIMENSIONS, WIDTHS = (2, 4, 6), (6, 8, 11, 15)
# Of the teacher's two hidden layers, and the spread of its biases, so that it bends everywhere.
TEACHER, BEND = 96, 0.5
TEACHERS, STUDENTS = 4, 2
STEPS, BATCH, RATE = 20_000, 128, 1e-2
ROWS, TESTED = 2**17, 20_000
FEWER = 4


class Point(NamedTuple):
    """loss: squared error divided by the variance, of the better of the students, the geometric mean over teachers."""

    parameters: int
    loss: float


def run(teachers: int = TEACHERS, steps: int = STEPS) -> Run:
    found = {d: [point(d, width, teachers, steps) for width in WIDTHS] for d in DIMENSIONS}
    powers = {d: power(points) for d, points in found.items()}
    shorter = power([point(DIMENSIONS[0], width, teachers, steps // FEWER) for width in WIDTHS])
    published = printed("2020", "alpha times dimension")
    largest = _student(DIMENSIONS[-1], WIDTHS[-1], 0)
    low = DIMENSIONS[0]
    return Run(
        title="Loss falls as a power of size: α d is "
        + ", ".join(f"{power * d:.1f} at d = {d}" for d, power in powers.items()),
        comparisons=tuple(
            Comparison(what=f"α d at d = {d}", ours=power * d, published=published, low=3, high=5)
            for d, power in powers.items()
        ),
        blocks=(
            f"Teachers are random networks of two layers of {TEACHER} units of d inputs, students the same with "
            f"{WIDTHS[0]} to {WIDTHS[-1]} units; {steps:,} steps of {BATCH} rows drawn from the cube, the better of "
            f"{STUDENTS} students, {teachers} teachers.",
            _picture(found, powers),
        ),
        sample=f"{teachers} teachers, {STUDENTS} starts each",
        work=_work(largest, steps),
        fails=(
            f"At d = {low} the power is smaller than 4 / d. There losses are the smallest, and training is what limits "
            f"them, not size: with a quarter of the steps α d is {shorter * low:.1f}, with all {powers[low] * low:.1f}."
        ) if powers[low] * low < 3 else "",
        numbers={
            "points": {str(d): [list(point) for point in points] for d, points in found.items()},
            "alpha": {str(d): power for d, power in powers.items()},
        },
    )  # fmt: skip


def teacher(d: int, seed: int) -> Network:
    network = mlp(d, TEACHER, TEACHER, 1, loss="mse", seed=seed)
    rng = np.random.default_rng(seed)
    for name, values in network.named_parameters.items():
        if name.endswith("bias"):
            values[:] = rng.uniform(-BEND, BEND, values.shape)
    return network


def _student(d: int, width: int, seed: int) -> Network:
    return mlp(d, width, width, 1, loss="mse", seed=seed)


def _work(network: Network, steps: int) -> Work:
    return work_of(network, steps * BATCH, BATCH)


def point(d: int, width: int, teachers: int, steps: int) -> Point:
    losses = [min(loss(d, width, seed, start, steps) for start in range(STUDENTS)) for seed in range(teachers)]
    return Point(_student(d, width, 0).parameter_count, float(np.exp(np.mean(np.log(losses)))))


def loss(d: int, width: int, seed: int, start: int, steps: int) -> float:
    """Of one student on rows that it has not seen, divided by the variance of the teacher's outputs."""
    rng, known = np.random.default_rng(seed), teacher(d, seed)
    x = rng.uniform(-0.5, 0.5, (ROWS, d)).astype(np.float32)
    y = known(x)
    mean, spread = y[:TESTED].mean(), y[:TESTED].std()
    network = _student(d, width, 1000 * start + seed)
    trainer = network.trainer(Adam(RATE, schedule=Cosine(steps)), batch=BATCH)
    trainer.epoch(trainer.hold(x[TESTED:], (y[TESTED:] - mean) / spread), _order(rng, steps))
    return float(np.mean((network(x[:TESTED]) - (y[:TESTED] - mean) / spread) ** 2))


def _order(rng: np.random.Generator, steps: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return rng.integers(0, ROWS - TESTED, steps * BATCH)


def power(points: list[Point]) -> float:
    """α of L ~ N^-α, by least squares of the logarithms."""
    parameters, losses = np.log(np.array(points)).T
    return -float(np.polyfit(parameters, losses, 1)[0])


def _picture(found: dict[int, list[Point]], powers: dict[int, float]) -> Picture:
    return Picture(
        family="scaling-law", title="Loss by parameters, for data of 2, 4 and 6 dimensions",
        x=Axis(title="parameters", log=True), y=Axis(title="loss, of the variance", log=True, plain=True),
        series=tuple(
            Series(
                name=f"d = {d}: α = {powers[d]:.2f}", kind="linked", colour=colour,
                x=tuple(float(point.parameters) for point in points), y=tuple(point.loss for point in points),
            )
            for colour, (d, points) in enumerate(found.items())
        ),
    )  # fmt: skip
