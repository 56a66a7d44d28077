"""A network one position at a time, from Python, and the arrays for nopython code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import tape
from fastnn.edge.checks import as_count, as_ids, as_rows
from fastnn.layers import Container, Layer, Operation, operations_of
from fastnn.learning.losses import Loss
from fastnn.lowering import ParameterLayout, Plan, lower
from fastnn.tape.columns import OUTPUT_AT
from fastnn.tape.operations import bind


class Decodable(Protocol):
    """What decoding asks of a fastnn.Network."""

    layers: tuple[Layer | Container, ...]
    layout: ParameterLayout
    dtype: np.dtype[Any]
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    vocabulary: int | None

    @property
    def loss_function(self) -> Loss: ...

    @property
    def parameters(self) -> NDArray[Any]: ...


class Decoder:
    """A network that takes one position of each of `batch` sequences at a time.

    A recurrent layer that gives its last state alone gives that of the positions so far.

    capacity: positions, the network's own; None, as many as there are, where each layer is `endless` or does the same
    at each position: what comes after the network's own is to the bit what a longer network of these parameters gives.
    position: how many were run, and 1 after `begin`. arrays: (tape, params, workspace), arguments of fastnn.tape.decode
    for use in nopython code; params is the network's own vector. ValueError for a network without positions, or one of
    whose layers needs positions that are not there yet.
    """

    def __init__(self, network: Decodable, batch: int = 1) -> None:
        positions, *around = network.input_shape
        if not around and network.vocabulary is None:
            raise ValueError(f"rows of {network.input_shape} have no positions; expected (T, features), or T ids")
        self.batch, self.position = as_count(batch, "batch"), 0
        self.params, self.dtype = network.parameters, network.dtype
        whole = operations_of_one(network.layers, around)
        operations = stepping(whole, positions)
        self.capacity = None if all(map(_is_endless, operations)) else positions
        self.vocabulary, self.width = network.vocabulary, operations[-1].outputs
        self._shape = operations[0].shapes[0]
        plan: Plan = lower(
            operations, network.layout, network.loss_function, self.dtype, self.batch, gradients=False, keep=True
        )  # fmt: skip
        bind(plan.kinds, self.dtype.itemsize, gradients=False)
        self.tape, self.workspace = plan.tape, plan.workspace()
        self._places = _places_of_states(operations, self.tape)
        goes_by_position = (new for new, old in zip(operations, whole, strict=True) if new.layer is not old.layer)
        self._keeps_more = [each for each in goes_by_position if not _states_of(each)]

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        return self.tape, self.params, self.workspace

    def reset(self) -> None:
        """To the beginning of other sequences."""
        self.position = 0

    @property
    def states(self) -> dict[str, NDArray[Any]]:
        """Copies of the states of recurrent layers after the last step, (B, units) each, zeros at the beginning: of
        layer 0 "0.hh_l0.h", of an LSTM "0.hh_l0.c" too, "0.hh_l1.h" of its second layer, and so on."""
        found = {name: self._state(name).copy() for name in self._places}
        return found if self.position else {name: np.zeros_like(values) for name, values in found.items()}

    def begin(self, states: Mapping[str, ArrayLike]) -> None:
        """Goes on from these states, all that `states` has, whoever left them: a series in pieces has the bits of the
        whole. ValueError for a network that goes on from more, as attention from keys; for other names and shapes."""
        if self._keeps_more:
            kept = self._keeps_more[0]
            raise ValueError(f"layer {kept.name} is {kept.owner}, which goes on from more than states")
        if states.keys() != self._places.keys():
            raise ValueError(f"states are of {', '.join(states) or 'none'}; expected {', '.join(self._places)}")
        given = {name: as_rows(values, (self._places[name][1],), self.dtype, name) for name, values in states.items()}
        for name, values in given.items():
            if len(values) != self.batch:
                raise ValueError(f"{name} has {len(values)} rows; this decoder has {self.batch} sequences")
        for name, values in given.items():
            self._state(name)[...] = values
        self.position = 1

    def _state(self, name: str) -> NDArray[Any]:
        at, units = self._places[name]
        return self.workspace[at : at + self.batch * units].reshape(self.batch, units)

    def step(self, x: ArrayLike) -> NDArray[Any]:
        """The next position of each sequence: x (B,) ids, or (B, features). Its output (B, outputs), as a view that the
        next call overwrites, to the bit what the network gives of the whole sequence.

        ValueError past the last position, where there is one.
        """
        if self.capacity is not None and self.position >= self.capacity:
            raise ValueError(f"{self.position} positions were run, all that the network has; reset() begins anew")
        rows = self._rows(x)
        if len(rows) != self.batch:
            raise ValueError(f"x has {len(rows)} rows; this decoder has {self.batch} sequences")
        tape.decode(self.tape, self.params, rows, self.workspace, self.position)
        self.position += 1
        at, size = int(self.tape[0, OUTPUT_AT]), self.batch * self.width
        return self.workspace[at : at + size].reshape(self.batch, self.width)

    def _rows(self, x: ArrayLike) -> NDArray[Any]:
        given = np.asarray(x)
        shaped = given[:, None] if given.ndim == len(self._shape) else given
        if self.vocabulary is not None:
            return as_ids(shaped, self._shape, self.dtype, self.vocabulary, "x")
        return as_rows(shaped, self._shape, self.dtype, "x")


def operations_of_one(layers: Sequence[Layer | Container], around: Sequence[int]) -> Sequence[Operation]:
    """The operations on one position. ValueError where there is none of several."""
    try:
        return operations_of(layers, (1, *around))
    except ValueError as error:
        raise ValueError(f"the network does not compute one position after the other: {error}") from error


def stepping(operations: Sequence[Operation], positions: int) -> list[Operation]:
    """The operations of one position, as they run one position after the other. ValueError, which names a layer."""
    return [replace(operation, layer=_stepping(operation, positions)) for operation in operations]


def _states_of(operation: Operation) -> Mapping[str, int]:
    return getattr(operation.layer, "states", {})


def _places_of_states(operations: Sequence[Operation], tape: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Where each state is kept, and its units; an operation is a row of the tape, behind the header."""
    return {
        f"{operation.name}.{name}": (int(tape[row, column]), operation.outputs)
        for row, operation in enumerate(operations, 1)
        for name, column in _states_of(operation).items()
    }


def _is_endless(operation: Operation) -> bool:
    return operation.layer.positionwise or getattr(operation.layer, "endless", False)


def _stepping(operation: Operation, positions: int) -> Any:
    layer: Any = operation.layer
    if hasattr(layer, "stepping"):
        try:
            return layer.stepping(positions)
        except ValueError as error:
            raise ValueError(f"layer {operation.name}: {error}") from error
    if not layer.positionwise:
        raise ValueError(
            f"layer {operation.name} is {operation.owner}, which does not compute one position after the other"
        )
    return layer
