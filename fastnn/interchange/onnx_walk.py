"""An ONNX graph as it is walked: what each tensor is, and the chain of layers so far.

A tensor is a constant (an array) or a tree (see formula.py), whose leaves are the data at some point of the chain.
Elementwise nodes make trees grow; a node that needs rows of numbers has the tree before it settled into activations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.interchange.chain import Chain, Place
from fastnn.interchange.formula import Tree, outermost, parts_of, scaled_tanh, shortest
from fastnn.kernels.activation import NAMES
from fastnn.layers import ScaledTanh

Array = NDArray[Any]


class Unreadable(ValueError):
    """A node that is no layer of fastnn; the message names it."""


@dataclass(eq=False, repr=False)
class End:
    """The data at the end of the chain, a leaf of trees. Once the chain grows, it has another end.

    order: of its axes there, where that is another than the chain has: N rows, T positions, D directions, F features.
    None of last states, while nothing has taken them; see States. directions: as many as D has.
    """

    place: Place
    order: str | None = ""
    directions: int = 1


@dataclass(frozen=True, eq=False, repr=False)
class Part:
    """Some of the features of the end of the chain, a leaf of trees; index: which of the parts, of `sizes` features."""

    end: End
    index: int
    sizes: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class States:
    """The last states of recurrent layers.

    slots: of each, the end that it is of, and the direction. order: of its axes; without D the slots lie side by side
    among the features.
    """

    slots: tuple[tuple[End, int], ...]
    order: str


@dataclass
class Walk:
    """The chain so far, and what each tensor is.

    nodes: who made a tensor, in words. wanted: tensors that are read. dims: of the input, 0 where a size is not known.
    fillers: what sequences are filled with, of each layer that asks, None where all positions are there. start: the
    input.
    """

    chain: Chain
    values: dict[str, Any]
    nodes: dict[str, str] = field(default_factory=dict)
    wanted: frozenset[str] = frozenset()
    dims: tuple[int, ...] = ()
    fillers: list[int | None] = field(default_factory=list)
    end: End = field(init=False)
    start: End = field(init=False)

    def __post_init__(self) -> None:
        self.start = self.end = End(self.chain.place())

    @property
    def order(self) -> str:
        """Of the axes at the end; see End."""
        return self.end.order or ""

    @property
    def features_last(self) -> bool:
        """Whether what is done along the last axis is done to the features of each row, or position."""
        return not self.order or (self.order[-1] == "F" and "D" not in self.order)

    def is_of_features(self, axis: int) -> bool:
        """Whether that is the axis of the features, or the channels, of the data. By default it is the last."""
        shape = self.chain.shape
        if shape is None and not self.chain.flat:
            return False
        axes = len(self.order) or 1 + (1 if self.chain.flat or shape is None else len(shape))
        if self.order:
            return self.features_last and axis % axes == axes - 1
        return axis % axes == (1 if self.chain.axes.channels_first else axes - 1)

    def settle(self, name: str) -> End:
        """The tensor as the end of the chain: the activations that its tree is are appended."""
        tree, appends = self.values[name], list[Callable[[], None]]()
        while isinstance(tree, tuple):
            scaled = scaled_tanh(tree)
            if scaled is not None:
                *numbers, tree = scaled
                appends.append(partial(self.chain.layer, ScaledTanh(*numbers)))
                continue
            found = tree if tree[0] in NAMES else outermost(tree)
            if found is None:
                raise Unreadable(f"{self.nodes[name]} ends a formula that is none of fastnn's activations")
            *activation, tree = found
            appends.append(partial(self.chain.activation, *activation))
        if tree is not self.end and not self._returned(tree):
            raise ValueError(f"{name} is taken once more, after other layers; expected a chain")
        for append in reversed(appends):
            append()
        before, end = self.values[name], self.grown() if appends else self.end
        self.values |= {other: end for other, value in self.values.items() if value is before}
        return end

    def _returned(self, end: Any) -> bool:
        """Whether the end is that one again, of which only axes have been moved since."""
        if not isinstance(end, End):
            return False
        then, now = end.place, self.chain.place()
        if then.parameters is not now.parameters or (*then[:2], then.shape) != (*now[:2], now.shape):
            return False
        self.end, self.chain.axes = end, replace(then.axes)
        return True

    def grown(self, order: str | None = None) -> End:
        """A new end; order: of its axes, where that has changed."""
        self.end = End(self.chain.place(), self.end.order if order is None else order, self.end.directions)
        return self.end

    def around(self, names: list[str]) -> End | None:
        """The sum of an earlier end and of what has become of it since, a Residual; None where it is none."""
        for name, other in zip(names, reversed(names), strict=True):
            begin = self.values[name]
            if isinstance(begin, End) and begin is not self.end and self.end in parts_of(self.values[other]):
                if self.settle(other).order != begin.order:
                    raise ValueError("it adds data to the same with other axes first; expected one order")
                self.chain.residual(begin.place)
                return self.grown()
        return None


@dataclass(frozen=True)
class Node:
    """op: its operator. names: of its input tensors, "" for one that is left out. inputs: what they are. outputs: the
    names of what it gives."""

    op: str
    names: list[str]
    inputs: list[Any]
    attributes: dict[str, Any]
    outputs: list[str] = field(default_factory=list)

    def optional(self, index: int) -> Array | None:
        """A constant input; None where it is left out."""
        return self.constant(index) if index < len(self.inputs) and self.names[index] else None

    def constant(self, index: int) -> Array:
        value = self.inputs[index]
        if not isinstance(value, np.ndarray):
            raise ValueError(f"its input {self.names[index]} depends on the data; expected a constant")
        return value

    def scalar(self, index: int) -> float:
        """A constant of one number; of a float32 what it stands for."""
        value = self.constant(index)
        if value.size != 1:
            raise ValueError(f"its input {index} has shape {value.shape}; expected one number")
        number = float(value.reshape(()))
        return shortest(number) if value.dtype == np.float32 else number

    def tree(self, index: int = 0) -> Tree:
        if isinstance(self.inputs[index], np.ndarray):
            raise ValueError(f"its input {self.names[index]} is a constant; expected data")
        return self.inputs[index]

    def parts(self) -> list[Tree | float]:
        """Two inputs of an elementwise operator: trees, and at most one constant of one number."""
        if all(isinstance(value, np.ndarray) for value in self.inputs):
            raise ValueError("its inputs are constants; expected data")
        return [
            self.scalar(index) if isinstance(value, np.ndarray) else value for index, value in enumerate(self.inputs)
        ]
