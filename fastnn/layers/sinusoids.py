"""Positions as waves. Formulas: fastnn.kernels.sinusoids."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from fastnn import cost
from fastnn.edge.checks import as_number
from fastnn.graph.forms import Form
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.kernels.sinusoids import sinusoids
from fastnn.operations import sinusoids as tape
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class SinusoidalPositions(SameShape):
    """y[t] = x[t] + waves of t: x, y (B, T, C).

    Feature 2 i of position t gets sin(t / base^(2 i / C)), feature 2 i + 1 its cosine, as in the first transformer
    (Vaswani et al. 2017). It has no parameters, and takes any number of positions.
    """

    base: float = 10000.0
    kind: ClassVar[int] = tape.SINUSOIDS
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # written, and not read

    def __post_init__(self) -> None:
        if as_number(self.base, "base", 0.0) == 0:
            raise ValueError("base is 0; expected that of wavelengths, such as 10000")

    @staticmethod
    def _sides(shape: Shape) -> tuple[int, int]:
        positions, width = shape
        return positions, width

    def output_shape(self, *shapes: Shape) -> Shape:
        if len(shapes[0]) != 2:
            raise ValueError(f"SinusoidalPositions takes positions of features (T, C); {shapes[0]} comes")
        return shapes[0]

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {tape.WIDTH: shapes[0][1], tape.BASE: bits(self.base)}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return prod(shapes[0])

    def stepping(self, positions: int) -> SinusoidalPositions:
        return _OnePosition(self.base)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        waves = np.empty(prod(shape))
        sinusoids(waves, 0, *shape, float(self.base))
        return [Form("Add", constants={"waves": waves.reshape(shape)})]

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.sinusoids_forward(rows, *self._sides(shapes[0]), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * prod(shapes[0]), itemsize) if input_gradient else cost.Cost()


@dataclass(frozen=True)
class _OnePosition(SinusoidalPositions):
    """Of the one that a step is at."""

    kind: ClassVar[int] = tape.SINUSOIDS_STEP
    endless: ClassVar[bool] = True
