"""Tokens and positions as rows of tables. Formulas: fastnn.kernels.embedding."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import as_count
from fastnn.graph.forms import Form
from fastnn.graph.protocol import Parameter, Places, SameShape, Shape
from fastnn.layers.initializers import initializer_for
from fastnn.operations import embedding

# Ids are kept as the network's numbers, and float32 counts so far.
MOST_TOKENS = 2**24


@dataclass(frozen=True)
class Embedding(SameShape):
    """y[t] = weight[x[t]]: x (B, T) ids, whole numbers from 0 to below V, weight (V, C), y (B, T, C).

    vocabulary: V. width: C.
    The first layer of a network, whose rows are ids then: Network(T, [Embedding(...), ...]) takes whole numbers, and
    refuses others by name. initializer: as of Dense; by default N(0, 1), as in torch.
    """

    vocabulary: int
    width: int
    initializer: str | float = 1.0
    kind: ClassVar[int] = embedding.EMBEDDING
    endless: ClassVar[bool] = True
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ("inputs",)
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_attention

    def __post_init__(self) -> None:
        if as_count(self.vocabulary, "vocabulary") > MOST_TOKENS:
            raise ValueError(
                f"vocabulary is {self.vocabulary:,}; expected at most {MOST_TOKENS:,}, which float32 counts"
            )
        as_count(self.width, "width")
        initializer_for(self.initializer, "identity")

    def output_shape(self, *shapes: Shape) -> Shape:
        return (*shapes[0], self.width)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"weight": Parameter((self.vocabulary, self.width), decays=True)}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        draw = initializer_for(self.initializer, "identity")
        return {"weight": draw(rng, (self.vocabulary, self.width), self.vocabulary, self.width)}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        weight, _ = places.parameter("weight")
        return {embedding.WEIGHT: weight, embedding.VOCABULARY: self.vocabulary, embedding.WIDTH: self.width}

    def stepping(self, positions: int) -> Embedding:
        return self

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Gather", parameters=("weight",), first=True)]

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.embedding_forward(rows, prod(shapes[0]), self.width, itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.embedding_backward(rows, prod(shapes[0]), self.vocabulary, self.width, itemsize)


@dataclass(frozen=True)
class PositionEmbedding(SameShape):
    """y[t] = x[t] + weight[t]: x, y (B, T, C), weight (length, C), T at most `length`.

    initializer: as of Dense; by default N(0, 0.02), as in GPT-2.
    """

    length: int
    initializer: str | float = 0.02
    kind: ClassVar[int] = embedding.POSITIONS
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()

    def __post_init__(self) -> None:
        as_count(self.length, "length")
        initializer_for(self.initializer, "identity")

    @staticmethod
    def _sides(shape: Shape) -> tuple[int, int]:
        positions, width = shape
        return positions, width

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != 2:
            raise ValueError(f"PositionEmbedding takes positions of features (T, C); {shape} comes")
        if shape[0] > self.length:
            raise ValueError(f"rows have {shape[0]} positions; PositionEmbedding({self.length}) has {self.length}")
        return shape

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"weight": Parameter((self.length, shapes[0][1]), decays=True)}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        width = shapes[0][1]
        return {"weight": initializer_for(self.initializer, "identity")(rng, (self.length, width), self.length, width)}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        weight, _ = places.parameter("weight")
        return {embedding.WEIGHT: weight, embedding.VOCABULARY: self.length, embedding.WIDTH: shapes[0][1]}

    def onnx_forms(self, shape: Shape) -> list[Form]:
        if shape[0] != self.length:
            raise ValueError(f"{self!r} adds the first {shape[0]} of its rows; ONNX has words for all of them")
        return [Form("Add", parameters=("weight",))]

    def stepping(self, positions: int) -> PositionEmbedding:
        return _OnePosition(self.length, self.initializer)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.positions_forward(rows, *self._sides(shapes[0]), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        found = cost.positions_backward(rows, *self._sides(shapes[0]), itemsize)
        return found + cost.copy(rows * prod(shapes[0]), itemsize) if input_gradient else found


@dataclass(frozen=True)
class _OnePosition(PositionEmbedding):
    """Of the one that a step is at."""

    kind: ClassVar[int] = embedding.POSITIONS_STEP
