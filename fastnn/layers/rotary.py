"""Rotary positions of queries and keys. Formulas: fastnn.kernels.rotary."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from fastnn import cost
from fastnn.graph.protocol import Places, SameShape, Shape
from fastnn.operations import rotary
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class Rotate(SameShape):
    """The first heads * size features of each position (T, heads size + rest) turned; the others stay."""

    heads: int
    size: int
    base: float
    kind: ClassVar[int] = rotary.ROTARY
    positionwise: ClassVar[bool] = False
    reads_backward: ClassVar[Collection[str]] = ()

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        (positions, width), of = shapes[0], rotary
        return {
            of.LENGTH: positions, of.HEADS: self.heads, of.SIZE: self.size, of.REST: width - self.heads * self.size,
            of.BASE: bits(self.base),
        }  # fmt: skip

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return shapes[0][0] * self.size

    def stepping(self, positions: int) -> Rotate:
        return _OnePosition(self.heads, self.size, self.base)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        turned = rows * shapes[0][0] * self.heads * self.size
        return cost.rotary(turned, rows * prod(shapes[0]), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self.forward_cost(rows, itemsize, *shapes) if input_gradient else cost.Cost()


@dataclass(frozen=True)
class _OnePosition(Rotate):
    """Of the position that a step is at."""

    kind: ClassVar[int] = rotary.ROTARY_STEP
