"""A training of dense layers, with all that a page shows of it at one moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.networks.network import Network
from fastnn.play.session.curve import POINTS
from fastnn.play.session.looking import Looking
from fastnn.play.session.run import Run, flat

# The first array of a frame.
NUMBERS = ("loss", "accuracy", "steps_per_second", "points", "window", "latest", "is_over", "is_pure")


class Watched:
    """run: the training. held_out: rows (x, y) to count right answers on. activations: of each layer."""

    def __init__(
        self, run: Run, activations: Sequence[str], held_out: tuple[ArrayLike, ArrayLike], optimizer: str
    ) -> None:
        self.run, self.network, self.optimizer = run, run.network, optimizer
        self.activations = list(activations)
        self._looking = Looking(run.network, self.activations)
        self._held_out = run.trainer.hold(*held_out)
        self._x, self._y = self._row(np.zeros(run.network.inputs), 0)
        self.picked = 0

    def _row(self, x: ArrayLike, y: float) -> tuple[NDArray[Any], NDArray[Any]]:
        network = self.network
        target = [y] if network.loss_function.name == "cross_entropy" else [[y]]
        return network.as_input([x]), network.as_target(target, 1)

    def look_at(self, x: ArrayLike, y: float) -> None:
        """The row that is shown on its way, and its truth."""
        self._x, self._y = self._row(x, y)

    def arrays(self, moving: bool) -> dict[str, NDArray[Any]]:
        """moving: whether the next steps come at once; then only the derivative that is looked at is tried."""
        run, looking = self.run, self._looking
        sums, values = looking.values(self._x)
        loss, gradient = looking.gradient(self._x, self._y)
        indices = [self.picked] if moving else range(self.network.parameter_count)
        numbers = (
            loss, self.network.evaluate(self._held_out).accuracy, run.steps_per_second, run.curve.count,
            run.curve.window, run.curve.latest, run.is_over, run.is_pure,
        )  # fmt: skip
        return {
            "numbers": np.array(numbers), "parameters": flat(self.network), "gradient": gradient,
            "tried": looking.tried(self._x, self._y, list(indices)),
            "sums": sums, "values": values, "slopes": looking.slopes(sums),
            "probabilities": self.network.predict_proba(self._x)[0], "curve": run.curve.means,
        }  # fmt: skip

    def words(self) -> dict[str, Any]:
        """What a page must know once: shapes, names, counts."""
        network, batch = self.network, self.run.batch
        cost, row = network.cost(batch, self.optimizer), network.cost(1, self.optimizer)
        return {
            "numbers": NUMBERS, "points": POINTS, "sizes": sizes_of(network), "activations": self.activations,
            "shapes": {name: list(view.shape) for name, view in network.named_parameters.items()},
            "parameters": network.parameter_count, "batch": batch, "rows": self.run.held.rows,
            "steps_of_epoch": self.run.steps_of_epoch,
            "cost": {
                "forward_macs": row.forward.macs, "forward_flops": row.forward.flops,
                "step_macs": cost.total.macs, "step_flops": cost.total.flops, "step_bytes": cost.total.bytes,
            },
        }  # fmt: skip


def sizes_of(network: Network) -> list[int]:
    """Of a network of dense layers: inputs, then the units of each."""
    return [math.prod(network.input_shape), *(operation.outputs for operation in network.operations)]
