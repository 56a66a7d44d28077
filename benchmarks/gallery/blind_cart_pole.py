"""A controller with a memory, in one nopython call: python benchmarks/gallery/blind_cart_pole.py

The cart-pole of cart_pole.py, of which the networks see position and angle alone, and no velocities: what a pole does
next does not follow from what is seen of it. A GRU of 8 units takes a step with each step of the cart, and remembers.
Evolution is that of cart_pole.py; nothing is allocated between the first generation and the last.

Gomez and Miikkulainen, "Solving Non-Markovian Control Tasks with Neuroevolution", IJCAI 1999, hide velocities so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from cart_pole import ANGLE_LIMIT, FORCE, POSITION_LIMIT, STEPS, Player, command, push
from numba import njit
from numpy.typing import NDArray

import fastnn
from fastnn.tape import decode, output

UNITS = 8


@njit(nogil=True)
def balance(tape, params, observed, workspace, start):
    """Steps, of STEPS at most, that a network keeps the pole up. observed (1, 2) is what it sees, over their limits."""
    position, velocity, angle, turn = start[0], start[1], start[2], start[3]
    for step in range(STEPS):
        observed[0, 0], observed[0, 1] = position / POSITION_LIMIT, angle / ANGLE_LIMIT
        decode(tape, params, observed, workspace, step)  # from states of 0 in step 0
        scores = output(tape, workspace, 1)
        force = FORCE if scores[0, 1] > scores[0, 0] else -FORCE
        position, velocity, angle, turn = push(position, velocity, angle, turn, force)
        if abs(position) > POSITION_LIMIT or abs(angle) > ANGLE_LIMIT:
            return step + 1
    return STEPS


def controller(seed: int | np.random.Generator) -> fastnn.Network:
    return fastnn.Network((STEPS, 2), [fastnn.GRU(UNITS), fastnn.Dense(2)], seed=seed)


def rooms(network: fastnn.Network, threads: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """The tape for one step, and for each thread an observation and a workspace, which keeps the state."""
    tape, _, workspace = fastnn.Decoder(network).arrays
    return tape, np.zeros((threads, 1, 2), network.dtype), np.stack([workspace] * threads)


BLIND = Player(controller, rooms, balance)
main = command(BLIND)

if __name__ == "__main__":
    main()
