"""What a network asks of a layer, and what those without parameters have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import cost

Shape = tuple[int, ...]


class Layer(Protocol):
    """Sizes are computed from the width of the input, never discovered by running. alpha: the real constant of the
    tape's row."""

    @property
    def activation(self) -> str: ...

    @property
    def alpha(self) -> float | None: ...

    @property
    def kind(self) -> int: ...

    def output_width(self, inputs: int) -> int: ...

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]: ...

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]: ...

    def keeps_values(self) -> bool:
        """Whether values of its own, as wide as its output, are kept for the backward pass (column PRE)."""

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int: ...

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost: ...

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost: ...


class SameWidth:
    """A layer without an activation of its own whose output is as wide as its input; here one without parameters."""

    activation = "identity"

    def output_width(self, inputs: int) -> int:
        return inputs

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {}

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        return {}

    def keeps_values(self) -> bool:
        return False

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int:
        return 0
