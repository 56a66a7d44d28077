"""The axes of rows and of parameters here and elsewhere.

Weights are (..., in, out) here and (out, in, ...) in PyTorch. Images are (H, W, C) here and (C, H, W) there; where they
are flattened, their numbers have another order, and with them the parameters of what follows, until a layer mixes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.graph.protocol import FEATURES, IMAGES, Shape

Array = NDArray[Any]


def as_there(values: Array) -> Array:
    """(..., in, out) as (out, in, ...)."""
    return values if values.ndim < 2 else np.moveaxis(values, (-1, -2), (0, 1))


def as_here(values: Array) -> Array:
    """(out, in, ...) as (..., in, out)."""
    return values if values.ndim < 2 else np.moveaxis(values, (0, 1), (-1, -2))


@dataclass
class Axes:
    """How the axes of rows stand elsewhere, on the way through a network.

    channels_first: of an image; None before a layer has asked for its axes. order: where number i of a row here is
    there; None where it is the same.
    """

    channels_first: bool | None = None
    order: NDArray[np.intp] | None = None

    def enter(self, axes: str, shape: Shape) -> bool:
        """Before a layer that asks for such axes, by axes_of; whether it shows that rows are (C, H, W) there.
        ValueError."""
        if axes == IMAGES and self.channels_first is False:
            raise ValueError("it takes images, after a layer of the last axis, which is not that of their channels")
        if axes == FEATURES and len(shape) > 1:
            if self.channels_first:
                raise ValueError("it works on the last axis, and channels come first elsewhere; flatten before it")
            self.channels_first = False
        shown = axes == IMAGES and self.channels_first is None
        if axes == IMAGES:
            self.channels_first = True
        return shown

    def leave(self, before: Shape, after: Shape, mixes: bool) -> None:
        """After a layer, of rows of these shapes here; mixes: it has a matrix, so that its outputs are in its order."""
        if mixes:
            self.order = None
        if self.channels_first and len(before) > len(after) == 1 and prod(before) == prod(after):
            *around, channels = before
            there = np.arange(prod(before))
            here = np.moveaxis(there.reshape(channels, *around), 0, -1).ravel()
            self.order = None if np.array_equal(here, there) else here
            self.channels_first = None

    def here(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """A layer's parameters, axes as here, with their features in the order of here and not of there."""
        return parameters_in(self.order, parameters)

    def there(self, parameters: Mapping[str, Array]) -> dict[str, Array]:
        """A layer's parameters as they are there, axes and order."""
        ordered = parameters_in(None if self.order is None else np.argsort(self.order), parameters)
        return {name: as_there(values) for name, values in ordered.items()}

    def require_end(self) -> None:
        """ValueError where a network ends in numbers that are in another order there."""
        if self.order is not None:
            raise ValueError("the network ends in images that are flattened, whose numbers are in another order there")


def mixes(parameters: Mapping[str, Any]) -> bool:
    """Whether a layer of these parameters, or their arrays, mixes the features of a row: one is a matrix."""
    return any(len(values.shape) > 1 for values in parameters.values())


def parameters_in(order: NDArray[np.intp] | None, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """A matrix by its rows, and its bias as it is, which is of outputs; vectors alone are of the features."""
    if order is None:
        return dict(parameters)
    least = 2 if mixes(parameters) else 1
    return {
        name: np.take(values, order, axis=-least) if values.ndim >= least else values
        for name, values in parameters.items()
    }
