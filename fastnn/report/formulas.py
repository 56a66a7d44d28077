"""The exact cost of each layer as a formula, with its numbers put in. A formula is read from the text that is shown, so
that both say the same; tests hold it against fastnn.cost.

B batch, I inputs, O outputs, C classes, P parameters, W weights after the first layer, s bytes of a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fastnn import cost
from fastnn.kernels.optimizer import STATE
from fastnn.report.sources import Row, Run

LETTER = re.compile(r"\([A-Z]-1\)|[A-Zs](?![a-z])")
HIDDEN, OUTPUT = "relu", "identity"


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
    return [of_row(found[key]) for key in sorted(found)]


def of_row(row: Row) -> Formulas:
    """A training step of this row's network."""
    sizes, batch, itemsize = row["sizes"], row["batch"], np.dtype(row["dtype"]).itemsize
    layers = list(zip(sizes[:-1], sizes[1:], strict=True))
    parts = []
    for index, (inputs, outputs) in enumerate(layers):
        activation = OUTPUT if index == len(layers) - 1 else HIDDEN
        letters = {"B": batch, "(B-1)": batch - 1, "I": inputs, "O": outputs, "s": itemsize}
        lines = _lines(_dense(activation, row["optimizer"], index > 0), letters)
        parts.append(Part(f"Layer {index + 1}: {inputs} to {outputs}, {activation}", tuple(lines)))
    parts.append(Part("Loss: cross-entropy", tuple(_lines(LOSS, {"B": batch, "C": sizes[-1], "s": itemsize}))))
    later = sum(inputs * outputs for inputs, outputs in layers[1:])
    parts.append(_whole(parts, {"P": row["params"], "W": later, "s": itemsize}))
    return Formulas(row["name"], batch, f"{row['optimizer']}, {row['dtype']}", tuple(parts))


# Of the loss with its gradient: what is counted, and how.
LOSS = {
    "loss FLOPs": "4·B·C + 2·B", "loss transcendentals": "B·C + B", "loss bytes": "2·s·B·C + 8·B",
}  # fmt: skip
SAVED = "2·s·P + s·W"


def _dense(activation: str, optimizer: str, input_gradient: bool) -> dict[str, str]:
    """Formulas of a dense layer: see fastnn.cost for what each term is."""
    value, _ = cost.ACTIVATION_VALUE[activation]  # 1 for relu
    derivative, _, operand = cost.ACTIVATION_DERIVATIVE[activation]
    through = f" + {derivative + 1}·B·O" if operand else ""
    per_parameter, state = cost.UPDATES[optimizer], 3 + 2 * STATE[optimizer]
    return {
        "parameters": "I·O + O",
        "multiply-adds, forward": "B·I·O",
        "forward FLOPs": "2·B·I·O + B·O" + " + B·O" * value,
        "backward FLOPs": "2·B·I·O" + " + 2·B·I·O" * input_gradient + " + O·(B-1)" + through,
        "update FLOPs": f"{per_parameter}·I·O + {per_parameter}·O",
        "forward bytes": "s·B·I + s·I·O + s·O + s·B·O",
        "backward bytes": f"{'2·' if operand else ''}s·B·O + s·B·I + s·I·O + s·O" + " + s·I·O + s·B·I" * input_gradient,
        "update bytes": f"{state}·s·I·O + {state}·s·O",
    }


def _lines(told: Mapping[str, str], letters: Mapping[str, int]) -> Iterator[Line]:
    for what, formula in told.items():
        yield Line(what, formula, put_in(formula, letters), evaluate(formula, letters))


def put_in(formula: str, letters: Mapping[str, int]) -> str:
    return LETTER.sub(lambda match: f"{letters[match[0]]:,}", formula)


def evaluate(formula: str, letters: Mapping[str, int]) -> int:
    """A sum of products of whole numbers and letters."""
    return sum(
        prod(int(factor) if factor.isdigit() else letters[factor] for factor in term.split("·"))
        for term in formula.split(" + ")
    )


def _whole(parts: Sequence[Part], letters: Mapping[str, int]) -> Part:
    """Sums over all parts; the step moves less than its phases by themselves, see fastnn.cost.StepCost."""
    lines = [line for part in parts for line in part.lines]
    flops, moved = ([line for line in lines if line.what.endswith(unit)] for unit in (" FLOPs", " bytes"))
    saved = evaluate(SAVED, letters)
    total = sum(line.value for line in moved)
    return Part(
        "The whole step",
        (
            Line("step FLOPs", "sum of all above", " + ".join(f"{line.value:,}" for line in flops),
                 sum(line.value for line in flops)),
            Line("bytes saved", SAVED, put_in(SAVED, letters), saved),
            Line("step bytes", "sum of all above - saved", f"{total:,} - {saved:,}", total - saved),
        ),
    )  # fmt: skip
