"""A training step of a network: its passes, operation by operation, its loss, its update."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Protocol

from fastnn.cost.blocks import accumulation, addition
from fastnn.cost.counts import Cost, Formula, look_up, whole_sizes
from fastnn.cost.dense import dense_backward, dense_forward, dense_parameters
from fastnn.cost.losses import LOSSES, LossCost
from fastnn.cost.updates import update

# Each parameter's gradient is neither written nor read, and a weight of an input gradient is not read again.
SAVED = Formula(bytes="2·s·P + s·W")


@dataclass(frozen=True, slots=True)
class StepCost:
    """One training step on one batch: forward pass, loss with its gradient, backward pass, update.

    saved_bytes: traffic that the phases by themselves have and the step has not, as it updates a weight while its
    gradient is in cache: parameters' gradients written and read, weights of an input gradient read again.
    """

    forward: Cost
    loss: Cost
    backward: Cost
    update: Cost
    saved_bytes: int = 0

    @property
    def total(self) -> Cost:
        return self.forward + self.loss + self.backward + self.update + Cost(bytes=-self.saved_bytes)


class Shaped(Protocol):
    """A parameter."""

    @property
    def shape(self) -> tuple[int, ...]: ...


class Operation(Protocol):
    """What is asked of one operation of a network: see fastnn.layers.Operation."""

    @property
    def sources(self) -> Sequence[int]: ...

    @property
    def parameters(self) -> Mapping[str, Shaped]: ...

    @property
    def parameter_count(self) -> int: ...

    @property
    def shared_count(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    def forward_cost(self, batch: int, itemsize: int, /) -> Cost: ...

    def backward_cost(self, batch: int, itemsize: int, input_gradient: bool, /) -> Cost: ...


@dataclass(frozen=True, slots=True)
class Graph:
    """operations: in their order, operation k making value k + 1 and value 0 the input. wanted: of each value, whether
    its gradient is. readers: of each value, how many read it."""

    operations: Sequence[Operation]
    wanted: Sequence[bool]
    readers: Sequence[int]

    def wants(self, operation: Operation) -> bool:
        """Whether the gradient of some input is wanted."""
        return any(self.wanted[source] for source in operation.sources)

    @property
    def parameter_count(self) -> int:
        return sum(operation.parameter_count for operation in self.operations)


@dataclass(frozen=True, slots=True)
class OperationCost:
    """Of one operation. added: of the gradients of its value, where several read it; shared: of those of parameters
    that an earlier one has too, which are set aside and added again."""

    forward: Cost
    backward: Cost
    added: Cost
    shared: Cost


def operation_costs(graph: Graph, batch: int, itemsize: int) -> list[OperationCost]:
    """Of each, in their order."""
    return [
        OperationCost(
            operation.forward_cost(batch, itemsize),
            operation.backward_cost(batch, itemsize, graph.wants(operation)),
            _added(operation, batch, itemsize, graph.readers[value] - 1 if graph.wanted[value] else 0),
            _shared(operation, itemsize),
        )
        for value, operation in enumerate(graph.operations, 1)
    ]


def _added(operation: Operation, batch: int, itemsize: int, times: int) -> Cost:
    """So many further gradients of its value onto the first."""
    return addition(times * batch * math.prod(operation.shape), itemsize) if times > 0 else Cost()


def _shared(operation: Operation, itemsize: int) -> Cost:
    return accumulation(operation.shared_count, itemsize) if operation.shared_count else Cost()


def loss_cost(graph: Graph, loss: str | LossCost, batch: int, itemsize: int) -> Cost:
    """Of the network's output: the last axis is a row of the loss, which has a name, or says its cost."""
    *around, width = graph.operations[-1].shape
    cost = look_up("loss", LOSSES, loss) if isinstance(loss, str) else loss
    return cost(batch * math.prod(around), width, itemsize)


def saved_cost(graph: Graph, itemsize: int) -> Cost:
    """The bytes that a step saves, see StepCost."""
    read_for_inputs = sum(
        math.prod(operation.parameters["weight"].shape)
        for operation in graph.operations
        if "weight" in operation.parameters and graph.wants(operation)
    )
    return SAVED.cost(P=graph.parameter_count, W=read_for_inputs, s=itemsize)


def step_cost(graph: Graph, loss: str | LossCost, optimizer: str, batch: int, itemsize: int) -> StepCost:
    """Exact counts of one training step."""
    passes = operation_costs(graph, batch, itemsize)
    return StepCost(
        forward=reduce(add, (each.forward for each in passes), Cost()),
        loss=loss_cost(graph, loss, batch, itemsize),
        backward=reduce(add, (each.backward + each.added + each.shared for each in passes), Cost()),
        update=update(optimizer, graph.parameter_count, itemsize),
        saved_bytes=saved_cost(graph, itemsize).bytes,
    )


# Multilayer perceptrons by their sizes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Block:
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Dense:
    """A dense layer with a bias, the operation of that index in a chain."""

    index: int
    inputs: int
    outputs: int
    activation: str

    @property
    def sources(self) -> Sequence[int]:
        return (self.index,)

    @property
    def parameters(self) -> Mapping[str, Shaped]:
        return {"weight": _Block((self.inputs, self.outputs)), "bias": _Block((self.outputs,))}

    @property
    def parameter_count(self) -> int:
        return dense_parameters(self.inputs, self.outputs)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.outputs,)

    def forward_cost(self, batch: int, itemsize: int, /) -> Cost:
        return dense_forward(batch, self.inputs, self.outputs, self.activation, itemsize)

    @property
    def shared_count(self) -> int:
        return 0

    def backward_cost(self, batch: int, itemsize: int, input_gradient: bool, /) -> Cost:
        return dense_backward(batch, self.inputs, self.outputs, self.activation, itemsize, input_gradient)


def parameter_count(sizes: Sequence[int]) -> int:
    """Weights and biases of a multilayer perceptron of these layer sizes, inputs first: I O + O a layer."""
    return sum(dense_parameters(inputs, outputs) for inputs, outputs in layer_sizes(sizes))


def multilayer_perceptron(
    sizes: Sequence[int],
    batch: int,
    activation: str = "relu",
    output_activation: str = "identity",
    loss: str = "cross_entropy",
    optimizer: str = "sgd",
    itemsize: int = 4,
) -> StepCost:
    """One training step of dense layers with biases. The first layer has no input gradient."""
    layers = layer_sizes(sizes)
    names = [activation] * (len(layers) - 1) + [output_activation]
    chain = [
        _Dense(index, inputs, outputs, name)
        for index, ((inputs, outputs), name) in enumerate(zip(layers, names, strict=True))
    ]
    graph = Graph(chain, wanted=[False] + [True] * len(chain), readers=[1] * len(chain) + [0])
    return step_cost(graph, loss, optimizer, batch, itemsize)


def saved_bytes(parameters: int, weights_of_input_gradients: int, itemsize: int) -> int:
    """See StepCost."""
    return SAVED.cost(P=parameters, W=weights_of_input_gradients, s=itemsize).bytes


def layer_sizes(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """(inputs, outputs) of each layer of a multilayer perceptron."""
    if len(sizes) < 2:
        raise ValueError(f"expected at least two layer sizes, inputs and outputs; got {list(sizes)}")
    whole = [whole_sizes(1, **{"each layer size": size})[0] for size in sizes]
    return list(zip(whole[:-1], whole[1:], strict=True))
