"""The exact cost of each layer as a formula, with its numbers put in: the formulas that fastnn.cost computes.

B rows of a batch, or of all its positions, I inputs, O outputs, C classes, N elements, P parameters, W weights that the
gradient of an input is made with, s bytes of a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fastnn.bench.architecture import Architecture, architecture_of, operations_in
from fastnn.cost import Cost, Graph, OperationCost, loss_cost, operation_costs, put_in, saved_cost, update
from fastnn.layers import Operation, counted
from fastnn.report.sources import Row, Run


@dataclass(frozen=True)
class Line:
    """what it counts; formula: in letters; numbers: the same with their values; value."""

    what: str
    formula: str
    numbers: str
    value: int


@dataclass(frozen=True)
class Part:
    """A layer, the loss or the whole step."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Formulas:
    network: str
    batch: int
    note: str
    parts: tuple[Part, ...]


def formulas(runs: Sequence[Run]) -> list[Formulas]:
    """Of every network, batch, optimizer and dtype that was measured, smallest first."""
    found = {}
    for run in runs:
        for row in run.ours:
            found[row["params"], row["name"], row["batch"], row["optimizer"], row["dtype"]] = row
    known = ((found[key], architecture_of(found[key])) for key in sorted(found))
    return [of_row(row, architecture) for row, architecture in known if architecture]


def of_row(row: Row, architecture: Architecture) -> Formulas:
    """A training step of this row's network."""
    batch, optimizer, itemsize = row["batch"], row["optimizer"], np.dtype(row["dtype"]).itemsize
    operations = operations_in(architecture)
    graph = counted(operations)
    parts = [
        _of_operation(number, operation, passes, optimizer, itemsize)
        for number, (operation, passes) in enumerate(
            zip(operations, operation_costs(graph, batch, itemsize), strict=True), 1
        )
    ]
    loss = architecture["loss"]["kind"]
    parts.append(
        Part(f"Loss: {loss.replace('_', '-')}", tuple(_lines("loss", loss_cost(graph, loss, batch, itemsize))))
    )
    parts.append(_whole(parts, graph, itemsize))
    return Formulas(row["name"], batch, f"{optimizer}, {row['dtype']}", tuple(parts))


def _of_operation(number: int, operation: Operation, passes: OperationCost, optimizer: str, itemsize: int) -> Part:
    lines = [
        *_parameters(operation),
        *_lines("forward", passes.forward),
        *_lines("backward", passes.backward),
        *_lines("backward", passes.added, ", gradients added"),
        *_lines("backward", passes.shared, ", shared gradients added"),
        *_lines("update", update(optimizer, operation.parameter_count, itemsize)),
    ]
    return Part(_title(number, operation), tuple(lines))


def _title(number: int, operation: Operation) -> str:
    taken, given = (str(shape[0] if len(shape) == 1 else shape) for shape in (operation.shapes[0], operation.shape))
    activation = operation.layer.activation
    return f"Layer {number}: {operation.owner}, {taken} to {given}" + f", {activation}" * (activation != "identity")


def _parameters(operation: Operation) -> Iterator[Line]:
    own = {name: one.shape for name, one in operation.parameters.items() if one.tied_to is None}
    if own:
        numbers = ("·".join(f"{size:,}" for size in shape) for shape in own.values())
        yield Line("parameters", " + ".join(own), " + ".join(numbers), sum(map(prod, own.values())))


# What is counted, and the field of a cost and of its formula.
COUNTED = {"multiply-adds": "macs", "FLOPs": "flops", "transcendentals": "transcendentals", "bytes": "bytes"}


def _lines(phase: str, of: Cost, about: str = "") -> Iterator[Line]:
    """Of what is not 0. A layer of a user's own may state numbers and no formula."""
    for what, name in COUNTED.items():
        value, letters = getattr(of, name), of.letters or {}
        if value:
            formula = getattr(of.formula, name) if of.formula else ""
            yield Line(f"{phase} {what}{about}", formula or "as stated", put_in(formula, letters), value)


def _whole(parts: Sequence[Part], graph: Graph, itemsize: int) -> Part:
    """Sums over all parts; the step moves less than its phases by themselves, see fastnn.cost.StepCost."""
    lines = [line for part in parts for line in part.lines]
    flops, moved = ([line for line in lines if f" {unit}" in line.what] for unit in ("FLOPs", "bytes"))
    (saved,) = _lines("saved", saved_cost(graph, itemsize))
    total = sum(line.value for line in moved)
    return Part(
        "The whole step",
        (
            Line("step FLOPs", "sum of all above", " + ".join(f"{line.value:,}" for line in flops),
                 sum(line.value for line in flops)),
            Line("bytes saved", saved.formula, saved.numbers, saved.value),
            Line("step bytes", "sum of all above - saved", f"{total:,} - {saved.value:,}", total - saved.value),
        ),
    )  # fmt: skip
