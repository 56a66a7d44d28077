"""One layer on rows of one shape, as the checks take it: alone, and in the middle of networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.layers.dense import Dense
from fastnn.layers.dropout import Dropout
from fastnn.networks.network import Network

Array = NDArray[Any]
# y (B, ...) of x (B, ...) and the parameters by their own names, all in float64.
Reference = Callable[[Mapping[str, Array], Array], Array]


@dataclass(frozen=True)
class Case:
    """A layer, or a container of layers, on rows of `shape`.

    reference: the same in float64 and NumPy, which shares no code with the kernels. terms: how many roundings a value
    of the kernels may differ by from it, in units of the largest number of its row; 16 are enough for sums of some
    hundred terms. wrong: references that are wrong in a way that people get it wrong, each of which the check must
    refuse. smooth: whether it has a gradient everywhere, which differences can tell. ids: rows are whole numbers below
    that, as an embedding takes them, which stands first in its network then.
    """

    layer: Any
    shape: tuple[int, ...]
    reference: Reference | None = None
    terms: float = 16.0
    wrong: Sequence[Reference] = field(default=())
    smooth: bool = True
    name: str = ""
    ids: int = 0

    def __str__(self) -> str:
        return f"{self.name or type(self.layer).__name__} {'x'.join(map(str, self.shape))}"

    def alone(self, dtype: str) -> Network:
        """The layer as a network, its parameters drawn."""
        return self._drawn(Network(self.shape, [self.layer], loss="mse", dtype=dtype, seed=3))

    def amid(self, dtype: str, hidden: int = 0) -> Network:
        """Between dense layers, so that its input has a gradient; hidden: units of one more, for more parameters.

        Its neighbours are dropouts that drop nothing, and read nothing in their backward pass: what it reads in its own
        is there if it said so.
        """
        more = [Dense(hidden, "tanh")] if hidden else []
        before = (
            [] if self.ids else [*(more or [Dense(self.shape[-1], "tanh")]), *[Dense(self.shape[-1])] * bool(hidden)]
        )
        layers = [*before, Dropout(0.0), self.layer, Dropout(0.0), *(more if self.ids else []), Dense(3)]
        return self._drawn(Network(self.shape, layers, loss="mse", dtype=dtype, seed=3))

    def _drawn(self, net: Network) -> Network:
        """Parameters that are not what they begin at."""
        rng = np.random.default_rng(7)
        for values in net.named_parameters.values():
            values += rng.normal(0, 0.2, values.shape)
        return net

    def rows(self, count: int, dtype: str, seed: int = 0) -> Array:
        rng, shape = np.random.default_rng(seed), (count, *self.shape)
        return (rng.integers(0, self.ids, shape) if self.ids else rng.normal(size=shape)).astype(dtype)

    def parameters(self, net: Network) -> dict[str, Array]:
        """Of `alone`, by the layer's own names, in float64."""
        return {name.partition(".")[2]: values.astype(float) for name, values in net.named_parameters.items()}


def targets(net: Network, rows: int, seed: int = 1) -> Array:
    """Numbers for a network's outputs."""
    return np.random.default_rng(seed).normal(size=(rows, *net.output_shape)).astype(net.dtype)
