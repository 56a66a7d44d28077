"""A network as a graph: operations in the order in which they run, and the values that they read.

Value 0 is the network's input; operation k of the list makes value k + 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from fastnn import cost
from fastnn.cost import Cost
from fastnn.graph.protocol import Layer, Parameter, Shape


class Container(Protocol):
    """What adds several operations to a graph, or none of its own, in the place of a layer."""

    def build(self, graph: Graph, name: str, source: int) -> int:
        """Adds them, reading the value `source`; the value that follows. ValueError where shapes do not fit."""


@dataclass(frozen=True)
class Operation:
    """A layer in its place. name: "1.0" is the first layer of a container that is a network's second layer.

    sources: the values it reads. shapes: theirs, without the batch. number: of layers and containers so far. owner: the
    layer as a user wrote it. parameters: of the layer, by its own names; parameter_names: by which the network knows
    them.
    """

    name: str
    layer: Layer
    number: int
    sources: tuple[int, ...]
    shapes: tuple[Shape, ...]
    owner: str
    parameters: Mapping[str, Parameter]
    parameter_names: Mapping[str, str]

    @property
    def positions(self) -> int:
        """Rows that a row of the batch is to the layer."""
        return math.prod(self.shapes[0][:-1]) if self.layer.positionwise else 1

    @property
    def seen(self) -> tuple[Shape, ...]:
        """The shapes as the layer is told them."""
        return tuple(shape[-1:] for shape in self.shapes) if self.layer.positionwise else self.shapes

    @property
    def shape(self) -> Shape:
        """Of its value, without the batch."""
        around = self.shapes[0][:-1] if self.layer.positionwise else ()
        return around + tuple(self.layer.output_shape(*self.seen))

    @property
    def inputs(self) -> int:
        """Numbers a row of its first input."""
        return math.prod(self.shapes[0])

    @property
    def outputs(self) -> int:
        """Numbers a row of its value."""
        return math.prod(self.shape)

    @property
    def own_names(self) -> dict[str, Shape]:
        """The parameters that are its own and no earlier layer's, by their whole names."""
        return {
            self.parameter_names[name]: parameter.shape
            for name, parameter in self.parameters.items()
            if parameter.tied_to is None
        }

    @property
    def shares(self) -> bool:
        """Whether some of its parameters are an earlier layer's."""
        return len(self.own_names) < len(self.parameters)

    @property
    def parameter_count(self) -> int:
        return sum(math.prod(one.shape) for one in self.parameters.values() if not (one.tied_to or one.statistic))

    @property
    def shared_count(self) -> int:
        """Numbers of its parameters that are an earlier layer's."""
        return sum(math.prod(one.shape) for one in self.parameters.values() if one.tied_to is not None)

    def kept(self) -> dict[str, int]:
        """What is kept for the backward pass, in numbers a row of the batch."""
        return {name: self.positions * width for name, width in self.layer.kept(*self.seen).items()}

    def scratch(self, rows: int, itemsize: int) -> int:
        return self.layer.scratch(rows * self.positions, itemsize, *self.seen)

    def forward_cost(self, batch: int, itemsize: int) -> Cost:
        return self.layer.forward_cost(batch * self.positions, itemsize, *self.seen)

    def backward_cost(self, batch: int, itemsize: int, input_gradient: bool) -> Cost:
        return self.layer.backward_cost(batch * self.positions, itemsize, input_gradient, *self.seen)


class Mask(Protocol):
    """Which positions of a value are there."""

    def within(self, first: int, last: int) -> Mask:
        """Of positions first..last of that value."""

    def lengths(self, graph: Graph, name: str, positions: int) -> int:
        """The value that holds how many are there of each row, for the layer `name`. ValueError: other positions."""


class Memory(NamedTuple):
    """What a decoder attends to: a value, and which of its positions are there, None where all are."""

    value: int
    mask: Mask | None


