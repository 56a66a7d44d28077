"""Residual: a chain of layers with a way around it, and the two operations that it adds to them on a tape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from fastnn import block_cost, cost
from fastnn.layers.protocol import Layer, SameWidth
from fastnn.tape.residual import ADD, FORK


@dataclass(frozen=True, init=False)
class Residual:
    """y = x + f(x), f the chain of `layers`, whose output is as wide as its input: x, y (B, I).

    Layers may be Residual themselves. Parameters are named as in a torch Sequential: "1.0.weight" is of the first layer
    of a Residual that is the network's second.
    """

    layers: tuple[Layer | Residual, ...]

    def __init__(self, *layers: Layer | Residual) -> None:
        if not layers:
            raise ValueError("Residual() has no layers; expected at least one, such as Residual(Dense(64))")
        object.__setattr__(self, "layers", layers)

    def __repr__(self) -> str:
        return f"Residual({', '.join(map(repr, self.layers))})"


@dataclass(frozen=True)
class Fork(SameWidth):
    """Where the way around a chain begins: nothing is computed forward, and gradients are added backward."""

    kind: ClassVar[int] = FORK

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return cost.Cost()

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        return block_cost.addition(batch * inputs, itemsize) if input_gradient else cost.Cost()


@dataclass(frozen=True)
class Add(SameWidth):
    """Where it ends: values are added forward; backward the chain gets a copy of the gradient, to work in."""

    kind: ClassVar[int] = ADD

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return block_cost.addition(batch * inputs, itemsize)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        return block_cost.copy(batch * inputs, itemsize) if input_gradient else cost.Cost()
