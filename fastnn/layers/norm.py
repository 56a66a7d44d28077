"""Layers that bring each row to one scale. Formulas: fastnn.kernels.norm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn import block_cost, cost
from fastnn.checks import as_number
from fastnn.layers.protocol import SameWidth, Shape
from fastnn.tape.columns import LAYER_NORM, RMS_NORM


@dataclass(frozen=True)
class _Norm(SameWidth):
    """What both have in common. epsilon: above 0, so that a constant row gives 0 and not NaN."""

    epsilon: float
    kind: ClassVar[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "epsilon", as_number(self.epsilon, "epsilon", 0.0))
        if self.epsilon == 0:
            raise ValueError("epsilon is 0; expected more, which a row of equal numbers is divided by")

    @property
    def alpha(self) -> float:
        return self.epsilon

    def keeps_values(self) -> bool:
        return True

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        return {"weight": np.ones(inputs)}

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int:
        return 2 * inputs  # the gradients of weight and bias that wait for their update

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return block_cost.norm_forward(batch, inputs, itemsize, centred=self.kind == LAYER_NORM)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        return block_cost.norm_backward(batch, inputs, itemsize, input_gradient, centred=self.kind == LAYER_NORM)


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """y = (x - mean) / sqrt(variance + epsilon) * weight + bias over the features of each row, as in torch.

    x, y (B, I), weight (I,), which begins at 1, bias (I,), which begins at 0. The variance divides by I, not I - 1.
    """

    epsilon: float = 1e-5
    kind: ClassVar[int] = LAYER_NORM

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {"weight": (inputs,), "bias": (inputs,)}


@dataclass(frozen=True)
class RMSNorm(_Norm):
    """y = x / sqrt(mean of squares + epsilon) * weight over the features of each row.

    x, y (B, I), weight (I,), which begins at 1.
    """

    epsilon: float = 1e-6
    kind: ClassVar[int] = RMS_NORM

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {"weight": (inputs,)}
