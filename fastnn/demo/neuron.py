"""One neuron: each input times its weight, the sum with a bias, an activation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import click
import numpy as np

from fastnn.cost import dense_forward
from fastnn.demo.display.demonstration import Demonstration, Drawing, Section, Table, decimal
from fastnn.demo.parameters import ACTIVATION, NUMBERS
from fastnn.layers import Dense
from fastnn.networks.network import Network

OPTIONS = (
    click.Option(["--inputs"], type=NUMBERS, default="0.7,0.3,0.9", show_default=True, help="One number an input."),
    click.Option(["--weights"], type=NUMBERS, default="0.5,-0.3,0.8", show_default=True, help="One number an input."),
    click.Option(["--bias"], type=float, default=0.0, show_default=True),
    click.Option(["--activation"], type=ACTIVATION, default="relu", show_default=True),
)


def show(inputs: Sequence[float], weights: Sequence[float], bias: float, activation: str) -> Demonstration:
    """One neuron: each input times its weight, the sum with a bias, an activation."""
    if len(inputs) != len(weights):
        raise ValueError(f"{len(inputs)} inputs and {len(weights)} weights; expected as many of one as of the other")
    products = [x * w for x, w in zip(inputs, weights, strict=True)]
    total, output = (fire(inputs, weights, bias, name) for name in ("identity", activation))
    if not all(map(math.isfinite, (bias, *products, total, output))):
        raise ValueError("a product or their sum is not finite; expected smaller inputs, weights and bias")
    cost = dense_forward(1, len(inputs), 1, activation, np.dtype(np.float64).itemsize)
    counts = Table(
        columns=("parameters", "multiply-adds", "FLOPs", "transcendentals"),
        rows=((str(len(inputs) + 1), str(cost.macs), str(cost.flops), str(cost.transcendentals)),),
    )
    return Demonstration(
        title=f"One neuron with {len(inputs)} inputs gives {decimal(output)}",
        sections=(
            Section("What it does", (Drawing(diagram(inputs, weights, products, bias, total, activation, output)),)),
            Section("What it costs", (counts, "A network of billions of parameters is this, many times over.")),
        ),
        numbers={
            "inputs": list(inputs), "weights": list(weights), "bias": bias, "activation": activation,
            "products": products, "sum": total, "output": output,
        },
    )  # fmt: skip


def fire(inputs: Sequence[float], weights: Sequence[float], bias: float, activation: str) -> float:
    """What a network of one neuron answers, in float64."""
    network = Network(len(inputs), [Dense(1, activation)], loss="mse", dtype="float64", initialize=False)
    network.named_parameters["0.weight"][:, 0] = weights
    network.named_parameters["0.bias"][0] = bias
    return float(network([inputs])[0, 0])


def diagram(
    inputs: Sequence[float], weights: Sequence[float], products: Sequence[float], bias: float, total: float,
    activation: str, output: float,
) -> tuple[str, ...]:  # fmt: skip
    """A line an input, which meet in the sum."""
    columns = [[decimal(value) for value in values] for values in (inputs, weights, products)]
    widths = [max(map(len, column)) for column in columns]
    middle = (len(inputs) - 1) // 2
    lines = []
    for place, cells in enumerate(zip(*columns, strict=True)):
        x, w, product = (cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
        answer = f"─ sum {decimal(sum(products))} + bias {decimal(bias)} = {decimal(total)} ── {activation} ──> "
        tail = answer + decimal(output) if place == middle else ""
        lines.append(f"{x} ──( x {w} )── {product} ─{corner(place, len(inputs), place == middle)}{tail}")
    return tuple(lines)


def corner(place: int, count: int, joins: bool) -> str:
    """The piece of the line that gathers all products."""
    if count == 1:
        return "─"
    first, last = place == 0, place == count - 1
    if joins:
        return "┬" if first else "┼"
    return "┐" if first else "┘" if last else "┤"
