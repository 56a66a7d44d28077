"""Where a block of the fused kernel keeps its rows in shared memory, and how many of them.

Values lie by features, `stride` apart (see fastnn.cuda.fused_product). Once the gradient of a layer's weight is known,
nobody reads the layer's input any more, so that the gradient of that input takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastnn.cuda.fused_product import staged_size, stride_of
from fastnn.cuda.geometry import GEOMETRY as G
from fastnn.cuda.loss import TALLY
from fastnn.learning.trainer import Trainable
from fastnn.tape import columns

# Widest layer of a fused network.
FUSED_WIDTH = 128
# Elements between the beginnings of two layers' values are multiples of this.
UNIT = 4


@dataclass(frozen=True)
class Room:
    """The tape of a block of so many rows, where its staged weights begin, and its bytes of dynamic shared memory."""

    tape: NDArray[np.int64]
    rows: int
    staged_at: int
    shared_bytes: int


def _laid_out(tape: NDArray[np.int64], inputs: int, stride: int) -> tuple[NDArray[np.int64], int]:
    """A tape with the places of its values, and the elements that they take."""
    tape = tape.copy()
    header, end = tape[0], 0

    def take(width: int) -> int:
        nonlocal end
        at, end = end, end + -(-width * stride // UNIT) * UNIT
        return at

    header[columns.BATCH_AT] = take(inputs)
    source = -1
    for row in tape[1 : 1 + int(header[columns.OPERATIONS])]:
        width, keeps = int(row[columns.WIDTH_OUT]), row[columns.PRE] != row[columns.OUTPUT]
        row[columns.INPUT] = source
        if row[columns.DINPUT] >= 0:
            row[columns.DINPUT] = source
        source = take(width)
        row[columns.OUTPUT] = row[columns.PRE] = row[columns.DOUTPUT] = source
        if keeps:
            row[columns.PRE] = take(width)
    header[columns.OUTPUT_AT] = source
    # The loss reads the output while it writes the gradient.
    header[columns.DOUTPUT_AT] = row[columns.DOUTPUT] = take(width)
    return tape, end


def _room(network: Trainable, rows: int) -> Room:
    tape, end = _laid_out(network.plan(1, keep=True).tape, network.inputs, stride_of(rows))
    return Room(tape, rows, end, (end + staged_size(G, rows)) * network.dtype.itemsize)


def room_for(network: Trainable, capacity: int, multiprocessors: int) -> Room | None:
    """For batches of up to `capacity` rows: of as many rows as leave each multiprocessor a block, and fit. None for a
    network that is too large."""
    if max(network.inputs, *(operation.outputs for operation in network.operations)) > FUSED_WIDTH:
        return None
    rooms = [_room(network, rows) for rows in G.fused_rows]
    fitting = [room for room in rooms if room.shared_bytes + room.rows * TALLY * 8 <= G.shared_bytes]
    busy = [room for room in fitting if -(-capacity // room.rows) >= multiprocessors]
    return busy[0] if busy else fitting[-1] if fitting else None
