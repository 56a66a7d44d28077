"""Layers that bring each row to one scale. Formulas: fastnn.kernels.norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import block_cost, cost
from fastnn.checks import as_number
from fastnn.layers.protocol import Places, SameWidth, Shape
from fastnn.tape import norm
from fastnn.tape.columns import bits


@dataclass(frozen=True)
class _Norm(SameWidth):
    """What both have in common. epsilon: above 0, so that a constant row gives 0 and not NaN."""

    epsilon: float
    kind: ClassVar[int] = norm.NORM
    centred: ClassVar[bool]

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", as_number(self.epsilon, "epsilon", 0.0))
        if self.epsilon == 0:
            raise ValueError("epsilon is 0; expected more, which a row of equal numbers is divided by")

    def own_columns(self, inputs: int, places: Places) -> Mapping[int, int]:
        (weight, _), (bias, bias_size) = places.parameter("weight"), places.parameter("bias")
        return {
            norm.WEIGHT: weight, norm.BIAS: bias, norm.BIAS_SIZE: bias_size, norm.NORMAL: places.keep(inputs),
            norm.INVERSE: places.keep(1), norm.EPSILON: bits(self.epsilon), norm.CENTRED: self.centred,
        }  # fmt: skip

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": np.ones(inputs)}

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return block_cost.norm_forward(batch, inputs, itemsize, centred=self.centred)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        return block_cost.norm_backward(batch, inputs, itemsize, input_gradient, centred=self.centred)


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias over the features of each row, as in torch.

    x, y (B, I), weight (I,), which begins at 1, bias (I,), which begins at 0. The variance divides by I, not I - 1.
    """

    epsilon: float = 1e-5
    centred: ClassVar[bool] = True

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {"weight": (inputs,), "bias": (inputs,)}


@dataclass(frozen=True)
class RMSNorm(_Norm):
    """y = x / sqrt(mean of squares + epsilon) * weight over the features of each row.

    x, y (B, I), weight (I,), which begins at 1.
    """

    epsilon: float = 1e-6
    centred: ClassVar[bool] = False

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {"weight": (inputs,)}
