"""The time of a language model that never ran, on a machine whose model is known.

Its products are counted as those of dense layers are (fastnn.study.work), at the costs of the machine; what is no
product by what fastnn.cost says of it. The costs of these, and a factor of the products', are those that come closest
to the measured times of calibration models; see fastnn.study.machine_model, whose words are used here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from fastnn.cost import Cost, Graph, step_cost
from fastnn.layers import Operation, counted, operations_of
from fastnn.lowering import span_of
from fastnn.networks.models import gpt_layers
from fastnn.products.matmul import PARALLEL_MACS
from fastnn.study.machine_model import (
    LEAST_SHARE,
    ROUNDS,
    ROUNDS_LEFT_OUT,
    Errors,
    MachineModel,
    Prediction,
    costs_of,
    cycles_at,
    errors_of,
    listed,
    predicted,
)
from fastnn.study.products import Terms, summed
from fastnn.study.work import backward_of_layer, forward_of_layer

# The rule that steps update by.
OPTIMIZER = "adamw"
LEAST_MODELS = 8


class Shape(NamedTuple):
    """Of fastnn.GPT without biases."""

    vocabulary: int
    length: int
    layers: int
    width: int
    heads: int

    @property
    def operations(self) -> tuple[Operation, ...]:
        return _operations(self)

    @property
    def graph(self) -> Graph:
        return counted(self.operations)


@lru_cache(maxsize=256)
def _operations(shape: Shape) -> tuple[Operation, ...]:
    return operations_of(gpt_layers(*shape, bias=False), (shape.length,))


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A forward pass ("forward") or a training step with adamw ("step")."""

    shape: Shape
    batch: int
    threads: int
    phase: str
    itemsize: int = 4

    @property
    def in_chunks(self) -> bool:
        return False

    @property
    def parameters(self) -> int:
        return self.shape.graph.parameter_count

    @property
    def working_set(self) -> int:
        values = sum(operation.outputs for operation in self.shape.operations)
        return self.itemsize * (self.parameters + self.batch * values)


@dataclass(frozen=True, slots=True)
class Observed:
    """A call that took `seconds` while registers made `pace` FLOP/s."""

    call: ModelCall
    seconds: float
    pace: float


@dataclass(frozen=True)
class TransformerModel:
    """costs: by term, in FLOPs of registers. errors: log(measured / predicted) of models left out, by phase and
    threads, ascending."""

    costs: Mapping[str, float]
    errors: Errors

    def predict(self, call: ModelCall, machine: MachineModel) -> Prediction:
        """ValueError: a phase or number of threads that was not measured."""
        if (call.phase, call.threads) not in self.errors:
            raise ValueError(f"{call.phase} with threads {call.threads} of language models was not measured")
        amounts = terms(call, machine)
        seconds = cycles_at(self.costs, amounts) / machine.pace
        return predicted(seconds, self.errors[call.phase, call.threads])

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"errors": listed(self.errors)}


def transformer_model_of(document: Mapping[str, Any]) -> TransformerModel:
    """The model that as_dict gave. ValueError: it is none."""
    try:
        errors = errors_of(document["errors"])
        costs = {str(name): float(cost) for name, cost in document["costs"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it holds no model of language models ({error!r})") from None
    numbers = [*costs.values(), *(error for each in errors.values() for error in each)]
    if not (costs and errors and all(errors.values()) and all(map(math.isfinite, numbers)) and min(costs.values()) > 0):
        raise ValueError("its model of language models is none: numbers are missing, or not finite")
    return TransformerModel(costs, errors)


def terms(call: ModelCall, machine: MachineModel) -> Terms:
    """How often each term occurs. "products" is in FLOPs of registers."""
    found: list[Terms] = []
    products: list[Terms] = []
    graph, rows = call.shape.graph, call.batch * call.shape.length
    for operation in call.shape.operations:
        forward = operation.forward_cost(call.batch, call.itemsize)
        backward = operation.backward_cost(call.batch, call.itemsize, graph.wants(operation))
        cost = forward if call.phase == "forward" else forward + backward
        sizes = _product_of(operation)
        if sizes is not None:
            products.append(forward_of_layer(call, rows, *sizes, call.threads, machine.caches))
            if call.phase == "step":
                back = backward_of_layer(call, rows, *sizes, call.threads, machine.caches, wants_dx=True)
                products.append({name: amount for name, amount in back.items() if name != "updates"})
            found.append(_of_activation(cost, _threads(call, rows * sizes[0] * sizes[1])))
        elif cost.macs:
            found.append(_of_attention(cost, _threads(call, forward.macs)))
        else:
            found.append({"elementwise": cost.flops_elementwise, "transcendentals": cost.transcendentals})
            found.append({"bytes": cost.bytes})
    found.append({"operations": len(call.shape.operations), f"call, {call.phase}": 1})
    if call.phase == "step":
        step = step_cost(graph, "cross_entropy", OPTIMIZER, call.batch, call.itemsize)
        found.append({"loss": step.loss.transcendentals, "update": call.parameters})
        spans = -(-call.batch // span_of(call.shape.operations))  # whose gradients are added
        found.append({"spans": (spans - 1) * call.parameters})
    return summed([{"products": machine.cycles(summed(products))}, *found])


def _product_of(operation: Operation) -> tuple[int, int] | None:
    """(I, O) of a dense layer, or of a head."""
    if operation.layer.positionwise and operation.forward_cost(1, 4).macs:
        return operation.seen[0][-1], operation.shape[-1]
    return None


def _threads(call: ModelCall, macs: int) -> int:
    return call.threads if macs >= PARALLEL_MACS else 1


def _of_activation(cost: Cost, threads: int) -> Terms:
    return {"activations": cost.transcendentals / threads}


def _of_attention(cost: Cost, threads: int) -> Terms:
    return {"attention": cost.macs / threads, "attention, pairs": cost.transcendentals / threads}


def fit_transformers(observed: Sequence[Observed], machine: MachineModel) -> TransformerModel:
    """ValueError: too few models."""
    shapes = [each.call.shape for each in observed]
    if len(set(shapes)) < LEAST_MODELS:
        raise ValueError(f"{len(set(shapes))} language models were measured; a model takes {LEAST_MODELS}")
    amounts = [terms(each.call, machine) for each in observed]
    names = sorted({name for each in amounts for name in each})
    counts = np.array([[each.get(name, 0.0) for name in names] for each in amounts])
    shares = counts / np.array([each.seconds * each.pace for each in observed])[:, None]
    errors: dict[tuple[str, int], list[float]] = {}
    for left_out in dict.fromkeys(shapes):
        out = np.array([each == left_out for each in shapes])
        found = shares[out] @ costs_of(shares[~out], ROUNDS_LEFT_OUT)
        for index, share in zip(np.flatnonzero(out), found, strict=True):
            call = observed[int(index)].call
            key = call.phase, call.threads
            errors.setdefault(key, []).append(-math.log(max(float(share), LEAST_SHARE)))
    costs = {name: float(each) for name, each in zip(names, costs_of(shares, ROUNDS), strict=True) if each > 0}
    return TransformerModel(costs, {key: tuple(sorted(each)) for key, each in errors.items()})
