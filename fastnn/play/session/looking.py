"""One row on its way through a network: every sum and value, the gradient by it, and that derivative by trying."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import tape
from fastnn.demo.activations import value_and_slope
from fastnn.layers import Activation, Dense, Layer
from fastnn.learning.optimizers import SGD
from fastnn.networks.network import Network
from fastnn.play.session.run import flat
from fastnn.tape.columns import OUTPUT

# Of a central difference in float64: its error is about h^2 and 1e-16 / h.
NUDGE = 1e-5


class Looking:
    """Into a network of dense layers. activations: of each layer, in their order."""

    def __init__(self, network: Network, activations: list[str]) -> None:
        self.network, self._activations = network, activations
        chain: list[Layer] = []
        for operation, activation in zip(network.operations, activations, strict=True):
            chain += [Dense(operation.outputs), Activation(activation)]
        # Its parameters lie as those of the network do, since activations have none.
        self._apart = Network(network.inputs, chain, loss=network.loss_function, initialize=False)
        self._plan = self._apart.plan(1, gradients=False, keep=True)
        self._workspace = self._plan.workspace()
        self._exact = Network(network.inputs, network.layers, loss=network.loss_function, dtype="float64",
                              initialize=False)  # fmt: skip
        self._trainer: Any = network.trainer(SGD(1.0), batch=1)

    def values(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Sums, and what the activations make of them, of all layers, one behind the other."""
        tape.forward(self._plan.tape, self.network.parameters, x, self._workspace)
        found = [self._value(row, operation.outputs) for row, operation in enumerate(self._apart.operations, 1)]
        return np.concatenate(found[::2]), np.concatenate(found[1::2])

    def _value(self, row: int, size: int) -> NDArray[Any]:
        at = int(self._plan.tape[row, OUTPUT])
        return self._workspace[at : at + size].copy()

    def slopes(self, sums: NDArray[Any]) -> NDArray[Any]:
        """Of the activations at those sums."""
        found, at = [], 0
        for operation, activation in zip(self.network.operations, self._activations, strict=True):
            found.append(value_and_slope(activation, sums[at : at + operation.outputs].astype(np.float64))[1])
            at += operation.outputs
        return np.concatenate(found)

    def gradient(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """The loss of the row, and its derivative by each parameter."""
        loss = float(self._trainer.gradient(x, y))
        return loss, flat(self.network, self._trainer.grads)

    def tried(self, x: NDArray[Any], y: NDArray[Any], indices: list[int]) -> NDArray[Any]:
        """The derivative by some parameters, from the loss a little below and above each, in float64; NaN by others."""
        values = flat(self.network).astype(np.float64)
        found = np.full(values.size, np.nan)
        for index in indices:
            below, above = (self._loss(values, index, values[index] + each, x, y) for each in (-NUDGE, NUDGE))
            found[index] = (above - below) / (2 * NUDGE)
        return found

    def _loss(self, values: NDArray[Any], index: int, value: float, x: NDArray[Any], y: NDArray[Any]) -> float:
        moved = values.copy()
        moved[index] = value
        at = 0
        for view in self._exact.named_parameters.values():
            view[...] = moved[at : at + view.size].reshape(view.shape)
            at += view.size
        return self._exact.loss(x, y)
