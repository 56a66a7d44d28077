"""Dense layers, and activations by themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.compiler.jit import most_threads
from fastnn.edge.checks import as_choice, as_count, as_number
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape
from fastnn.kernels.activation import DEFAULT_ALPHA, NAMES, NEEDS_Z
from fastnn.kernels.dense import dense_scratch
from fastnn.layers.initializers import initializer_for
from fastnn.tape.columns import ACTIVATION, ALPHA, BIAS, BIAS_SIZE, DENSE, ELEMENTWISE, PRE, WEIGHT, bits


def _alpha(activation: str, alpha: float | None) -> float | None:
    if alpha is None:
        return DEFAULT_ALPHA.get(activation)
    if activation not in DEFAULT_ALPHA:
        raise ValueError(f"alpha is for {' and '.join(DEFAULT_ALPHA)}; {activation} has none")
    # Below 0 neither is monotonic, and their derivatives, taken from the sign of y, would be wrong.
    return as_number(alpha, "alpha", 0.0)


def _columns(activation: str, alpha: float | None) -> dict[int, int]:
    return {ACTIVATION: NAMES.index(activation), ALPHA: bits(alpha)}


@dataclass(frozen=True)
class Dense:
    """y = activation(x @ weight + bias): x (B, I) or (B, T, I), weight (I, units), bias (units,), y (B, units) or
    (B, T, units).

    units: outputs. activation: a name of fastnn.kernels.activation.NAMES. alpha: the slope of leaky_relu or the scale
    of elu. initializer: of the weight, see fastnn.layers.initializers; biases begin at 0.
    """

    units: int
    activation: str = "identity"
    alpha: float | None = None
    bias: bool = True
    initializer: str | float = "auto"
    kind: ClassVar[int] = DENSE
    positionwise: ClassVar[bool] = True
    axes: ClassVar[str] = FEATURES
    torch_names: ClassVar[Collection[str]] = ("Linear",)
    onnx_names: ClassVar[Collection[str]] = ()  # see fastnn.interchange.onnx_operators
    reads_backward: ClassVar[Collection[str]] = ("inputs", "outputs")
    passes: ClassVar[Collection[int]] = ()
    joint: ClassVar[bool] = False
    local: ClassVar[bool] = False
    beside: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", as_count(self.units, "units"))
        as_choice(self.activation, NAMES, "activation")
        if not isinstance(self.bias, bool):
            raise TypeError(f"bias is {self.bias!r}; expected True or False")
        initializer_for(self.initializer, self.activation)
        object.__setattr__(self, "alpha", _alpha(self.activation, self.alpha))

    def output_shape(self, *shapes: Shape) -> Shape:
        return (self.units,)

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        ((inputs,),) = shapes
        weight = Parameter((inputs, self.units), decays=True)
        return {"weight": weight} | ({"bias": Parameter((self.units,))} if self.bias else {})

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        draw, ((inputs,),) = initializer_for(self.initializer, self.activation), shapes
        return {"weight": draw(rng, (inputs, self.units), inputs, self.units)}

    @property
    def is_product(self) -> bool:
        """Whether its outputs are a product, and a bias, alone: see fastnn.tape.pieces."""
        return self.activation == "identity"

    @property
    def _keeps_z(self) -> bool:
        return NAMES.index(self.activation) in NEEDS_Z

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"z": self.units} if self._keeps_z else {}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        (weight, _), (bias, bias_size) = places.parameter("weight"), places.parameter("bias")
        pre = places.kept("z") if self._keeps_z else places.output
        return {WEIGHT: weight, BIAS: bias, BIAS_SIZE: bias_size, PRE: pre} | _columns(self.activation, self.alpha)

    def scratch(self, rows: int, itemsize: int, *shapes: Shape) -> int:
        return int(dense_scratch(rows, shapes[0][0], self.units, itemsize, most_threads()))

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.dense_forward(rows, shapes[0][0], self.units, self.activation, itemsize, bias=self.bias)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        # A step passes its gradient through, which is what the perceptron rule wants.
        activation = "identity" if self.activation == "step" else self.activation
        return cost.dense_backward(rows, shapes[0][0], self.units, activation, itemsize, input_gradient, bias=self.bias)

    def torch_form(self, shape: Shape) -> Form:
        """Its activation is a module of its own there."""
        return Form("Linear", {"in_features": shape[-1], "out_features": self.units, "bias": self.bias})

    @classmethod
    def from_torch(cls, form: Form) -> Dense:
        return cls(form.settings["out_features"], bias=form.settings["bias"])

    def onnx_forms(self, shape: Shape) -> list[Form]:
        """A Gemm is of two axes alone."""
        if self.bias and len(shape) == 1:
            return [Form("Gemm", parameters=("weight", "bias"))]
        return [Form("MatMul", parameters=("weight",)), *([Form("Add", parameters=("bias",))] if self.bias else [])]


@dataclass(frozen=True)
class Activation(SameShape):
    """y = activation(x), elementwise: x, y of any shape."""

    activation: str
    alpha: float | None = None
    kind: ClassVar[int] = ELEMENTWISE
    torch_names: ClassVar[Collection[str]] = ()
    onnx_names: ClassVar[Collection[str]] = ()

    def __post_init__(self) -> None:
        as_choice(self.activation, NAMES, "activation")
        object.__setattr__(self, "alpha", _alpha(self.activation, self.alpha))

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        return _columns(self.activation, self.alpha)

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.activation_forward(self.activation, rows * shapes[0][0], itemsize)

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        if not input_gradient:
            return cost.Cost()
        return cost.activation_backward(self.activation, rows * shapes[0][0], itemsize)

    def torch_form(self, shape: Shape) -> None:
        """Nothing beside what its activation is there."""

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return []
