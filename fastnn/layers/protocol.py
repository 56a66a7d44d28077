"""What a network asks of a layer, and what those without parameters have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import cost

Shape = tuple[int, ...]


class Places(Protocol):
    """What a layer is told for the columns of its own on a tape. output: where its values lie."""

    @property
    def output(self) -> int: ...

    def parameter(self, name: str) -> tuple[int, int]:
        """Where a parameter lies and its size; (0, 0) of one that the layer has not."""

    def keep(self, width: int) -> int:
        """Where so many numbers a row are kept for the backward pass."""


class Layer(Protocol):
    """Sizes are computed from the width of the input, never discovered by running. activation, alpha: the function that
    is applied to the layer's sums, and its constant."""

    @property
    def activation(self) -> str: ...

    @property
    def alpha(self) -> float | None: ...

    @property
    def kind(self) -> int: ...

    def output_width(self, inputs: int) -> int: ...

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]: ...

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]: ...

    def own_columns(self, inputs: int, places: Places) -> Mapping[int, int]:
        """What the kernels of its kind read beside the common columns."""

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int: ...

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost: ...

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost: ...


class SameWidth:
    """A layer without an activation of its own whose output is as wide as its input; here one without parameters."""

    activation = "identity"
    alpha: float | None = None

    def output_width(self, inputs: int) -> int:
        return inputs

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {}

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        return {}

    def own_columns(self, inputs: int, places: Places) -> Mapping[int, int]:
        return {}

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int:
        return 0
