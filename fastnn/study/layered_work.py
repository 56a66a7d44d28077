"""What the kernels do in one call of a network of any layers: terms of the model of its times.

Products of dense layers are counted as those of perceptrons are (fastnn.study.work), at the costs of the machine:
"products", in FLOPs of registers. So are those of the gradients of recurrent weights. What convolutions and recurrent
steps multiply goes by tiles whose terms are counted here, and has costs of its own. The rest is what fastnn.cost says.

Rows go through the network a span at a time; where it is local threads take spans, and else share the layers of one.
    P pixels of a window   K terms of a product
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from fastnn.cost import Cost, step_cost
from fastnn.layers import AvgPool1d, AvgPool2d, BatchNorm, GlobalAvgPool2d, MaxPool1d, MaxPool2d, Operation
from fastnn.lowering import is_local, work_of
from fastnn.products.blocks import TN
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.simd.host import UNIT
from fastnn.study.layered import LayeredCall, is_attention, is_convolution, is_recurrence
from fastnn.study.machine_model import MachineModel
from fastnn.study.products import Terms, parts, product, stripe, stripes_of, summed, times
from fastnn.study.work import backward_of_layer, forward_of_layer, pays_threads

# Images whose part of a weight's gradient is one sum.
IMAGES_OF_A_SUM = 8
MAX_POOLS, POOLS = (MaxPool1d, MaxPool2d), (MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d, GlobalAvgPool2d)


def terms(call: LayeredCall, machine: MachineModel) -> Terms:
    """How often each term occurs."""
    operations, span = call.network.operations, call.span
    spans, apart = -(-call.batch // span), is_local(operations) and call.batch > span
    sharing = 1
    if apart and pays_threads(call.batch, call.batch * work_of(operations)):
        sharing = min(call.threads, spans)
    # The last span may have fewer rows, and others wait for whoever has a whole one.
    each_size = parts(call.batch, span) if sharing == 1 else [(span, -(-spans // sharing))]
    within = 1 if apart else call.threads
    each = [times(count, _of_span(_Span(call, rows, within, machine))) for rows, count in each_size]
    found: list[Terms] = [{f"call, {call.phase}": 1, "threads started": sharing > 1}, *each]
    if call.phase == "step":
        graph, family = call.network.graph, call.network.family
        step = step_cost(graph, "cross_entropy", family.optimizer, call.batch, call.itemsize)
        if family.optimizer == "sgd":
            *around, width = graph.operations[-1].shape
            rows = call.batch * prod(around); lanes = UNIT.bytes // call.itemsize
            found.append({"known": machine.cycles({"call, step": 1, "loss, elements": rows * -(-width // lanes) * lanes, "loss, rows": rows, "updates": graph.parameter_count})})
        found.append({"loss": step.loss.transcendentals, "update": graph.parameter_count})
        found.append({"spans": (spans - 1) * graph.parameter_count})
    return summed(found)


@dataclass(frozen=True)
class _Span:
    """Rows that go through the network together, and threads that share its layers."""

    call: LayeredCall
    rows: int
    threads: int
    machine: MachineModel

    @property
    def itemsize(self) -> int:
        return self.call.itemsize

    @property
    def lanes(self) -> int:
        return UNIT.bytes // self.itemsize

    @property
    def is_step(self) -> bool:
        return self.call.phase == "step"

    @property
    def in_chunks(self) -> bool:
        return False

    @property
    def working_set(self) -> int:
        """Bytes that it touches."""
        operations = self.call.network.operations
        values = sum(operation.outputs + sum(operation.kept().values()) for operation in operations)
        return self.itemsize * (self.call.network.graph.parameter_count + self.rows * values)

    def threads_of(self, macs: float) -> int:
        """That share so many multiply-adds."""
        return self.threads if macs >= PARALLEL_MACS else 1

    def busiest(self, units: int, macs: float) -> float:
        """Share of what one thread has of units of work."""
        return -(-units // min(self.threads_of(macs), units)) / units

    def shared(self, macs: float, values: int) -> Terms:
        """Of a region that threads share, if so many multiply-adds are worth it, and what they leave to others."""
        threads = self.threads_of(macs)
        return {"regions": threads > 1, "values that change cores": values * (1 - 1 / threads)}

    def products(self, found: Terms) -> Terms:
        return {"products": self.machine.cycles(found)}


def _of_span(span: _Span) -> Terms:
    graph = span.call.network.graph
    found: list[Terms] = [{"operations": len(graph.operations)}]
    beyond = min(1.0, max(0.0, 2 * span.working_set / span.machine.caches[1] - 1)) if len(span.machine.caches) > 1 else 0
    for operation in graph.operations:
        forward = operation.forward_cost(span.rows, span.itemsize)
        back = operation.backward_cost(span.rows, span.itemsize, graph.wants(operation))
        cost = forward + back if span.is_step else forward
        found.append(_rule_of(operation)(operation, cost, graph.wants(operation), span))
        found.append({"bytes beyond": beyond * cost.bytes})
    return summed(found)


Rule = Callable[[Operation, Cost, bool, _Span], Terms]


def _rule_of(operation: Operation) -> Rule:
    return next(rule for belongs, rule in RULES if belongs(operation))


def _dense(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    """A dense layer, or a head."""
    inputs, outputs, rows = operation.seen[0][-1], operation.shape[-1], span.rows * operation.positions
    found = [forward_of_layer(span, rows, inputs, outputs, span.threads, span.machine.caches)]
    if span.is_step:
        back = backward_of_layer(span, rows, inputs, outputs, span.threads, span.machine.caches, wants_dx=wants_dx)
        found.append({name: amount for name, amount in back.items() if name != "updates"})
    threads = span.threads_of(rows * inputs * outputs)
    return span.products(summed(found)) | {"activations": cost.transcendentals / threads}


def _attention(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    threads = span.threads_of(operation.forward_cost(span.rows, span.itemsize).macs)
    return {"attention": cost.macs / threads, "attention, pairs": cost.transcendentals / threads}


def _elements(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    return {
        "elementwise": cost.flops_elementwise, "transcendentals": cost.transcendentals, "bytes": cost.bytes,
    }  # fmt: skip


def _vectors(channels: int, lanes: int) -> float:
    """Lanes of the vectors that channels take, for each of these."""
    return -(-channels // lanes) * lanes / channels


def _pool(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    """Windows go by vectors of channels."""
    wide = _vectors(operation.shape[-1], span.lanes)
    maxima = operation.outputs * span.rows * isinstance(operation.layer, MAX_POOLS)
    forward = operation.forward_cost(span.rows, span.itemsize).flops_elementwise + maxima
    windows = span.rows * prod(operation.shape[:-1])
    found = {"pools, forward": forward * wide, "pools, windows": windows}
    if span.is_step and wants_dx:
        found["pools, backward"] = forward * wide
    return found


def _batch_norm(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    return {f"norms, {span.call.phase}": span.rows * operation.outputs * _vectors(operation.shape[-1], span.lanes)}


# Convolutions


def _convolution(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    layer: Any = operation.layer
    of = layer.sizes(span.rows, operation.shapes[0])
    macs = operation.forward_cost(span.rows, span.itemsize).macs
    kept = span.rows * sum(operation.kept().values())
    found = [
        times(span.busiest(of.images * of.places, macs), _windows_forward(of, span)), {"bordered": kept},
        span.shared(macs, span.rows * operation.outputs),
    ]  # fmt: skip
    if span.is_step:
        sums = min(8, -(-of.images // IMAGES_OF_A_SUM)) * of.window_height
        found.append(times(span.busiest(sums, macs), _windows_gradient(of, span)))
        found.append({"elementwise": span.rows * operation.outputs})
        found.append(span.shared(macs, 0))
        if wants_dx:
            height = operation.shapes[0][0]
            found.append(times(span.busiest(of.images * height, macs), _windows_inward(of, span, height)))
            found.append(span.shared(macs, span.rows * operation.inputs))
    return summed(found)


def _is_depthwise(of: Any) -> bool:
    return bool(of.groups == of.channels == of.filters)


def _depthwise(of: Any, name: str, span: _Span) -> Terms:
    macs = of.images * of.places * of.columns * of.window_height * of.window_width * of.channels
    return {f"depthwise, {name}": macs * _vectors(of.channels, span.lanes)}


def _windows_forward(of: Any, span: _Span) -> Terms:
    if _is_depthwise(of):
        return _depthwise(of, "forward", span)
    depth, filters, rows = of.channels // of.groups, of.filters // of.groups, of.images * of.places
    if of.groups == 1 and of.spread_across == 1:
        return times(rows, _tiles("forward", of.columns, filters, of.window_width * depth, of.window_height, span))
    each = _tiles("forward", of.columns, filters, depth, of.window_width, span)
    return times(rows * of.groups * of.window_height, each)


def _windows_inward(of: Any, span: _Span, height: int) -> Terms:
    """Rows of windows under which a row of pixels lies are segments, as many on the average as windows have rows."""
    if _is_depthwise(of):
        return _depthwise(of, "inward", span)
    depth, filters = of.channels // of.groups, of.filters // of.groups
    segments = of.places * of.window_height / height
    each = _tiles("inward", of.columns, of.window_width * depth, filters, segments, span)
    folds = of.columns * of.window_width * depth
    return times(of.images * height * of.groups, each | {"folds": folds})


def _windows_gradient(of: Any, span: _Span) -> Terms:
    if _is_depthwise(of):
        return _depthwise(of, "gradient", span)
    depth, filters = of.channels // of.groups, of.filters // of.groups
    if of.groups == 1 and of.spread_across == 1:
        count, each = 1, _tiles("gradient", of.window_width * depth, filters, of.columns, of.places, span)
    else:
        count, each = of.groups * of.window_width, _tiles("gradient", depth, filters, of.columns, of.places, span)
    return times(of.images * of.window_height * count, each)


def _tiles(name: str, rows: int, columns: int, k: int, segments: float, span: _Span) -> Terms:
    """Of one product (rows, columns) of segments of k terms, by tiles of even heights."""
    found: list[Terms] = []
    for width, count in stripes_of(columns, span.lanes):
        vectors = -(-width // span.lanes)
        tiles = -(-rows // UNIT.tiles[vectors][0])
        terms = k * segments
        each = {"multiply-adds": terms * rows * vectors, "steps": terms * tiles, "loads": terms * (rows + vectors * tiles), "tiles": tiles}
        found.append(times(count, {f"{SHARE.get(name, name)}, {what}": amount for what, amount in each.items()}))
    return summed(found)


# Recurrences


def _recurrence(operation: Operation, cost: Cost, wants_dx: bool, span: _Span) -> Terms:
    layer: Any = operation.layer
    (positions, width), units = operation.shapes[0], layer.units
    # The last gate of a GRU is a product of its own.
    own = [2 * units, units] if width == 3 * units else [width]
    share = span.busiest(span.rows, span.rows * positions * units * width)
    rows = round(span.rows * share)
    steps = positions - 1
    found = [_steps("states", rows, each, units, steps, span) for each in own]
    found.append(span.shared(span.rows * positions * units * width, span.rows * positions * width))
    found.append({"steps": positions, "rows of steps": positions * rows, "panels": units * width})
    found.append({
        "cells, transcendentals": share * cost.transcendentals * _vectors(units, span.lanes),
        "cells": share * cost.flops_elementwise * _vectors(units, span.lanes),
        "bytes": share * cost.bytes,
    })  # fmt: skip
    if span.is_step:
        found += [_steps("back", rows, units, each, steps, span) for each in own]
        found.append(span.shared(span.rows * positions * units * width, span.rows * positions * width))
        found.append({"steps, back": positions, "rows of steps, back": positions * rows, "panels, turned": units * width})
        found += [_weights(units, each, span.rows * positions, span) for each in own]
    return summed(found)


def _steps(name: str, rows: int, columns: int, k: int, steps: int, span: _Span) -> Terms:
    """Of the product of the states of so many rows, at each step."""
    found: list[Terms] = []
    near = span.machine.caches[0]
    far = min(1.0, max(0.0, 2 * k * columns * span.itemsize / near - 1))
    for width, count in stripes_of(columns, span.lanes):
        vectors = -(-width // span.lanes)
        each = stripe(rows, width, k, span.lanes)
        w = k * vectors * each["tiles"]
        amounts = {"multiply-adds": each["multiply-adds"], "steps": each["steps of tiles"], "tiles": each["tiles"], "loads": w, "loads beyond": w * far}
        found.append(times(count * steps, {f"{SHARE.get(name,name)}, {what}": a for what, a in amounts.items()}))
    return summed(found)


def _weights(units: int, columns: int, positions: int, span: _Span) -> Terms:
    """Of the gradient of the weight, one product over all positions."""
    threads = span.threads_of(units * columns * positions)
    return span.products(times(1 / threads, product(TN, units, columns, positions, span.itemsize)))


SHARE: dict = {}

RULES: tuple[tuple[Callable[[Operation], bool], Rule], ...] = (
    (lambda operation: operation.layer.positionwise and operation.forward_cost(1, 4).macs > 0, _dense),
    (is_attention, _attention),
    (is_convolution, _convolution),
    (is_recurrence, _recurrence),
    (lambda operation: isinstance(operation.layer, POOLS), _pool),
    (lambda operation: isinstance(operation.layer, BatchNorm), _batch_norm),
    (lambda operation: True, _elements),
)
