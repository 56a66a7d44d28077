"""A network as a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fastnn.network import Network

HEADINGS = ("layer", "output", "parameters", "FLOPs a row")


def _layer_rows(network: Network) -> list[tuple[str, str, str, str]]:
    rows = []
    width = network.inputs
    for index, layer in enumerate(network.layers):
        count = sum(int(np.prod(shape)) for shape in layer.parameter_shapes(width).values())
        flops = layer.forward_cost(1, width, network.dtype.itemsize).flops
        width, inputs = layer.output_width(width), width
        name = f"{index} {type(layer).__name__.lower()} {layer.activation}"
        rows.append((name, f"({inputs}) -> ({width})", f"{count:,}", f"{flops:,}"))
    return rows


def summary(network: Network) -> str:
    """Layers with output shape, parameters and forward FLOPs of one row (2 x multiply-adds + elementwise)."""
    step = network.cost(1)
    total = (
        "total",
        f"({network.inputs}) -> ({network.outputs})",
        f"{network.parameter_count:,}",
        f"{step.forward.flops:,}",
    )
    rows = [HEADINGS, *_layer_rows(network), total]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}" for row in rows
    ]
    rule = "-" * len(lines[0])
    note = (
        f"{network.dtype.name}, {network.loss_function.name}; a training step on one row: {step.total.flops:,} FLOPs "
        f"({step.total.macs:,} multiply-adds), with sgd"
    )
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], note])
