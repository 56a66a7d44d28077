"""Layers in the order in which a tape runs them: a Residual becomes a fork, its layers, and an add."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastnn.layers.protocol import Layer, Shape
from fastnn.layers.residual import Add, Fork, Residual


@dataclass(frozen=True)
class Operation:
    """A layer in its place. name: "1.0" is the first layer of the Residual that is a network's second.

    fork: of an add, the number of its fork among the operations.
    """

    name: str
    layer: Layer
    inputs: int
    fork: int | None = None

    @property
    def outputs(self) -> int:
        return self.layer.output_width(self.inputs)

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        """By the whole name: "1.0.weight"."""
        return {f"{self.name}.{name}": shape for name, shape in self.layer.parameter_shapes(self.inputs).items()}

    @property
    def layer_name(self) -> str:
        """As a user wrote it."""
        return "Residual" if isinstance(self.layer, (Fork, Add)) else type(self.layer).__name__

    @property
    def computes(self) -> bool:
        """Whether anything happens forward; nothing does where the way around a chain begins."""
        return not isinstance(self.layer, Fork)

    @property
    def parameter_count(self) -> int:
        return sum(map(math.prod, self.parameter_shapes.values()))


def operations_of(layers: Sequence[Layer | Residual], inputs: int) -> tuple[Operation, ...]:
    """TypeError for what is no layer, ValueError for a Residual whose layers change the width."""
    found: list[Operation] = []
    forks: list[int] = []
    for name, layer in _named(layers):
        width = found[-1].outputs if found else inputs
        if isinstance(layer, Fork):
            forks.append(len(found))
        fork = forks.pop() if isinstance(layer, Add) else None
        if fork is not None and found[fork].inputs != width:
            taken = found[fork].inputs
            raise ValueError(
                f"layer {name} is a Residual that takes {taken} features and whose layers give {width}; "
                f"let its last layer give {taken}"
            )
        found.append(Operation(name, layer, width, fork))
    return tuple(found)


def _named(layers: Sequence[Layer | Residual], prefix: str = "") -> Iterator[tuple[str, Layer]]:
    for index, layer in enumerate(layers):
        name = f"{prefix}{index}"
        if isinstance(layer, Residual):
            yield name, Fork()
            yield from _named(layer.layers, f"{name}.")
            yield name, Add()
        elif isinstance(layer, type) or not hasattr(layer, "parameter_shapes"):
            raise TypeError(f"layer {name} is {layer!r}; expected a layer, such as Dense(...) or Residual(...)")
        else:
            yield name, layer
