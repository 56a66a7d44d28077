"""What the kernels do in one call of a network of any layers: terms of the models of networks' times.

Products of dense layers are counted as those of perceptrons are (fastnn.study.work), at the costs of the machine:
"products", in FLOPs of registers. Convolutions and recurrent layers have terms of their own (convolution_work,
recurrence_work). Of the rest fastnn.cost says what it is: elementwise, transcendentals, bytes, and of these what comes
from beyond L2.

Rows go through the network a span at a time. Where it is local threads take spans; else they share the layers of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from fastnn.cost import Cost, step_cost
from fastnn.layers import AvgPool2d, BatchNorm, Conv2d, MaxPool2d, Operation
from fastnn.lowering import is_local, work_of
from fastnn.operations import attention, recurrent
from fastnn.simd.host import UNIT
from fastnn.study.convolution_work import batch_norm, convolution, pool
from fastnn.study.layered import LayeredCall
from fastnn.study.machine_model import MachineModel
from fastnn.study.products import Terms, parts, summed, times
from fastnn.study.recurrence_work import recurrence
from fastnn.study.span import Span
from fastnn.study.work import backward_of_layer, forward_of_layer, pays_threads
from fastnn.tape.operations import BY_ROWS
from fastnn.tape.rows import SHARED_VALUES

# The terms of an operation on a span: cost, of the passes of the phase; wants_dx, whether its backward pass makes a
# gradient of some input.
Rule = Callable[[Operation, Cost, bool, Span], Terms]


def terms(call: LayeredCall, machine: MachineModel) -> Terms:
    """How often each term occurs."""
    operations, span = call.network.operations, call.span
    spans, apart = -(-call.batch // span), is_local(operations) and call.batch > span
    sharing = 1
    if apart and pays_threads(call.batch, call.batch * work_of(operations)):
        sharing = min(call.threads, spans)
    # The last span may have fewer rows, and others wait for who has a whole one.
    each = parts(call.batch, span) if sharing == 1 else [(span, -(-spans // sharing))]
    within = 1 if apart else call.threads
    found = [times(count, _of_span(Span(call, rows, within, machine))) for rows, count in each]
    found.append({f"call, {call.phase}": 1, "threads started": sharing > 1})
    if call.phase == "step":
        found.append(_of_step(call, machine, spans))
    return summed(found)


def _of_step(call: LayeredCall, machine: MachineModel, spans: int) -> Terms:
    """Of the loss, of gradients that are added, and of the update."""
    graph, optimizer = call.network.graph, call.network.family.optimizer
    added: Terms = {"spans": (spans if spans > 1 else 0) * graph.parameter_count}
    if optimizer == "sgd":
        *around, classes = graph.operations[-1].shape
        rows, lanes = call.batch * prod(around), UNIT.bytes // call.itemsize
        loss: Terms = {"loss, elements": rows * -(-classes // lanes) * lanes, "loss, rows": rows}
        return added | {"products": machine.cycles(loss)}
    step = step_cost(graph, "cross_entropy", optimizer, call.batch, call.itemsize)
    return added | {"loss": step.loss.transcendentals, "update": graph.parameter_count}


def _of_span(span: Span) -> Terms:
    graph, beyond = span.call.network.graph, span.beyond(2, span.working_set)
    found: list[Terms] = [{"operations": len(graph.operations)}]
    for operation in span.call.network.operations:
        wants_dx = graph.wants(operation)
        cost = operation.forward_cost(span.rows, span.itemsize)
        if span.is_step:
            cost += operation.backward_cost(span.rows, span.itemsize, wants_dx)
        own = _rule_of(operation)(operation, cost, wants_dx, span)
        found += [_by_rows(operation, own, span), {"bytes beyond": beyond * cost.bytes}]
    return summed(found)


def _by_rows(operation: Operation, terms: Terms, span: Span) -> Terms:
    """What threads share by rows, see fastnn.tape.rows."""
    large = span.rows * operation.inputs >= SHARED_VALUES
    threads = min(span.threads, span.rows) if large and BY_ROWS.get(operation.layer.kind) else 1
    if threads == 1:
        return terms
    return summed([times(1 / threads, terms), {"regions": 2 if span.is_step else 1}])


def _rule_of(operation: Operation) -> Rule:
    """Its own by its kind, that of a product of each position, or of elements."""
    is_dense = operation.layer.positionwise and operation.forward_cost(1, 4).macs > 0
    return RULES.get(operation.layer.kind, _dense if is_dense else _elements)


def _dense(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    """A dense layer, or a head."""
    inputs, outputs, rows = operation.seen[0][-1], operation.shape[-1], span.rows * operation.positions
    found = [forward_of_layer(span, rows, inputs, outputs, span.threads, span.machine.caches)]
    if span.is_step:
        back = backward_of_layer(span, rows, inputs, outputs, span.threads, span.machine.caches, wants_dx=wants_dx)
        found.append({name: amount for name, amount in back.items() if name != "updates"})
    threads = span.threads_of(rows * inputs * outputs, rows)
    return span.known(summed(found)) | {"activations": cost.transcendentals / threads}


def _attention(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    threads = span.threads_of(operation.forward_cost(span.rows, span.itemsize).macs, span.rows * operation.outputs)
    return {"attention": cost.macs / threads, "attention, pairs": cost.transcendentals / threads}


def _elements(operation: Operation, cost: Cost, wants_dx: bool, span: Span) -> Terms:
    return {
        "elementwise": cost.flops_elementwise, "transcendentals": cost.transcendentals, "bytes": cost.bytes,
    }  # fmt: skip


RULES: Mapping[int, Rule] = {
    attention.ATTENTION: _attention, Conv2d.kind: convolution, recurrent.RECURRENT: recurrence,
    MaxPool2d.kind: pool, AvgPool2d.kind: pool, BatchNorm.kind: batch_norm,
}  # fmt: skip
