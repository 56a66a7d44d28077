"""Trained scales and biases, and a tanh that is scaled. Formulas: fastnn.kernels.images.scale."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import as_number
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape
from fastnn.operations import embedding
from fastnn.operations.images import scale as on_tape
from fastnn.tape.columns import bits

# B rows, I features, N numbers, s bytes of one. A scale is a product and a sum; its parameters are sums of products and
# of gradients over rows, its input one product. A scaled tanh has two products; backward two, a square and a difference
# (slope scale and slope / scale are of a call).
SCALE = cost.Formula(flops_elementwise="2·B·I", bytes="2·s·B·I + 2·s·I")
SCALE_GRADIENT = cost.Formula(flops_elementwise="B·I + 2·I·(B-1)", bytes="2·s·B·I + 2·s·I")
SCALE_INWARD = cost.Formula(flops_elementwise="B·I", bytes="s·B·I + s·I")
TANH = cost.Formula(flops_elementwise="2·N", transcendentals="N", bytes="2·s·N")
TANH_BACKWARD = cost.Formula(flops_elementwise="4·N", bytes="3·s·N")


@dataclass(frozen=True)
class Scale(SameShape):
    """y = x * weight + bias, each channel by numbers of its own: x, y (B, C), (B, T, C) or (B, H, W, C), weight (C,),
    which begins at 1, bias (C,), which begins at 0.

    Behind an average it is the trained subsampling of 1998.
    """

    kind: ClassVar[int] = on_tape.SCALE
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ("inputs",)
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_channels

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {name: Parameter(shapes[0]) for name in ("weight", "bias")}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": np.ones(shapes[0])}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {on_tape.WEIGHT: places.parameter("weight")[0], on_tape.BIAS: places.parameter("bias")[0]}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return SCALE.cost(B=rows, I=shapes[0][0], s=itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        formula = SCALE_GRADIENT + SCALE_INWARD if input_gradient else SCALE_GRADIENT
        return formula.cost(B=rows, I=shapes[0][0], s=itemsize)

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Mul", parameters=("weight",)), Form("Add", parameters=("bias",))]


@dataclass(frozen=True)
class UnitBias(SameShape):
    """y = x + bias, each number of a row by one of its own: x, y (B, H, W, C), bias (H, W, C), which begins at 0; or of
    any other axes.

    Behind a convolution without a bias it makes one whose units share weights, and no bias, as in 1989.
    """

    kind: ClassVar[int] = embedding.POSITIONS
    positionwise: ClassVar[bool] = False
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_channels

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {"bias": Parameter(shapes[0])}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        bias, size = places.parameter("bias")
        return {embedding.WEIGHT: bias, embedding.VOCABULARY: 1, embedding.WIDTH: size}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.positions_forward(rows, 1, prod(shapes[0]), itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        size = prod(shapes[0])
        found = cost.positions_backward(rows, 1, size, itemsize)
        return found + cost.copy(rows * size, itemsize) if input_gradient else found

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("Add", parameters=("bias",))]


@dataclass(frozen=True)
class ScaledTanh(SameShape):
    """y = scale * tanh(slope * x), of x of any shape: by default LeCun's, which is 1 at 1 and -1 at -1.

    scale, slope: above 0.
    """

    scale: float = 1.7159
    slope: float = 2 / 3
    kind: ClassVar[int] = on_tape.SCALED_TANH
    reads_backward: ClassVar[Collection[str]] = ("outputs",)
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_channels

    def __post_init__(self) -> None:
        for name in ("scale", "slope"):
            value = as_number(getattr(self, name), name, 0.0)
            if value == 0:
                raise ValueError(f"{name} is 0; expected more")
            object.__setattr__(self, name, value)

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return {on_tape.SCALE_BITS: bits(self.scale), on_tape.SLOPE_BITS: bits(self.slope)}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return TANH.cost(N=rows * shapes[0][0], s=itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        return TANH_BACKWARD.cost(N=rows * shapes[0][0], s=itemsize) if input_gradient else cost.Cost()

    def onnx_forms(self, shape: Shape) -> list[Form]:
        """A slope of 2 / 3 is a division by 1.5, which float32 has."""
        over = np.array(1 / self.slope)
        exact = over.astype(np.float32) == over
        sloped = {"over": over} if exact else {"slope": np.array(self.slope)}
        return [
            Form("Div" if exact else "Mul", constants=sloped),
            Form("Tanh"),
            Form("Mul", constants={"scale": np.array(self.scale)}),
        ]
