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
from fastnn.study.transformer_model import Shape


class Build(Protocol):
    """Makes the network; the settings are those of fastnn.Network."""

    def __call__(self, *, dtype: str, seed: int, device: str, precision: str | None) -> Network: ...


@dataclass(frozen=True)
class Rung:
    """A network that can be timed, known by its name.

    build: makes it. data: what it trains on: x (N, I) or (N, T, C), y as its loss takes it. sizes: of the layers,
    inputs first, where it is a multilayer perceptron of relu; shape: of a language model. Of others peers are told the
    network's description.
    """

    name: str
    build: Build = field(compare=False, repr=False)
    data: Callable[[], Dataset] = field(compare=False, repr=False)
    sizes: tuple[int, ...] = field(default=(), compare=False)
    shape: Shape | None = field(default=None, compare=False)

    @cached_property
    def _operations(self) -> Sequence[Operation]:
        """Of a perceptron without making its parameters, which may not fit."""
        if self.shape:
            return self.shape.operations
        if self.sizes:
            return operations_of(perceptron_layers(self.sizes), self.sizes[:1])
        return self.build(dtype="float32", seed=0, device="cpu", precision=None).operations

    @property
    def heads(self) -> int:
        """Of a language model, or 0."""
        return self.shape.heads if self.shape else 0

    @property
    def params(self) -> int:
        return sum(operation.parameter_count for operation in self._operations)

    @property
    def numbers(self) -> int:
        """Of a row: its inputs and the value of each operation."""
        return self._operations[0].inputs + sum(operation.outputs for operation in self._operations)
