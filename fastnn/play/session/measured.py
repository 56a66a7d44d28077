"""A training with what a page shows of any: how far it is, how right and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.networks.network import Network
from fastnn.play.session.curve import POINTS
from fastnn.play.session.run import Steps

# The first array of a frame. accuracy: of rows held out. trains: 1 while the next steps come at once.
NUMBERS = ("accuracy", "steps_per_second", "points", "window", "latest", "trains")


class Measured:
    """run: the training. held_out: rows (x, y) to count right answers on. optimizer: its name, which a step's cost
    depends on. more: arrays of one's own, by name. last: the step with which its schedule ends, if it has one. about:
    words of one's own.
    """

    def __init__(
        self, run: Steps, held_out: tuple[ArrayLike, ArrayLike], optimizer: str,
        more: Mapping[str, Callable[[], ArrayLike]] | None = None, last: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.run, self.network, self.optimizer = run, run.network, optimizer
        self.last = last
        self._held_out, self._more = run.trainer.hold(*held_out), more or {}
        self._about = about or {}
        self.picked = 0

    def look_at(self, x: ArrayLike, y: float) -> None:
        """The row that is shown on its way, where one is."""
        raise NotImplementedError

    def arrays(self, moving: bool) -> dict[str, NDArray[Any]]:
        """moving: whether the next steps come at once, so that less may be computed."""
        run = self.run
        numbers = (
            self.accuracy(moving), run.steps_per_second, run.curve.count, run.curve.window,
            run.curve.latest, moving,
        )  # fmt: skip
        more = {name: np.asarray(values()) for name, values in self._more.items()}
        return {"numbers": np.array(numbers), "curve": run.curve.means, **more}

    def accuracy(self, moving: bool) -> float:
        """Of the rows held out."""
        return self.network.evaluate(self._held_out).accuracy

    def save(self, path: Path) -> None:
        """As `network.save`."""
        self.network.save(path)

    def words(self) -> dict[str, Any]:
        """What a page must know once: shapes, names, counts."""
        network, batch = self.network, self.run.batch
        cost, row = network.cost(batch, self.optimizer), network.cost(1, self.optimizer)
        return {
            "numbers": NUMBERS, "points": POINTS, "sizes": sizes_of(network), "parameters": network.parameter_count,
            "batch": batch, "steps_of_epoch": self.run.steps_of_epoch,
            "cost": {
                "forward_macs": row.forward.macs,
                "step_macs": cost.total.macs, "step_flops": cost.total.flops, "step_bytes": cost.total.bytes,
            },
            **self._about,
        }  # fmt: skip


def sizes_of(network: Network) -> list[int]:
    """Of a network of dense layers: inputs, then the units of each."""
    return [math.prod(network.input_shape), *(operation.outputs for operation in network.operations)]
