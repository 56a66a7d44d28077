"""Some positions of rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from fastnn import cost
from fastnn.graph.forms import Form
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations import slices


@dataclass(frozen=True)
class Slice:
    """y = x[:, start:stop]: x (B, T, C) or ids (B, T), y as many positions as that are; as Python counts, from the end
    where they are negative, to the end where stop is None.

    Slice(0, 1) and Flatten() leave the first position, by which BERT classifies.
    """

    start: int
    stop: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("start", self.start), ("stop", self.stop)):
            if isinstance(value, bool) or not (isinstance(value, (int, np.integer)) or (name, value) == ("stop", None)):
                raise TypeError(f"{name} is {value!r}; expected a whole number")

    def build(self, graph: Graph, name: str, source: int) -> int:
        shape = graph.shape_of(source)
        if len(shape) > 2:
            raise ValueError(f"layer {name} takes positions of features (T, C), or of ids (T,); {shape} comes")
        taken = range(*slice(self.start, self.stop).indices(shape[0]))
        if not taken:
            raise ValueError(f"layer {name} is {self!r} of {shape[0]} positions; expected one of them at least")
        if graph.mask is not None:
            graph.mask = graph.mask.within(taken.start, taken.stop)
        return graph.add(name, _Take(taken.start, taken.stop), source, owner="Slice")


@dataclass(frozen=True)
class _Take(SameShape):
    """Positions first..last."""

    first: int
    last: int
    kind: ClassVar[int] = slices.SLICE
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def output_shape(self, *shapes: Shape) -> Shape:
        return (self.last - self.first, *shapes[0][1:])

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {slices.FIRST: self.first * prod(shapes[0][1:])}

    def onnx_forms(self, shape: Shape) -> list[Form]:
        bounds = {"starts": self.first, "ends": self.last, "axes": 1}
        return [Form("Slice", constants={name: np.array([value], np.int64) for name, value in bounds.items()})]

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * prod(self.output_shape(*shapes)), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * prod(shapes[0]), itemsize) if input_gradient else cost.Cost()
