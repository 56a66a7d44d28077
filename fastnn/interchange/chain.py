"""A network as it is read from elsewhere, layer by layer, before its loss is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnn.checks import as_dtype
from fastnn.layers import Activation, Dense, Dropout, Layer
from fastnn.losses import Loss
from fastnn.network import Network

Array = NDArray[Any]


def layers_among(network: Network, kinds: tuple[type[Layer], ...]) -> tuple[Layer, ...]:
    """The network's layers. ValueError, which names the first that is none of the kinds a format has a word for."""
    layers: list[Layer] = []
    for index, layer in enumerate(network.layers):
        if type(layer) not in kinds:
            names = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"layer {index} is {layer!r}; this format has words for {names}")
        layers.append(cast(Layer, layer))
    return tuple(layers)


class Chain:
    """Layers in the order that data goes through them, and their parameters by name.

    width: features of a row at its end, None while nothing has said how many.
    """

    def __init__(self, width: int | None = None) -> None:
        self.width = self.inputs = width
        self.layers: list[Layer] = []
        self._parameters: list[dict[str, Array]] = []
        self._dtype: np.dtype[Any] | None = None

    def dense(self, weight: Array, bias: Array | None = None) -> None:
        """weight (I, O), bias (O,). ValueError where they do not fit each other or the layer before."""
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(f"the weight has shape {weight.shape}; expected two dimensions, neither 0")
        inputs, units = weight.shape
        if self.width not in (None, inputs):
            raise ValueError(f"the weight takes {inputs} inputs and {self.width} features come")
        if bias is not None and bias.shape != (units,):
            raise ValueError(f"the bias has shape {bias.shape}; expected ({units},)")
        parameters = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        self._require_dtype(parameters)
        self.inputs = inputs if self.inputs is None else self.inputs
        self.width = units
        self._append(Dense(units, bias=bias is not None), parameters)

    def norm(self, layer: Layer, parameters: dict[str, Array]) -> None:
        """A LayerNorm or RMSNorm with its weight (I,) and bias (I,). ValueError where they do not fit what comes."""
        shapes = {name: values.shape for name, values in parameters.items()}
        width = parameters["weight"].size if self.width is None else self.width
        if shapes != {name: one.shape for name, one in layer.parameters((width,)).items()}:
            raise ValueError(f"it holds {shapes} and {width} features come")
        self._require_dtype(parameters)
        self.inputs = width if self.inputs is None else self.inputs
        self.width = width
        self._append(layer, parameters)

    def dropout(self, rate: float) -> None:
        """Left out where the rate is 0."""
        if rate:
            self._append(Dropout(rate), {})

    def add_bias(self, bias: Array) -> bool:
        """Whether the last layer took it: a Dense that has none yet, nor an activation."""
        last = self.layers[-1] if self.layers else None
        if not isinstance(last, Dense) or last.bias or last.activation != "identity" or bias.shape != (last.units,):
            return False
        self._require_dtype({"bias": bias})
        self.layers[-1] = replace(last, bias=True)
        self._parameters[-1]["bias"] = bias
        return True

    def activation(self, name: str, alpha: float | None = None) -> None:
        """Of the Dense before it where that has none yet, else a layer of its own. identity is left out."""
        last = self.layers[-1] if self.layers else None
        if name == "identity":
            return
        if isinstance(last, Dense) and last.activation == "identity":
            self.layers[-1] = replace(last, activation=name, alpha=alpha)
        else:
            self._append(Activation(name, alpha), {})

    def network(self, loss: str | Loss) -> Network:
        """ValueError where there is no Dense, or the loss cannot follow."""
        if self.inputs is None or self._dtype is None:
            raise ValueError("there is no layer with weights, which would say the number of inputs and the dtype")
        found = Network(self.inputs, self.layers, loss=loss, dtype=self._dtype, initialize=False)
        views = found.named_parameters
        for index, parameters in enumerate(self._parameters):
            for name, values in parameters.items():
                views[f"{index}.{name}"][...] = values
        return found

    def _append(self, layer: Layer, parameters: dict[str, Array]) -> None:
        self.layers.append(layer)
        self._parameters.append(parameters)

    def _require_dtype(self, parameters: dict[str, Array]) -> None:
        for name, values in parameters.items():
            dtype = as_dtype(values.dtype)
            if self._dtype is not None and self._dtype != dtype:  # NumPy's float64 equals None
                raise ValueError(f"the {name} is {dtype} and what came before {self._dtype}; a network has one dtype")
            self._dtype = dtype
