"""What a network asks of a layer, and what those that keep a shape have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import in_lines

Shape = tuple[int, ...]

# What a layer asks of the axes of a row: nothing; that the features are last; that they are those of an image, here
# (H, W, C) and elsewhere (C, H, W); that they are the latter where there are several, and else the former; or that they
# become one.
ANY, FEATURES, IMAGES, CHANNELS, FLAT = "any", "features", "images", "channels", "flat"


@dataclass(frozen=True)
class Parameter:
    """One of a layer's parameters. decays: a matrix, which the penalty l2 is of.

    tied_to: the whole name, such as "0.weight", of a parameter of an earlier layer that this one is.

    statistic: a running mean, which no optimizer moves, and no count of parameters has. Its gradient is what it moves
    by, times the rows of which that is; the last of a layer, of shape (), has their number as its gradient, and counts
    steps; see fastnn.learning.training.move_statistics.
    """

    shape: Shape
    decays: bool = False
    tied_to: str | None = None
    statistic: bool = False


def axes_of(layer: Layer, shape: Shape) -> str:
    """What it asks of the axes of rows of this shape."""
    if layer.axes == CHANNELS:
        return IMAGES if len(shape) > 1 else FEATURES
    return layer.axes


def waiting(parameters: Mapping[str, Parameter], itemsize: int) -> int:
    """Elements of gradients that wait for the update of these parameters, each from the beginning of a line on."""
    return sum(in_lines(prod(each.shape), itemsize) for each in parameters.values())


class Places(Protocol):
    """What a layer is told for the columns of its own on a tape.

    inputs: where the values that it reads lie, -1 for the rows of the network. input_gradients: where theirs go, -1
    where none is wanted. output: where its values lie. number: of the layer in its network, which dropout draws by.
    """

    @property
    def inputs(self) -> Sequence[int]: ...

    @property
    def input_gradients(self) -> Sequence[int]: ...

    @property
    def output(self) -> int: ...

    @property
    def number(self) -> int: ...

    def parameter(self, name: str) -> tuple[int, int]:
        """Where a parameter lies and its size; (0, 0) of one that the layer has not."""

    def kept(self, name: str) -> int:
        """Where what the layer said that it keeps begins."""

    def constants(self, values: Sequence[int]) -> int:
        """Keeps whole numbers on the tape; the row that they begin on."""


class Layer(Protocol):
    """Shapes are without the batch, and computed, never discovered by running.

    positionwise: does the same at each position, all axes but the last. It is told the features alone: (B, T, C) comes
    to it as B T rows of shape (C,). Others are told whole shapes.

    activation, alpha: the function that is applied to the layer's sums, and its constant. reads_backward: "inputs",
    "outputs", what the backward pass reads of them. passes: an input whose gradient is that of the output itself:
    one at most, and of a layer without parameters, since what makes that input may work in it.

    beside: reads positions beside its own, and does not ask which are there; it takes no rows that were filled.

    joint: in training takes all rows of a span together, where others take each row by itself.

    local: works long on a row, with few parameters, so that threads take spans of a batch; see lowering.spanning.

    stepping(positions): of a layer that is not positionwise, and can compute one position after the other, the layer
    that does so, of up to so many; see fastnn.generation. Where it is `endless` it takes any number of them.

    axes: of ANY, FEATURES, IMAGES, CHANNELS, FLAT, for those who keep images in another order. What PyTorch and ONNX
    call a layer its class may say beside: torch_names, those that are read as it, and from_torch(form),
    torch_form(shape); onnx_names, from_onnx(form), onnx_forms(shape); see fastnn.graph.forms; onnx_takes, whether its
    node stands for operations that it reads. One whose class does not say torch_names, or onnx_names, cannot go there.
    """

    positionwise: ClassVar[bool]
    axes: ClassVar[str]
    reads_backward: ClassVar[Collection[str]]
    passes: ClassVar[Collection[int]]
    joint: ClassVar[bool]
    local: ClassVar[bool]
    beside: ClassVar[bool]

    @property
    def activation(self) -> str: ...

    @property
    def alpha(self) -> float | None: ...

    @property
    def kind(self) -> int: ...

    def output_shape(self, *shapes: Shape) -> Shape:
        """ValueError for shapes that it does not take."""

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]: ...

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        """First values, of those that do not begin at 0."""

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        """What it keeps for the backward pass, in numbers a row."""

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        """What the kernels of its kind read beside the common columns."""

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int: ...

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost: ...

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost: ...


class SameShape:
    """A layer without an activation of its own whose output is shaped as its input; here one without parameters, that
    does the same at each position."""

    activation = "identity"
    alpha: float | None = None
    positionwise: ClassVar[bool] = True
    axes: ClassVar[str] = ANY
    reads_backward: ClassVar[Collection[str]] = ("inputs", "outputs")
    passes: ClassVar[Collection[int]] = ()
    joint: ClassVar[bool] = False
    local: ClassVar[bool] = False
    beside: ClassVar[bool] = False

    def output_shape(self, *shapes: Shape) -> Shape:
        return shapes[0]

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {}

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {}

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return 0
