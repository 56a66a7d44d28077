"""Residual: a chain of layers with a way around it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastnn import cost
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations.residual import ADD, SIDE


@dataclass(frozen=True, init=False)
class Residual:
    """y = x + f(x), f the chain of `layers`, whose output is shaped as its input: x, y (B, I) or (B, T, C).

    Layers may be Residual themselves. Parameters are named as in a torch Sequential: "1.0.weight" is of the first layer
    of a Residual that is the network's second.
    """

    layers: tuple[Any, ...]

    def __init__(self, *layers: Any) -> None:
        if not layers:
            raise ValueError("Residual() has no layers; expected at least one, such as Residual(Dense(64))")
        object.__setattr__(self, "layers", layers)

    @classmethod
    def of(cls, layers: Sequence[Any]) -> Residual:
        """By its field."""
        return cls(*layers)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"

    def build(self, graph: Graph, name: str, source: int) -> int:
        graph.enter()
        mask = graph.mask
        last = graph.chain(self.layers, source, f"{name}.")
        graph.mask = mask
        taken, given = graph.shape_of(source), graph.shape_of(last)
        if taken != given:
            raise ValueError(
                f"layer {name} is a Residual that takes {features(taken)} and whose layers give {features(given, '')}; "
                f"let its last layer give {features(taken, '')}"
            )
        return graph.add(name, Add(), last, source, owner=type(self).__name__)


def features(shape: Shape, unit: str = " features") -> str:
    """A shape in words: 9 features, or (T, C)."""
    return f"{shape[0]}{unit}" if len(shape) == 1 else str(shape)


@dataclass(frozen=True)
class Add(SameShape):
    """Where a way around ends: its values are added; backward the chain gets a copy of the gradient, to work in."""

    kind: ClassVar[int] = ADD
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_operators
    passes: ClassVar[Collection[int]] = (1,)

    def onnx_forms(self, *shapes: Shape) -> list[Form]:
        return [Form("Add")]

    def own_columns(self, places: Places, *shapes: Shape) -> dict[int, int]:
        return {SIDE: places.inputs[1]}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.addition(rows * shapes[0][0], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * shapes[0][0], itemsize) if input_gradient else cost.Cost()
