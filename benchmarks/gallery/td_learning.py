"""A value learned while it is walked, a training step each move: python benchmarks/gallery/td_learning.py

The random walk of Sutton and Barto, "Reinforcement Learning" (2018), example 9.1: 1000 states in a row, jumps of up to
100 to either side, -1 for leaving at the left and +1 at the right. A 1-16-1 network learns what a state is worth by
semi-gradient TD(0): after each move its value of the state goes towards that of the next. No batch can do this, since
each target depends on what the last move taught; here the whole walk is one nopython call. The oracle solves the linear
equations of all states.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from numba import njit
from numpy.typing import NDArray

import fastnn
from fastnn.bench.table import si
from fastnn.learning.training import train_step
from fastnn.tape import forward, output

STATES, JUMP = 1000, 100
# The rate falls to 0 over the moves: with a constant one, values stay off by 0.1 to 0.4.
MOVES, RATE = 1_000_000, 0.05


@njit(nogil=True)
def place(state):
    """What the network sees: -1 at the left end, 1 at the right one."""
    return 2 * state / (STATES - 1) - 1


@njit(nogil=True)
def move(state, rng):
    """The next state, below 0 or from STATES on where the walk ends."""
    jump = 1 + int(JUMP * rng.random())
    return state + jump if rng.random() < 0.5 else state - jump


@njit(nogil=True)
def walk(moves, tape, params, grads, state, control, workspace, x, y, rng):
    """So many moves, episode after episode, a training step each; x and y (1, 1). Returns how many episodes ended."""
    here, episodes = STATES // 2, 0
    for _ in range(moves):
        there = move(here, rng)
        ended = there < 0 or there >= STATES
        if ended:
            y[0, 0] = -1 if there < 0 else 1
        else:
            x[0, 0] = place(there)
            forward(tape, params, x, workspace)
            y[0, 0] = output(tape, workspace, 1)[0, 0]
        x[0, 0] = place(here)
        train_step(tape, params, grads, state, control, x, y, workspace)
        here = STATES // 2 if ended else there
        episodes += ended
    return episodes


def true_values() -> NDArray[np.float64]:
    """(STATES,): v = the mean over all jumps of the reward and of v where the jump leads."""
    jumps = np.concatenate((np.arange(-JUMP, 0), np.arange(1, JUMP + 1)))
    there = np.arange(STATES)[:, None] + jumps
    inside = (there >= 0) & (there < STATES)
    chances = np.zeros((STATES, STATES))
    np.add.at(chances, (np.nonzero(inside)[0], there[inside]), 1 / len(jumps))
    rewards = ((there >= STATES).astype(float) - (there < 0)).mean(axis=1)
    return np.linalg.solve(np.eye(STATES) - chances, rewards)


def critic(seed: int | np.random.Generator) -> fastnn.Network:
    return fastnn.mlp(1, 16, 1, activation="tanh", loss="mse", seed=seed)


class Walk:
    """A network that learns: all that walk works on, allocated once."""

    def __init__(self, network: fastnn.Network, optimizer: fastnn.SGD) -> None:
        x, y = np.zeros((1, 1), network.dtype), np.zeros((1, 1), network.dtype)
        self._arguments = *network.trainer(optimizer, batch=1).arrays, x, y

    def go(self, moves: int, rng: np.random.Generator) -> int:
        """Episodes that ended."""
        return int(walk(moves, *self._arguments, rng))


def values_of(network: fastnn.Network) -> NDArray[Any]:
    """(STATES,): what the network takes the states to be worth."""
    return network(place(np.arange(STATES))[:, None])[:, 0]


@dataclass(frozen=True)
class Learned:
    """error: of the values, root mean square."""

    network: fastnn.Network
    error: float
    episodes: int
    seconds: float


def learn(seed: int, moves: int = MOVES) -> Learned:
    rng = np.random.default_rng(seed)
    network = critic(rng)
    learner = Walk(network, fastnn.SGD(RATE, schedule=fastnn.Cosine(moves)))
    begin = time.perf_counter()
    episodes = learner.go(moves, rng)
    seconds = time.perf_counter() - begin
    error = float(np.sqrt(np.mean((values_of(network) - true_values()) ** 2)))
    return Learned(network, error, episodes, seconds)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seeds", default=10, type=click.IntRange(min=1), help="Walks, from seeds 0, 1, ...")
@click.option("--moves", default=MOVES, type=click.IntRange(min=1), help="Of each.")
def main(seeds: int, moves: int) -> None:
    begin = time.perf_counter()
    learn(0, moves=1)
    click.echo(f"compiled in {time.perf_counter() - begin:.1f} s", err=True)
    found = [learn(seed, moves) for seed in range(seeds)]
    errors, seconds = [each.error for each in found], sum(each.seconds for each in found)
    click.echo(f"values between -1 and 1 are off by {np.median(errors):.3f} (rms) in the median of {seeds} seeds, "
               f"{max(errors):.3f} at most")  # fmt: skip
    click.echo(f"episodes: {np.mean([each.episodes for each in found]):.0f} a walk of {moves:,} moves")
    click.echo(f"a move, with its forward pass and training step: {si(seconds / (seeds * moves), 's')}")


if __name__ == "__main__":
    main()
