"""A network as formats of others have it: layer by layer, told to them, or read from them before its loss is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.edge.checks import as_dtype
from fastnn.graph.protocol import ANY, FEATURES, FLAT, IMAGES, axes_of
from fastnn.interchange.axes import Axes, mixes
from fastnn.layers import (
    LAYERS,
    Activation,
    ChannelSums,
    Dense,
    Graph,
    Layer,
    Masking,
    Operation,
    Parameter,
    Residual,
    Scale,
    Shape,
)
from fastnn.learning.losses import Loss
from fastnn.networks.network import Network

Array = NDArray[Any]


def kinds_in(format: str) -> list[Any]:
    """The classes of layers that a format, torch or onnx, has a word for: those that say so themselves. A subclass of
    one is another layer."""
    return [kind for kind in LAYERS.values() if f"{format}_names" in vars(kind)]


def kinds_by_name(format: str) -> dict[str, Any]:
    """By what they are called in a format when it is read, the classes of layers."""
    return {name: kind for kind in kinds_in(format) for name in getattr(kind, f"{format}_names")}


@dataclass(frozen=True)
class Told:
    """A layer as a format is told it: the shape of its rows here, how axes stand there before it, and its own names of
    its parameters.

    layer: of a class that the format has a word for, with what it says beside the protocol (see Layer).
    """

    index: int
    layer: Any
    shape: Shape
    axes: Axes
    parameters: Sequence[str]

    @property
    def activation(self) -> str:
        """Of a layer that is one operation: a module of its own elsewhere."""
        return "identity" if hasattr(self.layer, "build") else str(self.layer.activation)

    def named(self, views: Mapping[str, Array]) -> dict[str, Array]:
        """Of all parameters of the network, its own by its own names."""
        return {name: views[f"{self.index}.{name}"] for name in self.parameters}

    def named_there(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        """Its parameters by torch's names."""
        theirs = {own: other for other, own in getattr(self.layer, "torch_parameters", {}).items()}
        return {theirs.get(name, name): values for name, values in arrays.items()}


def told(network: Network, format: str) -> list[Told]:
    """The network's layers for torch, which keeps images as (C, H, W) throughout.

    ValueError, which names the first that the format has no word for, or not for the axes that it would have there.
    """
    return list(_told(network, kinds_in(format)))


def _told(network: Network, kinds: list[Any]) -> Iterator[Told]:
    axes, layers = Axes(), _layers(network, kinds)
    for index, (layer, operations) in enumerate(zip(layers, _by_layer(network), strict=True)):
        shape, after = operations[0].shapes[0], operations[-1].shape
        try:
            axes.enter(axes_of(layer, shape), shape)
        except ValueError as error:
            raise ValueError(f"layer {index} is {layer!r}: {error}") from error
        whole = {
            name: one
            for each in operations
            for name, one in zip(each.parameter_names.values(), each.parameters.values(), strict=True)
        }
        names = [name.removeprefix(f"{index}.") for name in whole]
        yield Told(index, layer, shape, replace(axes), names)
        axes.leave(shape, after, mixes(whole))
    axes.require_end()


def _by_layer(network: Network) -> list[list[Operation]]:
    """The operations of each layer."""
    groups = groupby(network.operations, key=lambda operation: operation.name.partition(".")[0])
    return [list(group) for _, group in groups]


def _layers(network: Network, kinds: list[Any]) -> list[Any]:
    for index, layer in enumerate(network.layers):
        if type(layer) not in kinds:
            names = ", ".join(kind.__name__ for kind in kinds)
            raise ValueError(f"layer {index} is {layer!r}; this format has words for {names}")
    return [*network.layers]


class Place(NamedTuple):
    """An end that a chain had: after so many layers, that last one and its parameters, with rows of that shape, None
    while it was not known."""

    layers: int
    last: Layer | None
    parameters: Mapping[str, Array] | None
    shape: Shape | None
    axes: Axes


