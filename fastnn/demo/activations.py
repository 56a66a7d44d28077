"""Activations: value and slope of each, and units of relu that die in a real training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import click
import numpy as np
from numpy.typing import NDArray

from fastnn import data
from fastnn.demo.display.demonstration import Block, Demonstration, Section, Table
from fastnn.demo.looking_inside import first_layer
from fastnn.demo.parameters import SEED
from fastnn.kernels.activation import DEFAULT_ALPHA, NAMES, activation_backward, activation_forward
from fastnn.learning.optimizers import SGD
from fastnn.learning.trainer import NonFiniteLoss
from fastnn.networks.models import mlp
from fastnn.report.picture import Axis, Picture, Series

# Three pictures of three, as a terminal can tell them apart.
FAMILIES = (("step", "sigmoid", "tanh"), ("relu", "leaky_relu", "elu"), ("gelu", "silu", "softplus"))
SHOWN = tuple(name for family in FAMILIES for name in family)
POINTS = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0)
CURVE = np.linspace(-4, 4, 33)
# Where slopes are searched: beyond it each is its limit in float64. A round narrows the search a thousandfold.
WIDEST, ROUNDS = 40.0, 4
# The rates at which units of a 64-64-10 network live, begin to die, and nearly all die.
RATES, EPOCHS, BATCH = (0.1, 0.5, 1.0, 2.0), 20, 32
MORTAL = ("relu", "leaky_relu")

OPTIONS = (
    click.Option(["--activation"], type=click.Choice(SHOWN), multiple=True, help="Only this one; may be repeated."),
    SEED,
)


def show(activation: Sequence[str], seed: int) -> Demonstration:
    """Activations: what each makes of a sum, how steep it is there, and units that die.

    Then a network is trained on handwritten digits at growing rates: a unit of relu that no digit wakes has a slope of
    0 everywhere and never learns again.
    """
    chosen = tuple(activation) or SHOWN
    values = {name: value_and_slope(name, np.array(POINTS)) for name in chosen}
    deaths = [death(name, rate, seed) for name in MORTAL for rate in RATES]
    return Demonstration(
        title=f"{len(chosen)} activation{'s' * (len(chosen) > 1)}, and units that die",
        sections=(
            Section("Values", (_table(chosen, values, 0), *_pictures(chosen, 0))),
            Section("Slopes, which gradients are multiplied by", (*_slopes(chosen, values), *_pictures(chosen, 1))),
            Section(f"Dead units of 64-64-10 after {EPOCHS} epochs of handwritten digits", _deaths(deaths)),
        ),
        numbers={
            "points": list(POINTS),
            "activations": {
                name: {"value": value.tolist(), "slope": slope.tolist()} for name, (value, slope) in values.items()
            },
            "deaths": deaths,
        },
    )


def value_and_slope(name: str, z: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """By the kernels themselves. The step has no slope but 0; its kernel passes gradients for the perceptron's rule."""
    kind, alpha = NAMES.index(name), DEFAULT_ALPHA.get(name, 0.0)
    value, slope = np.empty_like(z), np.empty_like(z)
    activation_forward(value, z, kind, alpha)
    activation_backward(slope, np.ones_like(z), z, value, kind, alpha)
    return value, np.zeros_like(z) if name == "step" else slope


@cache
def steepest(name: str) -> float:
    """The least upper bound of its slope, which softplus comes to only where its sum is large. float64, no unit."""
    low, high = -WIDEST, WIDEST
    for _ in range(ROUNDS):
        z = np.linspace(low, high, 2001)
        slope = value_and_slope(name, z)[1]
        at = int(slope.argmax())
        low, high = z[max(at - 1, 0)], z[min(at + 1, z.size - 1)]
    return float(slope.max())


def death(name: str, rate: float, seed: int) -> dict[str, object]:
    """How many of the 64 hidden units no digit wakes, after training at that rate."""
    digits = data.digits()
    network = mlp(64, 64, 10, activation=name, seed=seed)
    try:
        network.fit(digits.x, digits.y, epochs=EPOCHS, batch=BATCH, optimizer=SGD(rate), seed=seed)
    except NonFiniteLoss:
        return {"activation": name, "rate": rate, "asleep": None, "accuracy": None}
    sums = first_layer(network, "identity")(digits.x)
    asleep = int((sums.max(axis=0) <= 0).sum())
    return {"activation": name, "rate": rate, "asleep": asleep, "accuracy": network.accuracy(digits.x, digits.y)}


def _table(chosen: Sequence[str], values: Mapping[str, tuple[NDArray[np.float64], ...]], which: int) -> Table:
    return Table(
        columns=("z", *(f"{point:g}" for point in POINTS)),
        rows=tuple((name, *(f"{value:.3f}" for value in values[name][which])) for name in chosen),
    )


def _slopes(chosen: Sequence[str], values: Mapping[str, tuple[NDArray[np.float64], ...]]) -> Iterator[Block]:
    yield _table(chosen, values, 1)
    if "sigmoid" in chosen:
        yield (
            "A sigmoid's slope is 1/4 at most: ten of them in a row shrink a gradient a millionfold "
            f"(4^10 = {4**10:,})."
        )


def _pictures(chosen: Sequence[str], which: int) -> Iterator[Picture]:
    kind = ("value", "slope")[which]
    for family in FAMILIES:
        members = [name for name in family if name in chosen]
        if members:
            yield Picture(
                family="activations", title=f"{', '.join(members)}: {kind}", choice=((kind, family[0]),),
                x=Axis(title="z", plain=True), y=Axis(title=kind, plain=True),
                series=tuple(_curve(name, which, family.index(name)) for name in members),
            )  # fmt: skip


def _curve(name: str, which: int, colour: int) -> Series:
    y = value_and_slope(name, CURVE)[which]
    return Series(name=name, kind="linked", colour=colour, x=tuple(CURVE.tolist()), y=tuple(y.tolist()))


def _deaths(deaths: Sequence[dict[str, object]]) -> tuple[Block, ...]:
    rows = tuple(
        (str(each["activation"]), f"{each['rate']:g}",
         *(("-", "diverged") if each["accuracy"] is None else (str(each["asleep"]), f"{each['accuracy']:.1%}")))
        for each in deaths
    )  # fmt: skip
    return (
        Table(columns=("activation", "rate", "of 64 units at or below 0 for all digits", "digits right"), rows=rows),
        "Where relu is at or below 0 for every digit its slope is 0, and nothing can bring it back. leaky_relu keeps "
        f"a slope of {DEFAULT_ALPHA['leaky_relu']:g} there: such units still learn.",
    )
