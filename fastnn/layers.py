"""What a network is made of. Each layer states its shapes, its parameters, its tape row and its cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import cost
from fastnn._jit import most_threads
from fastnn.checks import as_choice, as_count, as_number
from fastnn.initializers import initializer_for
from fastnn.kernels.activation import DEFAULT_ALPHA, NAMES, NEEDS_Z
from fastnn.kernels.dense import dense_scratch
from fastnn.tape import DENSE, ELEMENTWISE

Shape = tuple[int, ...]


class Layer(Protocol):
    """Sizes are computed from the width of the input, never discovered by running."""

    @property
    def activation(self) -> str: ...

    @property
    def alpha(self) -> float | None: ...

    @property
    def kind(self) -> int: ...

    def output_width(self, inputs: int) -> int: ...

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]: ...

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]: ...

    def keeps_input_of_activation(self) -> bool: ...

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int: ...

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost: ...

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost: ...


def _alpha(activation: str, alpha: float | None) -> float | None:
    if alpha is None:
        return DEFAULT_ALPHA.get(activation)
    if activation not in DEFAULT_ALPHA:
        raise ValueError(f"alpha is for {' and '.join(DEFAULT_ALPHA)}; {activation} has none")
    # Below 0 neither is monotonic, and their derivatives, taken from the sign of y, would be wrong.
    return as_number(alpha, "alpha", 0.0)


@dataclass(frozen=True)
class Dense:
    """y = activation(x @ weight + bias): x (B, I), weight (I, units), bias (units,), y (B, units).

    units: outputs. activation: a name of fastnn.kernels.activation.NAMES. alpha: the slope of leaky_relu or the scale
    of elu. initializer: of the weight, see fastnn.initializers; biases begin at 0.
    """

    units: int
    activation: str = "identity"
    alpha: float | None = None
    bias: bool = True
    initializer: str = "auto"
    kind = DENSE

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", as_count(self.units, "units"))
        as_choice(self.activation, NAMES, "activation")
        if not isinstance(self.bias, bool):
            raise TypeError(f"bias is {self.bias!r}; expected True or False")
        initializer_for(self.initializer, self.activation)
        object.__setattr__(self, "alpha", _alpha(self.activation, self.alpha))

    def output_width(self, inputs: int) -> int:
        return self.units

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        shapes: dict[str, Shape] = {"weight": (inputs, self.units)}
        return shapes | {"bias": (self.units,)} if self.bias else shapes

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        draw = initializer_for(self.initializer, self.activation)
        return {"weight": draw(rng, (inputs, self.units), inputs, self.units)}

    def keeps_input_of_activation(self) -> bool:
        return NAMES.index(self.activation) in NEEDS_Z

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int:
        return int(dense_scratch(batch, inputs, self.units, itemsize, most_threads()))

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return cost.dense_forward(batch, inputs, self.units, self.activation, itemsize, bias=self.bias)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        # A step passes its gradient through, which is what the perceptron rule wants.
        activation = "identity" if self.activation == "step" else self.activation
        return cost.dense_backward(batch, inputs, self.units, activation, itemsize, input_gradient, bias=self.bias)


@dataclass(frozen=True)
class Activation:
    """y = activation(x), elementwise: x, y (B, I)."""

    activation: str
    alpha: float | None = None
    kind = ELEMENTWISE

    def __post_init__(self) -> None:
        as_choice(self.activation, NAMES, "activation")
        object.__setattr__(self, "alpha", _alpha(self.activation, self.alpha))

    def output_width(self, inputs: int) -> int:
        return inputs

    def parameter_shapes(self, inputs: int) -> Mapping[str, Shape]:
        return {}

    def initial(self, rng: np.random.Generator, inputs: int) -> Mapping[str, NDArray[np.float64]]:
        return {}

    def keeps_input_of_activation(self) -> bool:
        return False

    def scratch(self, batch: int, inputs: int, itemsize: int) -> int:
        return 0

    def forward_cost(self, batch: int, inputs: int, itemsize: int) -> cost.Cost:
        return cost.activation_forward(self.activation, batch * inputs, itemsize)

    def backward_cost(self, batch: int, inputs: int, itemsize: int, input_gradient: bool) -> cost.Cost:
        if not input_gradient:
            return cost.Cost()
        return cost.activation_backward(self.activation, batch * inputs, itemsize)


# Names that a file may hold.
KINDS: dict[str, type[Dense] | type[Activation]] = {"dense": Dense, "activation": Activation}


def describe_layer(layer: Layer) -> dict[str, Any]:
    """A layer as JSON can keep it. TypeError for a layer that is none of KINDS."""
    for name, kind in KINDS.items():
        if type(layer) is kind:
            return {"kind": name, **asdict(layer)}
    raise TypeError(f"layer is {layer!r}; a file can hold {' and '.join(KINDS)}")


def layer_of(description: dict[str, Any]) -> Layer:
    """The layer that describe_layer described."""
    settings = dict(description)
    return KINDS[settings.pop("kind")](**settings)
