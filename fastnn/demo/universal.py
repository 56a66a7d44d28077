"""One hidden layer of growing width, fitted to a function: its error, and what another digit of it costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from fastnn.demo.display.demonstration import Demonstration, Section, Table
from fastnn.demo.parameters import SEED
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--widest"], type=click.IntRange(min=4, max=1024), default=64, show_default=True,
                 help="Hidden units of the widest network, from 1 in powers of 2."),
    click.Option(["--steps"], type=click.IntRange(min=100), default=4_000, show_default=True, help="Of training."),
    SEED,
)  # fmt: skip

# Waves of ever shorter length: each width can follow some and not the next, so the error falls by a power of it.
WAVES, POINTS = 5, 512
# Of 3 starts the best counts: the error of a network, and not of an unlucky start.
STARTS, RATE = 3, 0.02


class Fitted(NamedTuple):
    width: int
    parameters: int
    flops: int
    error: float
    network: Network


def show(widest: int, steps: int, seed: int) -> Demonstration:
    """Universal approximation: one hidden layer of growing width follows a curve ever closer.

    Error against width, and what another digit of accuracy costs in parameters and FLOPs.
    """
    widths = [2**power for power in range(int(math.log2(widest)) + 1)]
    x = np.linspace(-1, 1, POINTS)[:, None]
    found = [fit_width(width, x, steps, seed) for width in widths]
    # One unit is a single bend, before any law.
    power = slope([each.parameters for each in found[1:]], [each.error for each in found[1:]])
    digit = 10 ** (-1 / power)
    last = found[-1]
    return Demonstration(
        title=f"{last.width} hidden units follow the curve to {last.error:.4f}",
        sections=(
            Section(
                "The curve, and networks that follow it",
                (
                    f"The sum of {WAVES} sines, each twice as fast and half as high as the one before; tanh units, "
                    f"{steps:,} steps of Adam on {POINTS} points, the best of {STARTS} starts.",
                    _curves(x, [each for each in found if each.width in (2, 8, widths[-1])]),
                ),
            ),
            Section("Error against width", (_table(found), _errors(found))),
            Section(
                "What another digit costs",
                (
                    f"The error falls as parameters^{power:.2f}: ten times less of it takes {digit:.1f} times the "
                    f"parameters, and as many times the FLOPs. From {last.error:.4f} with {last.parameters:,} "
                    f"parameters, an error of {last.error / 10:.5f} would take about "
                    f"{last.parameters * digit:,.0f}.",
                ),
            ),
        ),
        numbers={
            "networks": [
                {"width": each.width, "parameters": each.parameters, "flops": each.flops, "error": each.error}
                for each in found
            ],
            "power": power, "parameters_for_a_digit": digit,
        },
    )  # fmt: skip


def curve(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """sum over k of sin(2^k pi x + k) / 2^k"""
    return sum((np.sin(2**k * np.pi * x + k) / 2**k for k in range(WAVES)), np.zeros_like(x))


def fit_width(width: int, x: NDArray[np.float64], steps: int, seed: int) -> Fitted:
    """The best of STARTS networks of that width; error: the root of the mean squared one."""
    found = [trained(width, x, steps, seed + start) for start in range(STARTS)]
    errors = [float(np.sqrt(np.mean((network(x) - curve(x)) ** 2))) for network in found]
    best = found[int(np.argmin(errors))]
    return Fitted(width, best.parameter_count, best.cost(1).forward.flops, min(errors), best)


def trained(width: int, x: NDArray[np.float64], steps: int, seed: int) -> Network:
    """Its bends begin spread evenly over the interval, steeper where there are more of them."""
    network = mlp(1, width, 1, activation="tanh", loss="mse", seed=seed)
    rng = np.random.default_rng(seed)
    steep = rng.choice([-1, 1], width) * rng.uniform(0.5, 1.5, width) * max(width, 2)
    network.named_parameters["0.weight"][0] = steep
    network.named_parameters["0.bias"][...] = -steep * np.linspace(-1, 1, width + 2)[1:-1]
    trainer: Any = network.trainer(Adam(RATE, schedule=Cosine(steps)), batch=len(x))
    trainer.epoch(trainer.hold(x, curve(x)), np.tile(np.arange(len(x)), steps))
    return network


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of a straight line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _table(found: Sequence[Fitted]) -> Table:
    return Table(
        columns=("width", "parameters", "FLOPs a point", "error", "digits"),
        rows=tuple(
            (str(each.width), str(each.parameters), f"{each.flops:,}", f"{each.error:.5f}",
             f"{-math.log10(each.error):.1f}")
            for each in found
        ),
    )  # fmt: skip


def _errors(found: Sequence[Fitted]) -> Picture:
    return Picture(
        family="universal", title="Error against parameters", x=Axis(title="parameters", log=True),
        y=Axis(title="error", log=True, plain=True),
        series=(
            Series(name="best of 3 starts", kind="linked", x=tuple(float(each.parameters) for each in found),
                   y=tuple(each.error for each in found)),
        ),
    )  # fmt: skip


def _curves(x: NDArray[np.float64], found: Sequence[Fitted]) -> Picture:
    some = x[:: POINTS // 64]
    places, every, followed = (tuple(values[:, 0].tolist()) for values in (some, x, curve(x)))
    return Picture(
        family="universal-curves", title="The curve, and what networks make of it", x=Axis(title="x", plain=True),
        y=Axis(title="y", plain=True),
        series=(
            Series(name="the curve", kind="line", colour=-1, x=every, y=followed),
            *(
                Series(name=f"{each.width} units", kind="points", colour=colour, x=places,
                       y=tuple(each.network(some)[:, 0].tolist()))
                for colour, each in enumerate(found)
            ),
        ),
    )  # fmt: skip
