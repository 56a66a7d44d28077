"""Concatenate: branches side by side, their features one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from fastnn import cost
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations.concatenate import BRANCHES, JOIN, TABLE


@dataclass(frozen=True, init=False)
class Concatenate:
    """y = [f(x), g(x), ...] along the last axis, each branch a layer or a list of layers, all on the same x.

    An empty list is x itself. x (B, I), (B, T, C) or (B, H, W, C), whose channels are joined. Parameters:
    "1.0.2.weight" is of the third layer of the first branch of a Concatenate that is the network's second.
    """

    branches: tuple[tuple[Any, ...], ...]

    def __init__(self, *branches: Any) -> None:
        if len(branches) < 2:
            raise ValueError(
                f"Concatenate() has {len(branches)} branches; expected at least two, each a layer or a list"
            )
        parts = tuple(tuple(branch) if isinstance(branch, (list, tuple)) else (branch,) for branch in branches)
        object.__setattr__(self, "branches", parts)

    @classmethod
    def of(cls, branches: Sequence[Sequence[Any]]) -> Concatenate:
        """By its field."""
        return cls(*branches)

    def __repr__(self) -> str:
        return f"Concatenate({', '.join(repr(list(branch)) for branch in self.branches)})"

    def build(self, graph: Graph, name: str, source: int) -> int:
        graph.enter()
        mask, masks, ends = graph.mask, [], []
        for index, branch in enumerate(self.branches):
            graph.mask = mask
            ends.append(graph.chain(branch, source, f"{name}.{index}."))
            masks.append(graph.mask)
        if any(each != masks[0] for each in masks):
            raise ValueError(f"layer {name} is a Concatenate of other positions in each branch; expected the same")
        around = {graph.shape_of(end)[:-1] for end in ends}
        if len(around) > 1:
            shapes = ", ".join(str(graph.shape_of(end)) for end in ends)
            raise ValueError(
                f"layer {name} is a Concatenate of the shapes {shapes}; expected them to differ in the last axis"
            )
        return graph.add(name, Join(), *ends, owner=type(self).__name__)


@dataclass(frozen=True)
class Join(SameShape):
    """Copies its inputs side by side, and their gradients back."""

    kind: ClassVar[int] = JOIN
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def output_shape(self, *shapes: Shape) -> Shape:
        return (sum(shape[0] for shape in shapes),)

    def onnx_forms(self, *shapes: Shape) -> list[Form]:
        return [Form("Concat", {"axis": -1})]

    def own_columns(self, places: Places, *shapes: Shape) -> dict[int, int]:
        table: list[int] = []
        for place, gradient, shape in zip(places.inputs, places.input_gradients, shapes, strict=True):
            table += place, gradient, shape[0]
        return {BRANCHES: len(shapes), TABLE: places.constants(table)}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * self.output_shape(*shapes)[0], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * self.output_shape(*shapes)[0], itemsize) if input_gradient else cost.Cost()
