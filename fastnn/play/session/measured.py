"""A training with what a page shows of any: how far it is, how right and how fast."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.networks.network import Network
from fastnn.play.session.curve import POINTS
from fastnn.play.session.run import Steps

# The first array of a frame. accuracy: of rows held out. trains: 1 while the next steps come at once. looked: the step
# of what takes long.
NUMBERS = ("accuracy", "steps_per_second", "points", "window", "latest", "trains", "looked")

Arrays = dict[str, NDArray[Any]]
# Seconds from one look at what takes long to the next, while it trains.
PAUSE = 0.25


class Measured:
    """run: the training. held_out: rows (x, y) to count right answers on. optimizer: its name, which a step's cost
    depends on. last: the step with which its schedule ends, if it has one. about: words of one's own.

    look: arrays of one's own, by name. pause: seconds after which they, and the right answers, are found again while it
    trains: 0 with each frame, PAUSE where that takes long.
    """

    def __init__(
        self, run: Steps, held_out: tuple[ArrayLike, ArrayLike], optimizer: str,
        look: Callable[[], Mapping[str, ArrayLike]] | None = None, pause: float = 0.0, last: int | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.run, self.network, self.optimizer = run, run.network, optimizer
        self.last, self._about = last, about or {}
        self._held_out, self._look, self._pause = run.trainer.hold(*held_out), look, pause
        self.picked = 0
        self.look_again()

    def look_again(self) -> None:
        """With the next frame, whatever the pause: something else is looked at."""
        self._accuracy, self._looked, self._due = 0.0, -1, 0.0
        self._seen: Arrays = {}

    def arrays(self, moving: bool) -> Arrays:
        """moving: whether the next steps come at once, so that less may be computed."""
        run = self.run
        if not moving or self._looked < 0 or time.perf_counter() >= self._due:
            self._accuracy, self._looked = self.accuracy(), run.steps
            self._seen = {name: np.asarray(values) for name, values in (self._look() if self._look else {}).items()}
            self._due = time.perf_counter() + self._pause
        numbers = (
            self._accuracy, run.steps_per_second, run.curve.count, run.curve.window, run.curve.latest, moving,
            self._looked,
        )  # fmt: skip
        return {"numbers": np.array(numbers), "curve": run.curve.means, **self._seen}

    def accuracy(self) -> float:
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
