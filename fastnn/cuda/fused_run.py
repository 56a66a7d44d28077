"""Launches of small networks: see fastnn.cuda.fused."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda import fused
from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.room import Room
from fastnn.cuda.run import Data, Run, multiprocessors, number_of
from fastnn.cuda.target import cuda
from fastnn.learning.trainer import Trainable

# Blocks of the fused kernel for a multiprocessor, each with a part of the gradient of its own.
BLOCKS_EACH = 2
# What all of those parts take at the most, beside two blocks each: about the second cache of a large device.
PARTS_BYTES = 2**26


@cache
def _rows_kernel(itemsize: int, rows: int, of_labels: bool) -> Any:
    return fused.make_rows(number_of(itemsize), G, rows, of_labels)


class FusedRun(Run):
    """A launch for rows that go through the network and back, and one for the update."""

    path = "fused"

    def __init__(
        self, network: Trainable, params: Any, capacity: int, doubles: NDArray[np.float64], room: Room
    ) -> None:
        super().__init__(network, params, capacity, doubles)
        self._room = room
        self._tape = cuda.to_device(room.tape)
        least = BLOCKS_EACH * multiprocessors()
        # Small blocks leave room for others, as long as the parts of the gradient do not outgrow the cache.
        most = min(least * G.fused_rows[0] // room.rows, PARTS_BYTES // (self.size * self.itemsize))
        self._blocks = min(-(-capacity // room.rows), max(least, most))
        self._take_parts(self._blocks, self._blocks)

    def rows(self, data: Data, rows: int, out: Any, trains: bool) -> tuple[int, int]:
        room = self._room
        blocks = min(self._blocks, -(-rows // room.rows))
        kernel = _rows_kernel(self.itemsize, room.rows, data.y.ndim == 1)
        self.launch(
            kernel, blocks, (G.across, room.rows // G.vector),
            self._tape, self.doubles, self.params, self.parts, self._tallies, out, data.x, data.y, data.order,
            data.ledger, rows, room.staged_at, trains, shared_bytes=room.shared_bytes,
        )  # fmt: skip
        return blocks, blocks
