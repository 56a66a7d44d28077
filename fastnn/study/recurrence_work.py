"""What a recurrent layer does on a span, but for the dense layer that its inputs go through: terms of the models of
networks' times.

    states, multiply-adds   of vectors, no fewer a tile than a core has under way while it waits for a sum
    states, far             vectors of the weight's panels that come from beyond L1
    states, tiles           tiles
    cells                   FLOPs of the gates; their transcendentals; numbers of gates whose rows straddle lines
    steps, rows of steps    positions, and those of each row
    panels                  numbers of the weight that are copied

The product of the states is a step's own; that of the weight's gradient is one over all positions.
"""

from __future__ import annotations

from typing import Any

from fastnn.cost import Cost
from fastnn.layers import Operation
from fastnn.products.blocks import TN
from fastnn.study.products import Terms, product, stripe, stripes_of, summed, times
from fastnn.study.span import UNDER_WAY, Span

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
        macs = max(each["multiply-adds"], UNDER_WAY * each["steps of tiles"])
        read = each["steps of tiles"] * -(-width // span.lanes)
        found.append(times(count, {
            "states, multiply-adds": macs, "states, far": far * read, "states, tiles": each["tiles"],
        }))  # fmt: skip
    return summed(found)


def _gradient(units: int, columns: int, positions: int, span: Span) -> Terms:
    """Of the weight."""
    threads = span.threads_of(units * columns * positions, units)
    return span.known(times(1 / threads, product(TN, units, columns, positions, span.itemsize)))