@dataclass
class Graph:
    """Operations as they are added. shape: of a row of the network's input.

    mask: of the value that the next layer reads; see fastnn.layers.masking. memory: see
    fastnn.layers.encoder_decoder.
    """

    shape: Shape
    operations: list[Operation] = field(default_factory=list)
    number: int = 0
    mask: Mask | None = None
    memory: Memory | None = None

    def shape_of(self, value: int) -> Shape:
        return self.operations[value - 1].shape if value else self.shape

    def enter(self) -> None:
        """Counts a container, as a layer is counted."""
        self.number += 1

    def add(
        self, name: str, layer: Layer, *sources: int, owner: str | None = None, like: Operation | None = None
    ) -> int:  # fmt: skip
        """An operation, and the value that it makes; like: one whose parameters are its own. ValueError: a name that is
        taken, shapes or ties that do not fit."""
        self.number += 1
        if any(operation.name == name for operation in self.operations):
            raise ValueError(f"there is a layer {name} already; expected a name of its own, which its parameters have")
        if self.mask is not None and layer.beside:
            raise ValueError(
                f"layer {name} is {type(layer).__name__}, which reads positions beside its own, also those that are "
                "not there; expected no Masking before it"
            )
        shapes = tuple(map(self.shape_of, sources))
        if layer.positionwise and any(shape[:-1] != shapes[0][:-1] for shape in shapes):
            raise ValueError(f"layer {name} reads the shapes {', '.join(map(str, shapes))}, which differ in positions")
        seen = tuple(shape[-1:] for shape in shapes) if layer.positionwise else shapes
        try:
            layer.output_shape(*seen)
            parameters = dict(layer.parameters(*seen))
        except ValueError as error:
            raise ValueError(f"layer {name}: {error}") from error
        if like is not None:
            parameters = {own: replace(one, tied_to=like.parameter_names[own]) for own, one in parameters.items()}
        names = {own: parameter.tied_to or f"{name}.{own}" for own, parameter in parameters.items()}
        self._require_ties(name, parameters)
        _require_passes(name, layer, parameters)
        owner = type(layer).__name__ if owner is None else owner
        self.operations.append(Operation(name, layer, self.number, sources, shapes, owner, parameters, names))
        return len(self.operations)

    def _require_ties(self, name: str, parameters: Mapping[str, Parameter]) -> None:
        ties = {own: one.tied_to for own, one in parameters.items() if one.tied_to is not None}
        known = self.parameters() if ties else {}
        for own, tied in ties.items():
            parameter = parameters[own]
            if tied not in known or known[tied].shape != parameter.shape:
                found = f"which has shape {known[tied].shape}" if tied in known else "which no layer before it has"
                raise ValueError(
                    f"layer {name} shares its {own} of shape {parameter.shape} with {tied!r}, {found}; expected the "
                    f"name of a parameter before it that has this shape"
                )

    def parameters(self) -> dict[str, Parameter]:
        """All parameters so far by their whole names, each once."""
        return {
            operation.parameter_names[own]: parameter
            for operation in self.operations
            for own, parameter in operation.parameters.items()
            if parameter.tied_to is None
        }

    def chain(self, layers: Sequence[Any], source: int, prefix: str = "") -> int:
        """Layers and containers one after the other; the value of the last. TypeError for what is neither."""
        for index, layer in enumerate(layers):
            name = f"{prefix}{index}"
            if isinstance(layer, type) or not (hasattr(layer, "build") or hasattr(layer, "output_shape")):
                raise TypeError(f"layer {name} is {layer!r}; expected a layer, such as Dense(...) or Residual(...)")
            source = layer.build(self, name, source) if hasattr(layer, "build") else self.add(name, layer, source)
        return source


def _require_passes(name: str, layer: Layer, parameters: Mapping[str, Parameter]) -> None:
    """A dense layer makes its dz of the gradient of its output in place, and parameters' gradients may come later."""
    if layer.passes and (len(layer.passes) > 1 or parameters):
        raise ValueError(
            f"layer {name} passes its gradient to the inputs {sorted(layer.passes)}; expected one, of a layer without "
            "parameters: what makes that input may work in it, and nobody else can read it then"
        )


def operations_of(layers: Sequence[Any], shape: Shape) -> tuple[Operation, ...]:
    """Of a chain of layers and containers. TypeError for what is neither, ValueError where shapes do not fit, and for
    an operation whose value is neither read nor the network's: it would have no gradient."""
    graph = Graph(shape)
    end = graph.chain(layers, 0)
    for value, readers in enumerate(readers_of(graph.operations)[1:], 1):
        if not readers and value != end:
            name = graph.operations[value - 1].name
            raise ValueError(f"nothing reads what layer {name} gives; expected a container to return it, or to read it")
    return tuple(graph.operations)


def wanted_gradients(operations: Sequence[Operation]) -> list[bool]:
    """Of each value, whether the backward pass needs its gradient: where there are parameters at it or before it."""
    wanted = [False]
    for operation in operations:
        wanted.append(bool(operation.parameters) or any(wanted[source] for source in operation.sources))
    return wanted


def readers_of(operations: Sequence[Operation]) -> list[list[tuple[int, int]]]:
    """Of each value, who reads it: the number of the operation, and which of its inputs it is, in order."""
    readers: list[list[tuple[int, int]]] = [[] for _ in range(len(operations) + 1)]
    for number, operation in enumerate(operations):
        for slot, source in enumerate(operation.sources):
            readers[source].append((number, slot))
    return readers


def vocabulary_of(operations: Sequence[Operation]) -> int | None:
    """Of the ids that a network's rows are; None where they are other numbers."""
    found = [operation.layer for operation in operations if 0 in operation.sources]
    return min((layer.vocabulary for layer in found if hasattr(layer, "vocabulary")), default=None)


def counted(operations: Sequence[Operation]) -> cost.Graph:
    """The operations as their cost is counted."""
    return cost.Graph(operations, wanted_gradients(operations), [len(reading) for reading in readers_of(operations)])
