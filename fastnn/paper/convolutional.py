"""Convolutional networks of the kind of LeNet-5 and AlexNet, counted layer by layer. Biases everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from fastnn import cost
from fastnn.edge.checks import as_count

# Numbers that follow each kind, and how many of them must be there.
FIELDS = {"conv": (4, 2), "pool": (2, 2), "dense": (1, 1)}
DEFAULTS = {"conv": (1, 0), "pool": (), "dense": ()}


@dataclass(frozen=True, kw_only=True)
class Convolutional:
    """input: channels, height, width. layers: see models.toml."""

    input: Sequence[int]
    layers: Sequence[Sequence[str | int]]

    def __post_init__(self) -> None:
        if len(self.input) != 3:
            raise ValueError(f"input is {list(self.input)}; expected channels, height and width")
        for size in self.input:
            as_count(size, "input")
        for _ in self._counted():
            pass

    def _counted(self) -> Iterator[tuple[int, int]]:
        """Parameters and multiply-adds of one row, a layer at a time. ValueError: layers that do not fit each other."""
        shape = tuple(self.input)
        for index, layer in enumerate(self.layers):
            kind, numbers = _read(index, layer)
            if kind == "dense":
                inputs, shape = prod(shape), (numbers[0],)
                yield cost.dense_parameters(inputs, numbers[0]), cost.dense_forward(1, inputs, numbers[0]).macs
                continue
            if len(shape) != 3:
                raise ValueError(f"layer {index} is a {kind} after a dense one")
            channels, *sides = shape
            if kind == "pool":
                shape = (channels, *_places(index, sides, *numbers))
                yield 0, 0
            else:
                filters, window, stride, padding = numbers
                shape = (filters, *_places(index, sides, window, stride, padding))
                forward = cost.convolution_forward(1, channels, filters, window, (sides[0], sides[1]), stride, padding)
                yield cost.convolution_parameters(channels, filters, window), forward.macs

    @property
    def parameters(self) -> int:
        return sum(parameters for parameters, _ in self._counted())

    @property
    def macs(self) -> int:
        """Multiply-adds of a forward pass of one image."""
        return sum(macs for _, macs in self._counted())


def _read(index: int, layer: Sequence[str | int]) -> tuple[str, list[int]]:
    kind = str(layer[0]) if layer else ""
    if kind not in FIELDS:
        raise ValueError(f"layer {index} is {list(layer)}; expected conv, pool or dense first")
    most, least = FIELDS[kind]
    numbers = [as_count(number, f"layer {index}", least=0) for number in layer[1:]]
    if not least <= len(numbers) <= most:
        raise ValueError(f"layer {index} is {list(layer)}; expected {least} to {most} numbers after {kind}")
    return kind, [*numbers, *DEFAULTS[kind][len(numbers) - least :]]


def _places(index: int, sides: Sequence[int], window: int, stride: int, padding: int = 0) -> list[int]:
    """Places that a window takes along each side."""
    try:
        return [cost.places(side, window, stride, padding) for side in sides]
    except ValueError as error:
        raise ValueError(f"layer {index}: {error}") from error
