"""Layers that bring each row to one scale. Formulas: fastnn.kernels.norm."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn.edge.checks import as_epsilon
from fastnn.graph.forms import Form
from fastnn.graph.protocol import FEATURES, Parameter, Places, SameShape, Shape
from fastnn.operations import norm
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class _Norm(SameShape):
    """What both have in common. epsilon: above 0, so that a constant row gives 0 and not NaN."""

    epsilon: float
    kind: ClassVar[int] = norm.NORM
    axes: ClassVar[str] = FEATURES
    reads_backward: ClassVar[Collection[str]] = ()
    centred: ClassVar[bool]

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", as_epsilon(self.epsilon))

    def kept(self, *shapes: Shape) -> Mapping[str, int]:
        return {"normal": shapes[0][0], "inverse": 1}

    def own_columns(self, places: Places, *shapes: Shape) -> Mapping[int, int]:
        (weight, weight_size), (bias, bias_size) = places.parameter("weight"), places.parameter("bias")
        return {
            norm.WEIGHT: weight, norm.BIAS: bias, norm.BIAS_SIZE: bias_size, norm.NORMAL: places.kept("normal"),
            norm.INVERSE: places.kept("inverse"), norm.EPSILON: bits(self.epsilon), norm.CENTRED: self.centred,
            norm.WEIGHT_SIZE: weight_size,
        }  # fmt: skip

    @property
    def names(self) -> Sequence[str]:
        """Of its parameters."""
        raise NotImplementedError

    def parameters(self, *shapes: Shape) -> Mapping[str, Parameter]:
        return {name: Parameter(shapes[0]) for name in self.names}

    def initial(self, rng: np.random.Generator, *shapes: Shape) -> Mapping[str, NDArray[np.float64]]:
        return {name: np.ones(shapes[0]) for name in self.names if name == "weight"}

    def forward_cost(self, rows: int, itemsize: int, *shapes: Shape) -> cost.Cost:
        return cost.norm_forward(rows, shapes[0][0], itemsize, centred=self.centred, parameters=len(self.names))

    def backward_cost(self, rows: int, itemsize: int, input_gradient: bool, *shapes: Shape) -> cost.Cost:
        width, count = shapes[0][0], len(self.names)
        return cost.norm_backward(rows, width, itemsize, input_gradient, centred=self.centred, parameters=count)

    def torch_form(self, shape: Shape) -> Form:
        return Form(type(self).__name__, {"normalized_shape": shape[-1], "eps": self.epsilon})

    @classmethod
    def _epsilon_of(cls, form: Form) -> float:
        """An epsilon that is None is that of the dtype there. ValueError."""
        if len(form.settings["normalized_shape"]) != 1:
            raise ValueError("expected one dimension to normalise")
        epsilon = form.settings["eps"]
        return float(np.finfo(form.dtype or np.float32).eps) if epsilon is None else float(epsilon)

    @classmethod
    def from_onnx(cls, form: Form) -> Self:
        if form.rows is None or form.settings.get("axis") != len(form.rows):
            form.require(axis=-1)
        return cls(form.settings.get("epsilon", 1e-5))


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias over the features of each row, as in torch.

    x, y (B, I) or (B, T, I), weight (I,), which begins at 1, bias (I,), which begins at 0; bias=False has none. The
    variance divides by I, not I - 1.
    """

    epsilon: float = 1e-5
    bias: bool = True
    centred: ClassVar[bool] = True
    torch_names: ClassVar[Collection[str]] = ("LayerNorm",)
    onnx_names: ClassVar[Collection[str]] = ("LayerNormalization",)

    @property
    def names(self) -> Sequence[str]:
        return ("weight", "bias") if self.bias else ("weight",)

    def torch_form(self, shape: Shape) -> Form:
        form = super().torch_form(shape)
        return form if self.bias else replace(form, settings={**form.settings, "bias": False})

    def onnx_forms(self, shape: Shape) -> list[Form]:
        return [Form("LayerNormalization", {"axis": -1, "epsilon": self.epsilon}, self.names)]

    @classmethod
    def from_torch(cls, form: Form) -> LayerNorm:
        if not form.settings["weight"]:
            raise ValueError("expected weights (elementwise_affine=True)")
        return cls(cls._epsilon_of(form), bool(form.settings["bias"]))


@dataclass(frozen=True)
class RMSNorm(_Norm):
    """y = x / sqrt(mean of squares + epsilon) * weight over the features of each row.

    x, y (B, I) or (B, T, I), weight (I,), which begins at 1; weight=False has none.
    """

    epsilon: float = 1e-6
    weight: bool = True
    centred: ClassVar[bool] = False
    torch_names: ClassVar[Collection[str]] = ("RMSNorm",)
    onnx_names: ClassVar[Collection[str]] = ("RMSNormalization",)

    @property
    def names(self) -> Sequence[str]:
        return ("weight",) if self.weight else ()

    def torch_form(self, shape: Shape) -> Form:
        form = super().torch_form(shape)
        return form if self.weight else replace(form, settings={**form.settings, "elementwise_affine": False})

    @classmethod
    def from_torch(cls, form: Form) -> RMSNorm:
        return cls(cls._epsilon_of(form), bool(form.settings["weight"]))

    def onnx_forms(self, shape: Shape) -> list[Form]:
        scale = {} if self.weight else {"scale": np.ones(shape[-1])}
        return [Form("RMSNormalization", {"axis": -1, "epsilon": self.epsilon}, self.names, constants=scale)]
