"""What convolutions, pools and batch norms do on a span: terms of the models of networks' times.

    windows, multiply-adds   of vectors, no fewer a tile than a core has under way while it waits for a sum
    windows, tiles           tiles
    depthwise                multiply-adds where each channel is for itself, of whole vectors
    pools, gradients         numbers that windows look at, of whole vectors; forward, and back
    pools, windows           windows
    norms                    numbers of a batch norm, of whole vectors

Each row of places is one product, of pixels under the windows and of the weight; so is a row of pixels of the gradient
of the images, and of each image a row of windows of that of the weight (fastnn.simd.windows, see there for segments).
That large weights go by panels (fastnn.kernels.convolution.panels) is not counted: multiply-adds are as many.
"""

from __future__ import annotations

from math import prod
from typing import Any

from fastnn.cost import Cost
from fastnn.kernels.batch_norm import PARALLEL_VALUES
from fastnn.kernels.convolution.gradient import IMAGES, SUMS, stripes_of_filters
from fastnn.kernels.convolution.sizes import is_depthwise, is_plain
from fastnn.layers import MaxPool2d, Operation
from fastnn.simd.host import UNIT
from fastnn.study.products import Terms, stripes_of, summed, times, uncompiled
from fastnn.study.span import UNDER_WAY, Span

_stripes, _is_depthwise, _is_whole = map(uncompiled, (stripes_of_filters, is_depthwise, is_plain))


def convolution(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    layer: Any = operation.layer
    of, height = layer.sizes(span.rows, operation.shapes[0]), operation.shapes[0][0] if layer.sides == 2 else 1
    macs = operation.forward_cost(span.rows, span.itemsize).macs
    made = span.rows * operation.outputs
    bordered = 2 * span.itemsize * span.rows * sum(operation.kept().values())
    found: list[Terms] = [
        {"bytes": bordered},
        _pass(macs, of.images * of.places, made, forward_windows(of, span), span),
    ]
    if span.is_step:
        sums = min(SUMS, -(-of.images // IMAGES)) * of.window_height * _stripes(of, span.lanes)
        found += [{"elementwise": made}, _pass(macs, sums, 0, gradient_windows(of, span), span)]
        if wants_dx:
            inward, given = inward_windows(of, span, height), span.rows * operation.inputs
            found.append(_pass(macs, of.images * height, given, inward, span))
    return summed(found)


def _pass(macs: int, units: int, values: int, terms: Terms, span: Span) -> Terms:
    return summed([span.region(macs, units, values), times(span.busiest(macs, units), terms)])


def _depthwise(of: Any, span: Span) -> Terms:
    macs = of.images * of.places * of.columns * of.window_height * of.window_width * of.channels
    return {"depthwise": macs * span.filled(of.channels)}


def forward_windows(of: Any, span: Span) -> Terms:
    """of: sizes, as kernels of convolution take them."""
    if _is_depthwise(of):
        return _depthwise(of, span)
    depth, filters, rows = of.channels // of.groups, of.filters // of.groups, of.images * of.places
    if _is_whole(of):
        return times(rows, windows(of.columns, filters, of.window_height * of.window_width * depth, span))
    return times(rows * of.groups * of.window_height, windows(of.columns, filters, of.window_width * depth, span))


def inward_windows(of: Any, span: Span, height: int) -> Terms:
    """height: of the images, each of whose rows lies under as many rows of windows, on the average, as there are places
    for the rows of a window."""
    if _is_depthwise(of):
        return _depthwise(of, span)
    depth, filters = of.channels // of.groups, of.filters // of.groups
    terms = filters * of.places * of.window_height / height
    return times(of.images * height * of.groups, windows(of.columns, of.window_width * depth, terms, span))


def gradient_windows(of: Any, span: Span) -> Terms:
    if _is_depthwise(of):
        return _depthwise(of, span)
    depth, filters, rows = of.channels // of.groups, of.filters // of.groups, of.images * of.window_height
    if _is_whole(of):
        return times(rows, windows(of.window_width * depth, filters, of.columns * of.places, span))
    return times(rows * of.groups * of.window_width, windows(depth, filters, of.columns * of.places, span))


def windows(rows: int, columns: int, terms: float, span: Span) -> Terms:
    """Of one product (rows, columns) of so many terms, by as few tiles as can be."""
    found: list[Terms] = []
    for width, count in stripes_of(columns, span.lanes):
        vectors = -(-width // span.lanes)
        tiles = -(-rows // UNIT.tiles[vectors][0])
        macs = terms * max(rows * vectors, UNDER_WAY * tiles)
        found.append(times(count, {"windows, multiply-adds": macs, "windows, tiles": tiles}))
    return summed(found)


def pool(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    """Windows go by vectors of channels."""
    own = operation.forward_cost(span.rows, span.itemsize).flops_elementwise
    first = span.rows * operation.outputs * (operation.layer.kind == MaxPool2d.kind)  # is compared to nothing
    seen = (own + first) * span.filled(operation.shape[-1])
    found = {"pools": seen, "pools, windows": span.rows * prod(operation.shape[:-1])}
    return found | {"pools, gradients": seen * (span.is_step and wants_dx)}


def batch_norm(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    """In training sums of channels are made, in float64, forward and back."""
    values = span.rows * operation.outputs
    threads = span.threads if values >= PARALLEL_VALUES else 1
    regions = (5 if span.is_step else 1) * (threads > 1)
    return {f"norms, {span.call.phase}": values * span.filled(operation.shape[-1]) / threads, "regions": regions}
