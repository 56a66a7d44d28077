"""A training of a small network of dense layers, of which a page shows every number on the way of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.play.session.looking import Looking
from fastnn.play.session.measured import Measured
from fastnn.play.session.run import Run, flat


class Watched(Measured):
    """activations: of each layer."""

    def __init__(
        self, run: Run, activations: Sequence[str], held_out: tuple[ArrayLike, ArrayLike], optimizer: str
    ) -> None:
        super().__init__(run, held_out, optimizer)
        self._looking = Looking(run.network, list(activations))
        self.look_at(np.zeros(run.network.inputs), 0)

    def look_at(self, x: ArrayLike, y: float) -> None:
        """The row that is shown on its way, and its truth."""
        network = self.network
        target = [y] if network.loss_function.name == "cross_entropy" else [[y]]
        self._x, self._y = network.as_input(np.array([x])), network.as_target(target, 1)

    def arrays(self, moving: bool) -> dict[str, NDArray[Any]]:
        """moving: only the derivative that is looked at is tried."""
        looking = self._looking
        sums, values = looking.values(self._x)
        loss, gradient = looking.gradient(self._x, self._y)
        indices = [self.picked] if moving else range(self.network.parameter_count)
        return super().arrays(moving) | {
            "probe_loss": np.array([loss]), "parameters": flat(self.network), "gradient": gradient,
            "tried": looking.tried(self._x, self._y, list(indices)),
            "sums": sums, "values": values, "slopes": looking.slopes(sums),
            "probabilities": self.network.predict_proba(self._x)[0],
        }  # fmt: skip
