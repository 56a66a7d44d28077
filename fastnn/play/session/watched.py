"""A training of a small network of dense layers, of which a page shows every number on the way of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.kernels.activation import NAMES
from fastnn.learning.training import LEARNING_RATE
from fastnn.play.session.looking import Looking
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run, flat


class Watched(Measured):
    """activations: of each layer."""

    def __init__(
        self, run: Run, activations: Sequence[str], held_out: tuple[ArrayLike, ArrayLike], optimizer: str
    ) -> None:
        super().__init__(run, held_out, optimizer)
        self._activations = activations
        self._looking = Looking(run.network, list(activations))
        self.look_at(np.zeros(run.network.inputs), 0)

    def look_at(self, x: ArrayLike, y: float) -> None:
        """The row that is shown on its way, and its truth."""
        network = self.network
        target = [y] if network.loss_function.name == "cross_entropy" else [[y]]
        self._x, self._y = network.as_input(np.array([x])), network.as_target(target, 1)

    def arrays(self, moving: bool) -> dict[str, NDArray[Any]]:
        """moving: only the derivative that is looked at is tried.

        With the numbers come those that they were made of, so that a page writes no sum of two moments.
        """
        looking, rate = self._looking, self.run.trainer.control[LEARNING_RATE]
        sums, values = looking.values(self._x)
        loss, gradient = looking.gradient(self._x, self._y)
        indices = [self.picked] if moving else range(self.network.parameter_count)
        return super().arrays(moving) | {
            "x": self._x[0], "truth": np.ravel(self._y), "rate": np.array([rate]),
            "activations": np.array([NAMES.index(name) for name in self._activations]),
            "probe_loss": np.array([loss]), "parameters": flat(self.network), "gradient": gradient,
            "tried": looking.tried(self._x, self._y, list(indices)),
            "sums": sums, "values": values, "slopes": looking.slopes(sums),
            "probabilities": self.network.predict_proba(self._x)[0],
        }  # fmt: skip

    def words(self) -> dict[str, Any]:
        return super().words() | {"activation_names": NAMES}