class Chain:
    """Layers in the order that data goes through them, and their parameters by name.

    shape: of a row at its end, None while nothing has said it. flat: whether it has one axis then. layers, parameters:
    of each, by its own names. presumed: the dtype where no layer has weights, which would say it.
    """

    def __init__(self, shape: Shape | None = None, flat: bool = True) -> None:
        self.shape = self.inputs = shape
        self.flat = flat if shape is None else len(shape) == 1
        self.axes = Axes()
        self.layers: list[Any] = []
        self.parameters: list[Mapping[str, Array]] = []
        self._dtype: np.dtype[Any] | None = None
        self.presumed: np.dtype[Any] | None = None

    @property
    def width(self) -> int | None:
        """Features of a row at its end."""
        return self.shape[-1] if self.shape else None

    @property
    def numbers(self) -> int | None:
        """Of a row at its end."""
        return prod(self.shape) if self.shape else None

    def rows(self, axes: str) -> Shape | None:
        """The shape of a row as a layer that asks for such axes has it here; None where it is not known."""
        if self.shape is not None and axes == IMAGES and self.axes.channels_first is None:
            return (*self.shape[1:], self.shape[0])
        return self.shape

    def dense(self, weight: Array, bias: Array | None = None) -> None:
        """weight (I, O), bias (O,). ValueError where they do not fit each other or the layer before."""
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(f"the weight has shape {weight.shape}; expected two dimensions, neither 0")
        _, units = weight.shape
        if bias is not None and bias.shape != (units,):
            raise ValueError(f"the bias has shape {bias.shape}; expected ({units},)")
        parameters = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
        self.layer(Dense(units, bias=bias is not None), parameters)

    def container(self, layer: Any, parameters: Mapping[str, Array]) -> None:
        """Of several layers. ValueError where parameters do not fit."""
        if self.shape is None:
            raise ValueError("the shape of a row is not known here; expected it as input_shape")
        self.require_dtype(dict(parameters))
        self.axes.enter(axes_of(layer, self.shape), self.shape)
        graph = Graph(self.shape)
        end = layer.build(graph, "", 0)
        expected = {name.removeprefix("."): one.shape for name, one in graph.parameters().items()}
        if expected != {name: values.shape for name, values in parameters.items()}:
            raise ValueError(f"its parameters do not fit rows of {self.shape}")
        before, self.shape = self.shape, graph.shape_of(end)
        self.axes.leave(before, self.shape, True)
        self.flat = len(self.shape) == 1
        self.append(layer, parameters)

    def layer(
        self, layer: Layer, parameters: Mapping[str, Array] | None = None, *, channelwise: bool = False
    ) -> None:  # fmt: skip
        """With its parameters, their axes as here and their features in the order there. A bias that is left out is 0.
        channelwise: it does the same to each channel wherever these stand there.

        ValueError where they do not fit what comes.
        """
        if layer.axes == FLAT and self._flattened():
            return
        parameters = dict(parameters or {})
        self.require_dtype(parameters)
        self._enter(layer, parameters, ANY if channelwise else axes_of(layer, self.shape or ()))
        if self.shape is not None:
            seen = self.shape[-1:] if layer.positionwise else self.shape
            fitting = _fitting(layer.parameters(seen), parameters, seen)
            before, around = self.shape, self.shape[:-1] if layer.positionwise else ()
            self.shape = (*around, *layer.output_shape(seen))
            self.flat = len(self.shape) == 1
            parameters = self.axes.here(fitting)
            self.axes.leave(before, self.shape, mixes(parameters))
        self.append(layer, parameters)

    def _enter(self, layer: Layer, parameters: Mapping[str, Array], axes: str) -> None:
        """Settles the shape of what comes, and how its axes stand."""
        if self.shape is None and (axes in (IMAGES, FLAT) or (axes == FEATURES and not self.flat)):
            raise ValueError("the shape of a row is not known here; expected it as input_shape, or in the file")
        if axes == FEATURES and "weight" not in parameters and "weight" in layer.parameters((1,)):
            raise ValueError("it has no weight")
        if self.shape is None and axes == FEATURES and "weight" in parameters:
            weight = parameters["weight"]
            self.shape = self.inputs = (weight.shape[-2] if weight.ndim > 1 else weight.size,)
        if self.shape is not None and self.axes.enter(axes, self.shape):
            self.turn()

    def turn(self) -> None:
        """The rows so far were (C, H, W) or (C, T), and are (H, W, C) or (T, C) here. ValueError: of other axes."""
        if self.shape is None or self.inputs is None or len(self.shape) not in (2, 3):
            raise ValueError(f"rows are {self.shape}; expected (C, H, W), or (C, T)")
        channels, *around = self.shape
        self.shape = self.inputs = (*around, channels)
        self.axes.channels_first = True

    def transpose(self, channels_first: bool) -> None:
        """The axes of an image, or a sequence, change places there, and not here. ValueError where it is none, or has
        them so."""
        if self.shape is None or len(self.shape) not in (2, 3) or self.axes.channels_first is channels_first:
            raise ValueError(f"it moves channels of rows {self.shape}; expected an image that has them elsewhere")
        if not channels_first and self.axes.channels_first is None:
            self.turn()
        self.axes.channels_first = channels_first

    def _flattened(self) -> bool:
        """Whether rows are of one axis, or are taken so from the beginning, where no layer has asked for their axes."""
        if not self.flat and self.axes.channels_first is None:
            self.shape = self.inputs = None if self.shape is None else (prod(self.shape),)
            self.flat = True
        return self.flat

    def add_to_channels(self, bias: Array) -> bool:
        """Whether the last layer took it: a Scale, or ChannelSums, that still has zeros."""
        if not self.layers or not isinstance(self.layers[-1], (Scale, ChannelSums)):
            return False
        own = self.parameters[-1]
        if own["bias"].any() or own["bias"].shape != bias.shape:
            return False
        self.require_dtype({"bias": bias})
        self.parameters[-1] = {**own, **self.axes.here({"bias": bias})}
        return True

    def add_bias(self, bias: Array) -> bool:
        """Whether the last layer took it: a Dense that has none yet, nor an activation."""
        last = self.layers[-1] if self.layers else None
        if not isinstance(last, Dense) or last.bias or last.activation != "identity" or bias.shape != (last.units,):
            return False
        self.require_dtype({"bias": bias})
        self.layers[-1] = replace(last, bias=True)
        self.parameters[-1] = {**self.parameters[-1], "bias": bias}
        return True

    def activation(self, name: str, alpha: float | None = None) -> None:
        """Of the Dense before it where that has none yet, else a layer of its own. identity is left out."""
        last = self.layers[-1] if self.layers else None
        if name == "identity":
            return
        if isinstance(last, Dense) and last.activation == "identity":
            self.layers[-1] = replace(last, activation=name, alpha=alpha)
        else:
            self.append(Activation(name, alpha), {})

    def last_state(self) -> None:
        """Of all states, which a recurrent layer of one direction at its end gives, the last. ValueError: no such."""
        last: Any = self.layers[-1] if self.layers else None
        if not getattr(last, "return_sequences", False) or getattr(last, "bidirectional", True):
            raise ValueError(f"it takes the last position of {last!r}; expected a recurrent layer of one direction")
        assert self.shape is not None
        self.layers[-1] = replace(last, return_sequences=False)
        self.shape, self.flat = self.shape[1:], True

    def masked(self, filler: int) -> None:
        """Rows are filled up to one length. When all layers are there, since this one comes first."""
        self.layers.insert(0, Masking(filler))
        self.parameters.insert(0, {})

    def place(self) -> Place:
        """Where it ends now."""
        last, parameters = (self.layers[-1], self.parameters[-1]) if self.layers else (None, None)
        return Place(len(self.layers), last, parameters, self.shape, replace(self.axes))

    def residual(self, begin: Place) -> None:
        """What was added since it ended there becomes f, of x + f(x). ValueError where both are not of one shape."""
        at, shape = begin.layers, begin.shape or self.inputs
        first_then, first_now = begin.axes.channels_first, bool(self.axes.channels_first)
        if first_then is None and first_now and shape is not None and len(shape) in (2, 3):
            shape = (*shape[1:], shape[0])  # a layer since then has shown that they were channels
        if shape != self.shape or first_then not in (None, first_now):
            raise ValueError(f"it adds rows {shape} to rows {self.shape}, of layers after them; expected one shape")
        if at:
            if self.parameters[at - 1] is not begin.parameters:
                raise ValueError("it adds a product before its bias; expected what comes after it")
            self._apart(at - 1, begin.last)
        parameters = {
            f"{index}.{name}": values
            for index, each in enumerate(self.parameters[at:])
            for name, values in each.items()
        }
        self.layers[at:] = [Residual(*self.layers[at:])]
        self.parameters[at:] = [parameters]

    def _apart(self, index: int, before: Layer | None) -> None:
        """A layer as it was before it took the activation that came next. ValueError where it took something else."""
        now = self.layers[index]
        if now == before:
            return
        if not isinstance(now, Dense) or replace(now, activation="identity", alpha=None) != before:
            raise ValueError("it adds a product before its bias; expected what comes after it")
        self.layers[index : index + 1] = [before, Activation(now.activation, now.alpha)]
        self.parameters.insert(index + 1, {})

    def network(self, loss: str | Loss) -> Network:
        """ValueError where nothing says the inputs or the dtype, or the loss cannot follow."""
        dtype = self.presumed if self._dtype is None else self._dtype
        if self.inputs is None or dtype is None:
            unsaid = "the number of inputs and the dtype" if self.inputs is None else "the dtype"
            raise ValueError(f"there is no layer with weights, which would say {unsaid}")
        self.axes.require_end()
        layers = self.layers or [Activation("identity")]
        found = Network(self.inputs, layers, loss=loss, dtype=dtype, initialize=False)
        views = found.named_parameters
        for index, parameters in enumerate(self.parameters):
            for name, values in parameters.items():
                views[f"{index}.{name}"][...] = values
        return found

    def append(self, layer: Any, parameters: Mapping[str, Array]) -> None:
        """As they are; the shape at the end is for who calls."""
        self.layers.append(layer)
        self.parameters.append(parameters)

    def require_dtype(self, parameters: Mapping[str, Array]) -> None:
        for name, values in parameters.items():
            dtype = as_dtype(values.dtype)
            if self._dtype is not None and self._dtype != dtype:  # NumPy's float64 equals None
                raise ValueError(f"the {name} is {dtype} and what came before {self._dtype}; a network has one dtype")
            self._dtype = dtype


def _fitting(expected: Mapping[str, Parameter], parameters: Mapping[str, Array], seen: Shape) -> dict[str, Array]:
    """The parameters as a layer has them; a bias, or a count of steps, that is left out is 0."""
    weight, wanted = parameters.get("weight"), expected.get("weight")
    of_features = wanted is not None and len(wanted.shape) > 1 and wanted.shape[-2] == seen[-1]
    if of_features and weight is not None and weight.ndim > 1 and weight.shape[-2] != seen[-1]:
        raise ValueError(f"the weight takes {weight.shape[-2]} inputs and {seen[-1]} features come")
    count = {name for name, one in expected.items() if one.statistic and not one.shape}
    left_out = {name: np.zeros(one.shape) for name, one in expected.items() if name in {"bias"} | count}
    found = {**left_out, **parameters}
    shapes = {name: values.shape for name, values in found.items()}
    if shapes != {name: one.shape for name, one in expected.items()}:
        raise ValueError(f"it holds {shapes} and {seen[-1]} features come")
    return found
