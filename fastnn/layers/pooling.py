"""Pooling of images, and their pixels as one row. Formulas: fastnn.kernels.images.pooling."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any, ClassVar, Self

from fastnn import cost
from fastnn.cost.convolution import places
from fastnn.graph.borders import borders, even, require_sides
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FLAT, IMAGES, Places, SameShape, Shape
from fastnn.layers.images.sides import TAKES, Pair, as_pair, sides_of
from fastnn.operations import pooling

# B images, C channels, Y X sides of one, H W places of a window along them, R S pixels of all windows along them that
# are inside, s bytes of a number. A maximum compares and selects, and its gradient is added to the winner's; an average
# adds and divides once, backward a pixel each.
MAX_FORWARD = cost.Formula(flops_elementwise="B·R·S·C - B·H·W·C", bytes="s·B·Y·X·C + 2·s·B·H·W·C")
MAX_BACKWARD = cost.Formula(flops_elementwise="B·H·W·C", bytes="s·B·Y·X·C + 2·s·B·H·W·C")
AVERAGE = cost.Formula(flops_elementwise="B·R·S·C", bytes="s·B·Y·X·C + s·B·H·W·C")
AVERAGE_BACKWARD = cost.Formula(flops_elementwise="2·B·R·S·C", bytes="s·B·Y·X·C + s·B·H·W·C")

# From the first of a window to the last: float32, in which winners are kept, counts so far.
MOST_PIXELS = 2**24


# ONNX's pools whose windows are whole images.
GLOBAL = ("GlobalMaxPool", "GlobalAveragePool")


@dataclass(frozen=True)
class _Pool(SameShape):
    """What pools have in common; sides: of a window. That of one side is of images of one row."""

    kernel_size: int | Pair
    stride: int | Pair | None = None
    padding: int | Pair = 0
    sides: ClassVar[int]
    positionwise: ClassVar[bool] = False
    beside: ClassVar[bool] = True
    axes: ClassVar[str] = IMAGES
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_name: ClassVar[str]
    of_one_side: ClassVar[type[_Pool]]

    def __post_init__(self) -> None:
        window = sides_of(self.sides, self.kernel_size, "kernel_size", 1)
        stride = sides_of(self.sides, window if self.stride is None else self.stride, "stride", 1)
        padding = sides_of(self.sides, self.padding, "padding", 0)
        if any(2 * border > side for border, side in zip(as_pair(padding, 0), as_pair(window, 1), strict=True)):
            raise ValueError(f"padding is {self.padding}; expected at most half of kernel_size {self.kernel_size}")
        for name, value in (("kernel_size", window), ("stride", stride), ("padding", padding)):
            object.__setattr__(self, name, value)

    @property
    def _pairs(self) -> tuple[Pair, Pair, Pair]:
        """kernel_size, stride and padding, down and across."""
        return as_pair(self.kernel_size, 1), as_pair(self.stride, 1), as_pair(self.padding, 0)

    def _image(self, shape: Shape) -> Shape:
        """(H, W, C)"""
        return shape if self.sides == 2 else (1, *shape)

    def _sides(self, shape: Shape) -> list[tuple[int, int, int, int]]:
        """Down and across: the side of an image, of a window, the step and the border."""
        return list(zip(shape[:2], *self._pairs, strict=True))

    def output_shape(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if len(shape) != self.sides + 1:
            raise ValueError(f"{type(self).__name__} takes {TAKES[self.sides]}; {shape} comes")
        found = [places(*side) for side in self._sides(self._image(shape))]
        return (*found[2 - self.sides :], shape[-1])

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        shape = self._image(shapes[0])
        down, across, _ = self._image(self.output_shape(*shapes))
        values = (*shape, down, across, *(side for pair in self._pairs for side in pair))
        return dict(zip(range(pooling.HEIGHT, pooling.COUNT_PADDING), values, strict=True))

    def _cost(self, formula: cost.Formula, rows: int, itemsize: int, shape: Shape) -> cost.Cost:
        (height, width, channels), (down, across, _) = self._image(shape), self._image(self.output_shape(shape))
        shape = self._image(shape)
        pixels_down, pixels_across = (_pixels(*side) for side in self._sides(shape))
        return formula.cost(B=rows, Y=height, X=width, C=channels, H=down, W=across, R=pixels_down, S=pixels_across,
                            s=itemsize)  # fmt: skip

    def torch_form(self, shape: Shape) -> Form:
        return Form(type(self).__name__, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def from_torch(cls, form: Form) -> Self:
        form.require(dilation=1, ceil_mode=False, return_indices=False, divisor_override=None)
        return cls(**{field.name: form.settings[field.name] for field in fields(cls)})

    def onnx_forms(self, shape: Shape) -> list[Form]:
        window, stride, padding = (pair[2 - self.sides :] for pair in self._pairs)
        return [Form(self.onnx_name, {"kernel_shape": window, "strides": stride, "pads": 2 * padding})]

    @classmethod
    def from_onnx(cls, form: Form) -> _Pool:
        """Of as many sides as its windows have. storage_order is of the indices, which nothing reads."""
        window = require_sides((form.rows or ())[:-1] if form.name in GLOBAL else form.settings["kernel_shape"])
        form.require(dilations=1)
        strides = tuple(form.settings.get("strides", [1] * len(window)))
        padding = even(form, borders(form, window, strides))
        kind: Any = cls.of_one_side if len(window) == 1 else cls
        found: _Pool = kind(window, strides, padding)
        if form.settings.get("ceil_mode", 0) and not found.fills(form.rows):
            raise ValueError(f"its ceil_mode is 1, and windows would end behind rows {form.rows}; expected 0")
        return found

    def fills(self, shape: Shape | None) -> bool:
        """Whether no window that begins in such rows, or the border before them, would end behind the border."""
        if shape is None or len(shape) != self.sides + 1:
            return False
        for side, window, stride, padding in self._sides(self._image(shape)):
            rest = (side + 2 * padding - window) % stride
            if rest and places(side, window, stride, padding) * stride < side + padding:
                return False
        return True


def _pixels(side: int, window: int, stride: int, padding: int) -> int:
    """Pixels inside of all windows along a side."""
    begins = (place * stride - padding for place in range(places(side, window, stride, padding)))
    return sum(min(begin + window, side) - max(begin, 0) for begin in begins)


@dataclass(frozen=True)
class _MaxPool(_Pool):
    """The largest of each window."""

    kind: ClassVar[int] = pooling.MAX_POOL2D
    onnx_name: ClassVar[str] = "MaxPool"

    def output_shape(self, *shapes: Shape) -> Shape:
        found = super().output_shape(*shapes)
        (down, across), _, _ = self._pairs
        if down * self._image(shapes[0])[1] + across > MOST_PIXELS:
            raise ValueError(f"a window of {down} rows of an image spans over {MOST_PIXELS:,} pixels; expected fewer")
        return found

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"winners": prod(self.output_shape(*shapes))}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {**super().own_columns(places, *shapes), pooling.WINNERS: places.kept("winners")}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(MAX_FORWARD, rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._cost(MAX_BACKWARD, rows, itemsize, *shapes) if input_gradient else cost.Cost()


@dataclass(frozen=True)
class _AvgPool(_Pool):
    """The mean of each window."""

    count_include_pad: bool = True
    kind: ClassVar[int] = pooling.AVG_POOL2D
    onnx_name: ClassVar[str] = "AveragePool"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.count_include_pad, bool):
            raise TypeError(f"count_include_pad is {self.count_include_pad!r}; expected True or False")

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {**super().own_columns(places, *shapes), pooling.COUNT_PADDING: self.count_include_pad}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._cost(AVERAGE, rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._cost(AVERAGE_BACKWARD, rows, itemsize, *shapes) if input_gradient else cost.Cost()

    def onnx_forms(self, shape: Shape) -> list[Form]:
        (form,) = super().onnx_forms(shape)
        return [replace(form, settings={**form.settings, "count_include_pad": int(self.count_include_pad)})]

    @classmethod
    def from_onnx(cls, form: Form) -> _Pool:
        found: Any = super().from_onnx(form)
        pool: _Pool = replace(found, count_include_pad=bool(form.settings.get("count_include_pad", 0)))
        return pool


@dataclass(frozen=True)
class MaxPool1d(_MaxPool):
    """MaxPool2d along one side, positions of sequences: x (B, T, C), y (B, P, C)."""

    sides: ClassVar[int] = 1
    torch_names: ClassVar[Collection[str]] = ("MaxPool1d",)
    onnx_names: ClassVar[Collection[str]] = ()  # see MaxPool2d


@dataclass(frozen=True)
class MaxPool2d(_MaxPool):
    """y = the largest of each window: x (B, H, W, C), y (B, P, Q, C) with P = (H + 2 padding - kernel) // stride + 1.

    kernel_size, stride, padding: a number, or two, down and across; the stride is the kernel's size unless it is said.
    The gradient goes to the first of equal numbers, and NaN is larger than any, its last the winner, as in torch.
    """

    sides: ClassVar[int] = 2
    of_one_side: ClassVar[type[_Pool]] = MaxPool1d
    torch_names: ClassVar[Collection[str]] = ("MaxPool2d",)
    onnx_names: ClassVar[Collection[str]] = ("MaxPool", "GlobalMaxPool")


@dataclass(frozen=True)
class AvgPool1d(_AvgPool):
    """AvgPool2d along one side, positions of sequences: x (B, T, C), y (B, P, C)."""

    sides: ClassVar[int] = 1
    torch_names: ClassVar[Collection[str]] = ("AvgPool1d",)
    onnx_names: ClassVar[Collection[str]] = ()  # see AvgPool2d


@dataclass(frozen=True)
class AvgPool2d(_AvgPool):
    """y = the mean of each window: shapes and sizes as of MaxPool2d.

    count_include_pad: whether the sum of a window over the border is divided by all its pixels, or by those inside.
    """

    sides: ClassVar[int] = 2
    of_one_side: ClassVar[type[_Pool]] = AvgPool1d
    torch_names: ClassVar[Collection[str]] = ("AvgPool2d",)
    onnx_names: ClassVar[Collection[str]] = ("AveragePool",)


@dataclass(frozen=True)
class GlobalAvgPool2d(SameShape):
    """y = the mean of each channel: x (B, H, W, C), y (B, 1, 1, C); a Flatten makes it (B, C)."""

    kind: ClassVar[int] = pooling.AVG_POOL2D
    positionwise: ClassVar[bool] = False
    axes: ClassVar[str] = IMAGES
    reads_backward: ClassVar[Collection[str]] = ()
    torch_names: ClassVar[Collection[str]] = ("AdaptiveAvgPool2d",)
    onnx_names: ClassVar[Collection[str]] = ("GlobalAveragePool",)

    def _pool(self, shape: Shape) -> AvgPool2d:
        if len(shape) != 3:
            raise ValueError(f"GlobalAvgPool2d takes {TAKES[2]}; {shape} comes")
        return AvgPool2d(shape[:2])

    def output_shape(self, *shapes: Shape) -> Shape:
        return self._pool(shapes[0]).output_shape(*shapes)

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return self._pool(shapes[0]).own_columns(places, *shapes)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return self._pool(shapes[0]).forward_cost(rows, itemsize, *shapes)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return self._pool(shapes[0]).backward_cost(rows, itemsize, input_gradient, *shapes)

    def torch_form(self, shape: Shape) -> Form:
        return Form("AdaptiveAvgPool2d", {"output_size": 1})

    @classmethod
    def from_torch(cls, form: Form) -> GlobalAvgPool2d:
        form.require(output_size=1)
        return cls()

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("GlobalAveragePool")]

    @classmethod
    def from_onnx(cls, form: Form) -> GlobalAvgPool2d | _Pool:
        """Of one side an AvgPool1d."""
        return cls() if form.rows is not None and len(form.rows) == 3 else AvgPool2d.from_onnx(form)


@dataclass(frozen=True)
class Flatten(SameShape):
    """y = the numbers of a row one after the other: x (B, H, W, C), or of any axes, y (B, H W C)."""

    kind: ClassVar[int] = pooling.FLATTEN
    positionwise: ClassVar[bool] = False
    axes: ClassVar[str] = FLAT
    reads_backward: ClassVar[Collection[str]] = ()
    passes: ClassVar[Collection[int]] = (0,)
    torch_names: ClassVar[Collection[str]] = ("Flatten",)
    onnx_names: ClassVar[Collection[str]] = ("Flatten",)

    def output_shape(self, *shapes: Shape) -> Shape:
        return (prod(shapes[0]),)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.copy(rows * prod(shapes[0]), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return cost.Cost()

    def torch_form(self, shape: Shape) -> Form:
        return Form("Flatten")

    @classmethod
    def from_torch(cls, form: Form) -> Flatten:
        form.require(start_dim=1, end_dim=-1)
        return cls()

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Flatten")]

    @classmethod
    def from_onnx(cls, form: Form) -> Flatten:
        if form.rows is None or form.settings.get("axis") != -len(form.rows):
            form.require(axis=1)
        return cls()
