"""Convolutional networks of the kind of LeNet-5 and AlexNet, counted layer by layer. Biases everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from fastnn.checks import as_count

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
                yield (inputs + 1) * numbers[0], inputs * numbers[0]
                continue
            if len(shape) != 3:
                raise ValueError(f"layer {index} is a {kind} after a dense one")
            if kind == "pool":
                window, stride = numbers
                shape = (shape[0], *(_places(index, side, window, stride, 0) for side in shape[1:]))
                yield 0, 0
            else:
                channels, kernel, stride, padding = numbers
                taps = shape[0] * kernel * kernel
                shape = (channels, *(_places(index, side, kernel, stride, padding) for side in shape[1:]))
                yield (taps + 1) * channels, taps * prod(shape)

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


def _places(index: int, side: int, window: int, stride: int, padding: int) -> int:
    """Places that a window takes along a side."""
    if stride < 1 or window < 1 or window > side + 2 * padding:
        raise ValueError(f"layer {index}: a window of {window} with stride {stride} does not fit a side of {side}")
    return (side + 2 * padding - window) // stride + 1
