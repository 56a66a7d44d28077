"""What a recurrent layer does on a span, but for the dense layer that its inputs go through: terms of the models of
networks' times.

    products                the product of the states, as registers take it, or as its weight comes from beyond L1
    states, tiles           tiles
    cells                   FLOPs of the gates; their transcendentals; numbers of gates whose rows straddle lines
    steps, rows of steps    positions, and those of each row
    panels                  numbers of the weight that are copied

The product of the states is a step's own; that of the weight's gradient is one over all positions, at the costs of
perceptrons.
"""

from __future__ import annotations

from typing import Any

from fastnn.cost import Cost
from fastnn.layers import Operation
from fastnn.products.blocks import TN
from fastnn.study.products import Terms, product, stripe, stripes_of, summed, times
from fastnn.study.span import Span

# Multiply-adds of a vector that take as long as a line from L2: with 2, 3 and 4 the bench's own networks were predicted
# 9.6, 8.8 and 10.8 % off in the median. Where both were terms of their own, 12.1, and batches of one row 24.
LINE = 3
# Gates of a GRU, the last of which has a product of its own.
GRU = 3


def recurrence(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    layer: Any = operation.layer
    (positions, width), units = operation.shapes[0], layer.units
    gates = [2 * units, units] if width == GRU * units else [width]
    macs = span.rows * positions * units * width
    share = span.busiest(macs, span.rows)
    rows, wide = round(span.rows * share), share * span.filled(units)
    straddles = units % span.lanes > 0
    passes = 2 if span.is_step else 1
    found = [
        span.region(macs, span.rows, span.rows * operation.outputs),
        {
            "steps": passes * positions, "rows of steps": passes * positions * rows, "panels": passes * units * width,
            "cells": cost.flops_elementwise * wide, "cells, transcendentals": cost.transcendentals * wide,
            "cells, straddling": passes * positions * rows * width * straddles, "bytes": share * cost.bytes,
        },
        *(times(positions - 1, states(rows, columns, units, span)) for columns in gates),
    ]  # fmt: skip
    if span.is_step:
        found.append(span.region(macs, span.rows, span.rows * positions * (width + units)))
        found += [times(positions - 1, states(rows, units, terms, span)) for terms in gates]
        found += [_gradient(units, columns, span.rows * positions, span) for columns in gates]
    return summed(found)


def states(rows: int, columns: int, terms: int, span: Span) -> Terms:
    """Of the product of the states of so many rows, or of their gradients, at one step."""
    far = span.beyond(1, terms * columns * span.itemsize)
    found: list[Terms] = []
    for width, count in stripes_of(columns, span.lanes):
        each = stripe(rows, width, terms, span.lanes)
        lines = each["steps of tiles"] * -(-width // span.lanes)
        macs = max(each["multiply-adds"], LINE * far * lines)
        found.append(times(count, {"products": 2 * span.lanes * macs, "states, tiles": each["tiles"]}))
    return summed(found)


def _gradient(units: int, columns: int, positions: int, span: Span) -> Terms:
    """Of the weight."""
    threads = span.threads_of(units * columns * positions, units)
    return span.known(times(1 / threads, product(TN, units, columns, positions, span.itemsize)))
