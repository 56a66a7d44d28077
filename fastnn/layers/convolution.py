"""Convolution of images. Formulas: fastnn.kernels.convolution."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_count
from fastnn.graph.borders import borders, even, require_sides, same
from fastnn.graph.forms import Form
from fastnn.graph.protocol import IMAGES, Parameter, Places, SameShape, Shape, waiting
from fastnn.kernels.convolution.gradient import gradient_scratch
from fastnn.kernels.convolution.inward import inward_scratch
from fastnn.kernels.convolution.sizes import Sizes
from fastnn.layers.images.sides import TAKES, Pair, as_pair, sides_of
from fastnn.layers.initializers import initializer_for
from fastnn.operations import convolution

VALID, SAME = "valid", "same"


class _Side(NamedTuple):
    """Along a side of an image: pixels with the border that windows reach, where the image begins in it, and places of
    the window."""

    outer: int
    first: int
    places: int


@dataclass(frozen=True)
class _Convolution(SameShape):
    """What convolutions have in common; sides: of a window. That of one side is of images of one row."""

    filters: int
    kernel_size: int | Pair
    stride: int | Pair = 1
    padding: int | Pair | str = 0
    bias: bool = True
    initializer: str | float = "auto"
    dilation: int | Pair = 1
    groups: int = 1
    sides: ClassVar[int]
    kind: ClassVar[int] = convolution.CONVOLUTION
    positionwise: ClassVar[bool] = False
    axes: ClassVar[str] = IMAGES
    local: ClassVar[bool] = True
    beside: ClassVar[bool] = True
    reads_backward: ClassVar[Collection[str]] = ("inputs",)

    def __post_init__(self) -> None:
        as_count(self.filters, "filters")
        as_count(self.groups, "groups")
        if self.filters % self.groups:
            raise ValueError(f"filters is {self.filters}; expected a multiple of its {self.groups} groups")
        for name in ("kernel_size", "stride", "dilation"):
            object.__setattr__(self, name, sides_of(self.sides, getattr(self, name), name, 1))
        if not isinstance(self.padding, str):
            object.__setattr__(self, "padding", sides_of(self.sides, self.padding, "padding", 0))
        elif self.padding not in (VALID, SAME):
            raise ValueError(f"padding is {self.padding!r}; expected pixels, or one of {VALID}, {SAME}")
        if not isinstance(self.bias, bool):
            raise TypeError(f"bias is {self.bias!r}; expected True or False")
        initializer_for(self.initializer, "relu")

    @property
    def _window(self) -> Pair:
        return as_pair(self.kernel_size, 1)

    @property
    def _stride(self) -> Pair:
        return as_pair(self.stride, 1)

    @property
    def _dilation(self) -> Pair:
        return as_pair(self.dilation, 1)

    def _image(self, shape: Shape) -> Shape:
        """(H, W, C)"""
        return shape if self.sides == 2 else (1, *shape)

    def _own(self, pair: Sequence[int]) -> Shape:
        """Of a pair, down and across, what is of a window's own sides."""
        return tuple(pair[2 - self.sides :])

    def _sides(self, shape: Shape) -> tuple[_Side, _Side]:
        """Down and across. ValueError: a window that does not fit."""
        down, across = (self._side(shape, axis) for axis in (0, 1))
        return down, across

    def _side(self, shape: Shape, axis: int) -> _Side:
        side, stride = shape[axis], self._stride[axis]
        window = (self._window[axis] - 1) * self._dilation[axis] + 1
        if self.padding == SAME:
            before, after = same(side, window, stride)
            return _Side(before + side + after, before, -(-side // stride))
        first = 0 if isinstance(self.padding, str) else as_pair(self.padding, 0)[axis]
        return _Side(side + 2 * first, first, cost.places(side, window, stride, first))

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,), name = shapes, type(self).__name__
        if len(shape) != self.sides + 1:
            raise ValueError(f"{name} takes {TAKES[self.sides]}; {shape} comes")
        if shape[-1] % self.groups:
            raise ValueError(f"{name} has {self.groups} groups, and {shape[-1]} channels come; expected a multiple")
        places = [side.places for side in self._sides(self._image(shape))]
        return (*self._own(places), self.filters)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        weight = Parameter((*self._own(self._window), shapes[0][-1] // self.groups, self.filters), decays=True)
        return {"weight": weight} | ({"bias": Parameter((self.filters,))} if self.bias else {})

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        draw = initializer_for(self.initializer, "relu")
        pixels, depth = prod(self._window), shapes[0][-1] // self.groups
        shape = (*self._own(self._window), depth, self.filters)
        return {"weight": draw(rng, shape, pixels * depth, pixels * self.filters // self.groups)}

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        shape = self._image(shapes[0])
        outer = tuple(side.outer for side in self._sides(shape))
        return {"bordered": prod(outer) * shape[2]} if outer != shape[:2] else {}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        shape, of = self._image(shapes[0]), convolution
        down, across = self._sides(shape)
        (weight, _), (bias, bias_size) = places.parameter("weight"), places.parameter("bias")
        return {
            of.HEIGHT: shape[0], of.WIDTH: shape[1], of.CHANNELS: shape[2], of.DOWN: down.places,
            of.ACROSS: across.places, of.FILTERS: self.filters, of.WINDOW_HEIGHT: self._window[0],
            of.WINDOW_WIDTH: self._window[1], of.STRIDE_DOWN: self._stride[0], of.STRIDE_ACROSS: self._stride[1],
            of.SPREAD_DOWN: self._dilation[0], of.SPREAD_ACROSS: self._dilation[1], of.GROUPS: self.groups,
            of.TOP: down.first, of.LEFT: across.first, of.OUTER_HEIGHT: down.outer, of.OUTER_WIDTH: across.outer,
            of.BORDERED: places.kept("bordered") if self.kept(*shapes) else -1, of.WEIGHT: weight, of.BIAS: bias,
            of.BIAS_SIZE: bias_size,
        }  # fmt: skip

    def sizes(self, rows: int, shape: Shape) -> Sizes:
        """As the kernels take them, of images with their border."""
        image = self._image(shape)
        down, across = self._sides(image)
        return Sizes(rows, down.outer, across.outer, image[2], *self._window, self.filters, down.places,
                     across.places, *self._stride, *self._dilation, self.groups)  # fmt: skip

    def begins(self, shape: Shape) -> Pair:
        """The pixel of its border that an image begins with, down and across."""
        down, across = self._sides(self._image(shape))
        return down.first, across.first

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        sizes = self.sizes(rows, shapes[0])
        gradient = waiting(self.parameters(*shapes), itemsize) + int(gradient_scratch(sizes))
        return max(int(inward_scratch(sizes, most_threads())), gradient)

    def _letters(self, rows: int, itemsize: int, shape: Shape) -> dict[str, int]:
        shape, (window, columns) = self._image(shape), self._window
        down, across = (side.places for side in self._sides(shape))
        return {
            "B": rows, "Y": shape[0], "X": shape[1], "C": shape[2], "D": shape[2] // self.groups, "H": down,
            "W": across, "O": self.filters, "K": window, "L": columns, "s": itemsize,
        }  # fmt: skip

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.convolution(self._letters(rows, itemsize, shapes[0]), bias=self.bias)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        letters = self._letters(rows, itemsize, shapes[0])
        return cost.convolution_backward(letters, bias=self.bias, input_gradient=input_gradient)

    def torch_form(self, shape: Shape) -> Form:
        if self.padding == SAME and max(self._stride) > 1:
            raise ValueError("torch has padding='same' for a stride of 1 alone")
        return Form(type(self).__name__, {
            "in_channels": shape[-1], "out_channels": self.filters, "kernel_size": self.kernel_size,
            "stride": self.stride, "padding": self.padding, "dilation": self.dilation, "groups": self.groups,
            "bias": self.bias,
        })  # fmt: skip

    @classmethod
    def from_torch(cls, form: Form) -> Self:
        form.require(padding_mode="zeros")
        of = form.settings
        return cls(of["out_channels"], of["kernel_size"], of["stride"], of["padding"], of["bias"],
                   dilation=of["dilation"], groups=of["groups"])  # fmt: skip

    def onnx_forms(self, shape: Shape) -> list[Form]:
        image = self._image(shape)
        sides = self._sides(image)
        before = self._own([side.first for side in sides])
        after = self._own([side.outer - side.first - pixels for side, pixels in zip(sides, image, strict=False)])
        settings = {
            "kernel_shape": self._own(self._window), "strides": self._own(self._stride), "pads": [*before, *after],
            "dilations": self._own(self._dilation), "group": self.groups,
        }  # fmt: skip
        return [Form("Conv", settings, ("weight", "bias") if self.bias else ("weight",), moved=True)]


@dataclass(frozen=True)
class Conv2d(_Convolution):
    """y = windows of x times weight, and bias.

    x (B, H, W, C), weight (KH, KW, C / groups, filters), bias (filters,), y (B, P, Q, filters).

    kernel_size, stride, dilation: a number, or two, down and across; dilation: pixels from one of a window to the next.
    padding: pixels of zeros on each side, a number or two; or "valid", none; or "same", so that there are
    ceil(H / stride) places, the odd pixel below and to the right, as in TensorFlow. groups: of filters, each of which
    sees its share of the channels; as many as channels make a depthwise convolution. initializer: of the weight, see
    fastnn.layers.initializers; "auto" is that of relu.

    A cross-correlation, as in PyTorch, TensorFlow and ONNX: the weight is not turned round.
    """

    sides: ClassVar[int] = 2
    torch_names: ClassVar[Collection[str]] = ("Conv2d",)
    onnx_names: ClassVar[Collection[str]] = ("Conv",)

    @classmethod
    def from_onnx(cls, form: Form) -> Conv1d | Conv2d:
        """Of as many sides as its windows have."""
        (filters, _, *sides), *more = form.shapes
        window = require_sides(sides)
        ones = [1] * len(window)
        strides, dilations = (tuple(form.settings.get(name, ones)) for name in ("strides", "dilations"))
        padding: Any = {"VALID": VALID, "SAME_UPPER": SAME}.get(form.settings.get("auto_pad", ""))
        if padding is None:
            pads = borders(form, window, strides)
            uneven = any(before != after for before, after in pads)
            padding = SAME if uneven and _are_same(form, pads, window, strides) else even(form, pads)
        kind: Any = Conv1d if len(window) == 1 else Conv2d
        found: Conv1d | Conv2d = kind(filters, window, strides, padding, bool(more), dilation=dilations,
                                      groups=form.settings.get("group", 1))  # fmt: skip
        return found


def _are_same(form: Form, pads: Sequence[Pair], window: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether these are the borders of "same", for the rows that come, in pixels."""
    if form.rows is None or len(form.rows) != len(window) + 1:
        return False
    return pads == borders(replace(form, settings={**form.settings, "auto_pad": "SAME_UPPER"}), window, strides)


@dataclass(frozen=True)
class Conv1d(_Convolution):
    """Conv2d along one side, positions of sequences: x (B, T, C), weight (K, C / groups, filters), y (B, P, filters).

    kernel_size, stride, padding, dilation: numbers; the rest as of Conv2d.
    """

    sides: ClassVar[int] = 1
    torch_names: ClassVar[Collection[str]] = ("Conv1d",)
    onnx_names: ClassVar[Collection[str]] = ()  # see Conv2d
