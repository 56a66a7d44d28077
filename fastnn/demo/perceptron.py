"""The perceptron: it learns AND and OR but not XOR, which a hidden layer learns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import click
import numpy as np

from fastnn.demo.display.demonstration import Block, Demonstration, Drawing, Section, Table, decimal
from fastnn.demo.parameters import ACTIVATION
from fastnn.learning.optimizers import SGD
from fastnn.networks.models import mlp
from fastnn.networks.network import Network
from fastnn.report.picture import Axis, Picture, Series

OPTIONS = (
    click.Option(["--hidden"], type=click.IntRange(min=1), default=4, show_default=True, help="Units that solve XOR."),
    click.Option(["--activation"], type=ACTIVATION, default="sigmoid", show_default=True, help="Of the hidden units."),
    click.Option(["--seeds"], type=click.IntRange(min=1), default=100, show_default=True, help="Starts to try."),
)

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float64)
GATES: Mapping[str, tuple[int, ...]] = {"AND": (0, 0, 0, 1), "OR": (0, 1, 1, 1), "XOR": (0, 1, 1, 0)}
# Rosenblatt's rule needs 6 epochs at most where a line exists; gradient descent at this rate is within 1e-12 of ln 2
# after 400 steps.
EPOCHS, STEPS, RATE = 100, 4_000, 2.0
# Of 100 starts with 4 sigmoid units 100 learn XOR in 2,000 steps at 0.5; with 2 units 69.
HIDDEN_STEPS, HIDDEN_RATE = 2_000, 0.5
SHADES = " .:-=+*#%@"
# Of the plane that is drawn.
SPAN = (-0.25, 1.25)


class Line(NamedTuple):
    """w x + b = 0. mistakes: of the last epoch. updates: corrections made in all."""

    weights: tuple[float, float]
    bias: float
    updates: int
    mistakes: int


def show(hidden: int, activation: str, seeds: int) -> Demonstration:
    """The perceptron learns AND and OR, never XOR; a hidden layer does.

    Rosenblatt's rule with the step function, gradient descent with the sigmoid, then a network with hidden units.
    """
    lines = {gate: rosenblatt(labels) for gate, labels in GATES.items()}
    sigmoids = {gate: descend(labels) for gate, labels in GATES.items()}
    gradient = gradient_at_zero(GATES["XOR"])
    networks = [hidden_network(hidden, activation, seed) for seed in range(seeds)]
    learned = [network.accuracy(CORNERS, GATES["XOR"]) == 1 for network in networks]
    solver = networks[learned.index(True)] if any(learned) else networks[0]
    return Demonstration(
        title=f"One neuron learns AND and OR, not XOR; {hidden} hidden units do from {sum(learned)} of {seeds} starts",
        sections=(
            Section("Rosenblatt's rule, 1958: a step, and a correction at each mistake", _rule(lines)),
            Section("Gradient descent: a sigmoid, and its slope", _descent(sigmoids, gradient)),
            Section(f"XOR with {hidden} hidden {activation} units", _hidden(solver, sum(learned), seeds)),
        ),
        numbers={
            "rosenblatt": {gate: line._asdict() for gate, line in lines.items()},
            "sigmoid": {gate: {"loss": loss, "outputs": outputs} for gate, (loss, outputs) in sigmoids.items()},
            "xor_best_loss": math.log(2), "xor_gradient_at_zero": gradient,
            "hidden": {"units": hidden, "activation": activation, "seeds": seeds, "learned": sum(learned)},
        },
    )  # fmt: skip


def rosenblatt(labels: Sequence[int]) -> Line:
    """Trained from weights of 0 until an epoch has no mistake, or EPOCHS have passed."""
    network = mlp(2, 1, output_activation="step", loss="perceptron", initializer="zeros")
    history = network.fit(
        CORNERS, labels, epochs=EPOCHS, batch=1, optimizer=SGD(1.0), shuffle=False,
        callback=lambda epoch, history: history.loss[-1] == 0,
    )  # fmt: skip
    weight, bias = network.named_parameters["0.weight"][:, 0], network.named_parameters["0.bias"][0]
    return Line((float(weight[0]), float(weight[1])), float(bias), int(sum(history.loss)), int(history.loss[-1]))


def one_sigmoid() -> Network:
    """All weights 0."""
    return mlp(2, 1, loss="binary_cross_entropy_with_logits", initializer="zeros", dtype="float64")


def descend(labels: Sequence[int]) -> tuple[float, list[float]]:
    """Loss and outputs of one sigmoid neuron after STEPS steps of gradient descent from random weights."""
    network = mlp(2, 1, loss="binary_cross_entropy_with_logits", initializer="uniform", dtype="float64", seed=0)
    train_on_corners(network, labels, SGD(RATE), STEPS)
    return network.loss(CORNERS, labels), network.predict_proba(CORNERS)[:, 0].tolist()


def gradient_at_zero(labels: Sequence[int]) -> list[float]:
    """Of two weights and a bias, where all are 0."""
    network = one_sigmoid()
    named = network.named(network.gradient(CORNERS, labels))
    return [*named["0.weight"][:, 0].tolist(), *named["0.bias"].tolist()]


def hidden_network(hidden: int, activation: str, seed: int) -> Network:
    """2-hidden-1, trained on XOR."""
    network = mlp(2, hidden, 1, activation=activation, loss="binary_cross_entropy_with_logits", seed=seed)
    train_on_corners(network, GATES["XOR"], SGD(HIDDEN_RATE), HIDDEN_STEPS)
    return network


def train_on_corners(network: Network, labels: Sequence[int], optimizer: SGD, steps: int) -> None:
    """All steps in one call: 2,000 of a network of 17 parameters take 0.8 ms."""
    trainer: Any = network.trainer(optimizer, batch=len(CORNERS))
    trainer.epoch(trainer.hold(CORNERS, labels), np.tile(np.arange(len(CORNERS)), steps))


def _rule(lines: Mapping[str, Line]) -> tuple[Block, ...]:
    rows = tuple((gate, str(line.updates), str(line.mistakes), equation(line)) for gate, line in lines.items())
    return (
        Table(columns=("gate", "corrections", "mistakes at the end", "the line where it turns"), rows=rows),
        *(plane(gate, lines[gate]) for gate in ("AND", "OR")),
        "A sum of 0 counts as 1: a corner on the line is above it.",
        f"No line has (0, 1) and (1, 0) on one side and (0, 0) and (1, 1) on the other: after {EPOCHS} epochs the rule "
        f"is still correcting, {lines['XOR'].mistakes} times in the last.",
    )


def equation(line: Line) -> str:
    terms = [f"{decimal(weight)} {name}" for weight, name in zip(line.weights, ("x1", "x2"), strict=True) if weight]
    return f"{' + '.join(terms) or '0'} = {decimal(-line.bias)}".replace("+ -", "- ")


def plane(gate: str, line: Line) -> Picture:
    """The corners by their class, and the line between them, within SPAN."""
    classes = [
        Series(
            name=f"output {label}", colour=label,
            x=tuple(float(x[0]) for x, y in zip(CORNERS, GATES[gate], strict=True) if y == label),
            y=tuple(float(x[1]) for x, y in zip(CORNERS, GATES[gate], strict=True) if y == label),
        )
        for label in (0, 1)
    ]  # fmt: skip
    (first, second), (low, high) = line.weights, SPAN
    ends = sorted(-(line.bias + second * y) / first for y in SPAN)
    places = max(low, ends[0]), min(high, ends[1])
    edge = Series(
        name="where it turns", kind="line", colour=2, x=places,
        y=tuple(-(line.bias + first * x) / second for x in places),
    )  # fmt: skip
    return Picture(
        family="perceptron", title=f"{gate}, learned after {line.updates} corrections", choice=(("gate", gate),),
        x=Axis(title="x1", plain=True), y=Axis(title="x2", plain=True), series=(*classes, edge),
    )  # fmt: skip


def _descent(sigmoids: Mapping[str, tuple[float, list[float]]], gradient: Sequence[float]) -> tuple[Block, ...]:
    rows = tuple(
        (gate, f"{loss:.6f}", *(f"{output:.3f}" for output in outputs)) for gate, (loss, outputs) in sigmoids.items()
    )
    corners = tuple(f"at {x[0]:.0f} {x[1]:.0f}" for x in CORNERS)
    return (
        Table(columns=("gate", f"loss after {STEPS:,} steps", *corners), rows=rows),
        f"XOR stops at ln 2 = {math.log(2):.6f}, the loss of answering 1/2 always. That is the best there is: the loss "
        "of one sigmoid is convex in its weights and bias, and where all are 0 its gradient is "
        f"({', '.join(decimal(value, 12) for value in gradient)}). A convex function has no lower place than one "
        "where its gradient is 0.",
    )


def _hidden(network: Network, learned: int, seeds: int) -> tuple[Block, ...]:
    outputs = network.predict_proba(CORNERS)[:, 0]
    rows = tuple(
        (f"{x[0]:.0f} {x[1]:.0f}", str(label), f"{output:.4f}")
        for x, label, output in zip(CORNERS, GATES["XOR"], outputs, strict=True)
    )
    return (
        f"{learned} of {seeds} starts end with no error after {HIDDEN_STEPS:,} steps; {network.parameter_count} "
        f"parameters each. {'One of them' if learned else 'The first of them, which failed'}:",
        Table(columns=("inputs", "truth", "output"), rows=rows),
        "Its output over the plane, from 0 (blank) to 1 (@), x1 to the right, x2 up, each from -0.25 to 1.25:",
        Drawing(shaded(network)),
    )


def shaded(network: Network, columns: int = 60, lines: int = 20) -> tuple[str, ...]:
    """The network's output over the plane as characters."""
    across, up = np.linspace(*SPAN, columns), np.linspace(*SPAN[::-1], lines)
    points = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    level = np.minimum(network.predict_proba(points)[:, 0] * len(SHADES), len(SHADES) - 1).astype(int)
    return tuple("".join(SHADES[each] for each in row) for row in level.reshape(lines, columns))
