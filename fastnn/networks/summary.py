"""A network as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from fastnn.layers import Operation, Shape
from fastnn.tape.columns import DENSE, ELEMENTWISE

HEADINGS = ("layer", "output", "parameters", "FLOPs a row")
Row = tuple[str, str, str, str]


def layer_row(name: str, inputs: Shape, outputs: Shape, parameters: int, flops: int) -> Row:
    return name, f"{_shown(inputs)} -> {_shown(outputs)}", f"{parameters:,}", f"{flops:,}"


def _shown(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))})"


def operation_row(operation: Operation, itemsize: int) -> Row:
    """A layer; of a Residual the add at its end."""
    words = [operation.name, operation.owner.lower()]
    if operation.layer.kind in (DENSE, ELEMENTWISE):
        words.append(operation.layer.activation)
    flops = operation.forward_cost(1, itemsize).flops
    return layer_row(" ".join(words), operation.shapes[0], operation.shape, operation.parameter_count, flops)


def summary_table(layers: Sequence[Row], total: Row, note: str) -> str:
    """Aligned columns, with rules above the layers and above the total, and a note below."""
    rows = [HEADINGS, *layers, total]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}" for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], note])
