"""Rows that were filled up to one length."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fastnn import cost
from fastnn.edge.checks import as_count
from fastnn.graph.graph import Graph
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations import masking


@dataclass(frozen=True)
class Masking:
    """Ids (B, T) as they are; behind the last of a row that is no `filler` nothing is there for the layers that follow.
    Of features (B, T, F) behind the last position that is not `filler` in all of them, a number that data do not have.

    Attention sees none of those positions. Their own outputs mean nothing: the label -100 leaves them out of a loss.
    Rows may be full, or hold fillers alone; a filler before another id is an id. What a Slice takes, or an
    EncoderDecoder reads and writes, is asked by itself. The first layer of a network.
    """

    filler: int = 0

    def __post_init__(self) -> None:
        as_count(self.filler, "filler", 0)

    def build(self, graph: Graph, name: str, source: int) -> int:
        shape = graph.shape_of(source)
        if source or len(shape) > 2:
            raise ValueError(
                f"layer {name} is Masking, which reads the ids (T,) or positions (T, F) of a network; expected it to "
                "stand first"
            )
        graph.enter()
        graph.mask = _FilledRows(name, self.filler, shape) if len(shape) == 2 else _Filled(name, self.filler, 0, *shape)
        return source


@dataclass(frozen=True)
class _Filled:
    """A fastnn.graph.graph.Mask: positions first..last of the rows of the network. name: of the layer that says so."""

    name: str
    filler: int
    first: int
    last: int

    def within(self, first: int, last: int) -> _Filled:
        return _Filled(self.name, self.filler, self.first + first, self.first + last)

    def lengths(self, graph: Graph, name: str, positions: int) -> int:
        if positions != self.last - self.first:
            raise ValueError(
                f"layer {name} attends to {positions} positions, and layer {self.name} says which of "
                f"{self.last - self.first} are there; expected as many"
            )
        own = f"{self.name}.{self.first}-{self.last}"
        for number, operation in enumerate(graph.operations, 1):
            if operation.name == own:
                return number
        return graph.add(own, Lengths(self.filler, self.first, self.last), 0, owner="Masking")


@dataclass(frozen=True)
class _FilledRows:
    """A fastnn.graph.graph.Mask of rows of positions of features, all of them. name: of the layer that says so."""

    name: str
    filler: int
    shape: Shape

    def within(self, first: int, last: int) -> _FilledRows:
        raise ValueError(f"layer {self.name} is Masking of positions of features, of which all are read; expected ids")

    def lengths(self, graph: Graph, name: str, positions: int) -> int:
        if positions != self.shape[0]:
            raise ValueError(
                f"layer {name} reads {positions} positions, and layer {self.name} says which of {self.shape[0]} are "
                "there; expected as many"
            )
        own = f"{self.name}.lengths"
        for number, operation in enumerate(graph.operations, 1):
            if operation.name == own:
                return number
        return graph.add(own, RowLengths(self.filler), 0, owner="Masking")


@dataclass(frozen=True)
class RowLengths(SameShape):
    """Positions up to the last that is not filler in all its features: (B, T, F) to (B, 1)."""

    filler: int
    kind: ClassVar[int] = masking.LENGTHS
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()

    def output_shape(self, *shapes: Shape) -> Shape:
        return (1,)

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {masking.FILLER: self.filler, masking.FEATURES: shapes[0][-1]}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        """Comparisons alone, of as many as are fillers, at most all."""
        positions, features = shapes[0]
        return cost.Cost(0, 0, 0, rows * (positions * features + 1) * itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.Cost()


@dataclass(frozen=True)
class Lengths(SameShape):
    """Positions up to the last that is no filler, of positions first..last: ids (B, T) to (B, 1)."""

    filler: int
    first: int
    last: int
    kind: ClassVar[int] = masking.LENGTHS
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()

    def output_shape(self, *shapes: Shape) -> Shape:
        return (1,)

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {masking.FIRST: self.first, masking.LAST: self.last, masking.FILLER: self.filler}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        """Comparisons alone, of as many as are fillers, at most all."""
        return cost.Cost(0, 0, 0, rows * (self.last - self.first + 1) * itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.Cost()
