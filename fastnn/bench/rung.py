"""A network that can be timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from fastnn.bench.architecture import perceptron_layers
from fastnn.data import Dataset
from fastnn.layers import Operation, operations_of
from fastnn.networks.network import Network
from fastnn.study.layered import Layered


class Build(Protocol):
    """Makes the network; the settings are those of fastnn.Network."""

    def __call__(self, *, dtype: str, seed: int, device: str, precision: str | None) -> Network: ...


@dataclass(frozen=True)
class Rung:
    """A network that can be timed, known by its name.

    build: makes it. data: what it trains on: x (N, I) or (N, T, C), y as its loss takes it. sizes: of the layers,
    inputs first, where it is a multilayer perceptron of relu; heads: of a language model, or 0. Of others peers are
    told the network's description. layers: of what has no sizes.
    """

    name: str
    build: Build = field(compare=False, repr=False)
    data: Callable[[], Dataset] = field(compare=False, repr=False)
    sizes: tuple[int, ...] = field(default=(), compare=False)
    heads: int = field(default=0, compare=False)
    layers: Callable[[], Layered] | None = field(default=None, compare=False, repr=False)

    @cached_property
    def _operations(self) -> Sequence[Operation]:
        """Without making parameters, which may not fit, of perceptrons and of what says its layers."""
        if self.sizes:
            return operations_of(perceptron_layers(self.sizes), self.sizes[:1])
        return self.layered.operations

    @cached_property
    def layered(self) -> Layered:
        """What has no sizes, by its layers."""
        if self.layers:
            return self.layers()
        network = self.build(dtype="float32", seed=0, device="cpu", precision=None)
        return Layered(network.layers, network.input_shape)

    @property
    def params(self) -> int:
        return sum(operation.parameter_count for operation in self._operations)

    @property
    def numbers(self) -> int:
        """Of a row: its inputs and the value of each operation."""
        return self._operations[0].inputs + sum(operation.outputs for operation in self._operations)
