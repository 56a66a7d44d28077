"""Neuro-evolution of a cart-pole controller in one nopython call: python benchmarks/gallery/cart_pole.py

Networks of 4-8-2, the rows of one array, push carts left or right until their poles fall or 500 steps are over; an
evolution strategy, (mu/mu_w, lambda) with weights by rank, breeds the next generation. Physics, networks and evolution
never leave compiled code, and nothing is allocated between the first generation and the last.

The cart and its pole are those of Barto, Sutton and Anderson, "Neuronlike Adaptive Elements That Can Solve Difficult
Learning Control Problems", IEEE Transactions on Systems, Man, and Cybernetics 13 (1983), with the constants, the Euler
step and the limits of Gymnasium's CartPole-v1.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numba
import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

import fastnn
from fastnn.bench.table import si
from fastnn.tape import forward, output

# SI units: m/s^2, kg, m from the cart to the middle of the pole, N, s.
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
# An episode ends beyond these, in m and rad; it begins with all of its state within +-START.
POSITION_LIMIT, ANGLE_LIMIT, START = 2.4, math.radians(12), 0.05
STEPS = 500

# Networks of a generation, how many of them breed, how far they are scattered, and the episodes of each. All of 100
# seeds learn, in 7 generations in the median and 14 at most; with a scatter of 0.2 in 7 and 49, of 1 in 9 and 18.
OFFSPRING, PARENTS, SCATTER, TRIALS = 64, 16, 0.5, 2
# Has learned what balances for 500 steps from so many fresh starts, all of them.
PROBATION = 100


@njit(nogil=True, error_model="numpy")
def push(position, velocity, angle, turn, force):
    """The state TIME_STEP later."""
    mass, moment = CART_MASS + POLE_MASS, POLE_MASS * HALF_LENGTH
    sine, cosine = math.sin(angle), math.cos(angle)
    share = (force + moment * turn * turn * sine) / mass
    angular = (GRAVITY * sine - cosine * share) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cosine * cosine / mass))
    linear = share - moment * angular * cosine / mass
    return (
        position + TIME_STEP * velocity, velocity + TIME_STEP * linear,
        angle + TIME_STEP * turn, turn + TIME_STEP * angular,
    )  # fmt: skip


@njit(nogil=True)
def balance(tape, params, observed, workspace, start):
    """Steps, of STEPS at most, that a network keeps the pole up. observed (1, 4) is what it sees."""
    position, velocity, angle, turn = start[0], start[1], start[2], start[3]
    for step in range(STEPS):
        observed[0, 0], observed[0, 1], observed[0, 2], observed[0, 3] = position, velocity, angle, turn
        forward(tape, params, observed, workspace)
        scores = output(tape, workspace, 1)
        force = FORCE if scores[0, 1] > scores[0, 0] else -FORCE
        position, velocity, angle, turn = push(position, velocity, angle, turn, force)
        if abs(position) > POSITION_LIMIT or abs(angle) > ANGLE_LIMIT:
            return step + 1
    return STEPS


@njit(nogil=True)
def _play_share(balance, lengths, tape, population, starts, observed, workspace, part, parts):
    for episode in range(part, lengths.size, parts):
        i, j = divmod(episode, len(starts))
        lengths[i, j] = balance(tape, population[i], observed, workspace, starts[j])


@njit(nogil=True, parallel=True)
def _play_on_threads(balance, lengths, tape, population, starts, observed, workspaces):
    parts = len(workspaces)
    for part in prange(parts):
        _play_share(balance, lengths, tape, population, starts, observed[part], workspaces[part], part, parts)


@njit(nogil=True)
def play(balance, lengths, tape, population, starts, observed, workspaces):
    """lengths (P, S) = steps that each network, a row of population (P, size), balances from each of starts (S, 4).

    As many threads as there are workspaces (T, size), each with an observed (T, 1, I), take the episodes in turn.
    """
    if len(workspaces) == 1:
        _play_share(balance, lengths, tape, population, starts, observed[0], workspaces[0], 0, 1)
    else:
        _play_on_threads(balance, lengths, tape, population, starts, observed, workspaces)


@njit(nogil=True)
def draw(starts, rng):
    """Starts (S, 4) of episodes, all of them anew."""
    for j in range(len(starts)):
        for k in range(4):
            starts[j, k] = rng.uniform(-START, START)


@njit(nogil=True)
def scatter(population, centre, places, rng):
    """Offspring around the centre, in pairs on opposite sides of it."""
    for i in range(0, len(population), 2):
        for j in places:
            step = SCATTER * rng.standard_normal()
            population[i, j], population[i + 1, j] = centre[j] + step, centre[j] - step


@njit(nogil=True)
def breed(centre, population, fitness, places, weights):
    """The centre becomes the mean of the best, weighted by rank; of equals the first comes first."""
    for j in places:
        centre[j] = 0
    for i in range(len(population)):
        rank = 0
        for k in range(len(population)):
            rank += fitness[k] > fitness[i] or (fitness[k] == fitness[i] and k < i)
        if rank < len(weights):
            for j in places:
                centre[j] += weights[rank] * population[i, j]


@njit(nogil=True)
def evolve(balance, centre, tape, population, places, weights, observed, workspaces, generations, rng):
    """Moves the centre until it has learned. Returns whether it has, generations, episodes and forward passes."""
    starts, fresh = np.empty((TRIALS, 4)), np.empty((PROBATION, 4))
    lengths, fitness = np.empty((len(population), TRIALS), np.int64), np.empty(len(population), np.int64)
    probation = np.zeros((1, PROBATION), np.int64)
    episodes = passes = 0
    for generation in range(generations):
        draw(starts, rng)
        scatter(population, centre, places, rng)
        play(balance, lengths, tape, population, starts, observed, workspaces)
        for i in range(len(population)):
            fitness[i] = 0
            for j in range(TRIALS):
                fitness[i] += lengths[i, j]
        breed(centre, population, fitness, places, weights)
        episodes, passes = episodes + lengths.size, passes + fitness.sum()
        if fitness.max() == TRIALS * STEPS:
            draw(fresh, rng)
            play(balance, probation, tape, centre.reshape(1, centre.size), fresh, observed, workspaces)
            episodes, passes = episodes + PROBATION, passes + probation.sum()
            if probation.min() == STEPS:
                return True, generation + 1, episodes, passes
    return False, generations, episodes, passes


def places_of(network: fastnn.Network) -> NDArray[np.intp]:
    """Where the weights and biases lie in the flat vector; what is between them stays 0."""
    marks = np.zeros_like(network.parameters)
    for block in network.named(marks).values():
        block[...] = 1
    return np.flatnonzero(marks)


def rank_weights(parents: int) -> NDArray[np.float64]:
    """What each rank counts in the mean: falling as the logarithm, as in Hansen's CMA-ES, and 1 together."""
    weights = math.log(parents + 0.5) - np.log(np.arange(1, parents + 1))
    return weights / weights.sum()


@dataclass(frozen=True)
class Learned:
    """What evolve returned, the network, which holds the centre, and seconds."""

    network: fastnn.Network
    learned: bool
    generations: int
    episodes: int
    passes: int
    seconds: float


def controller(seed: int | np.random.Generator) -> fastnn.Network:
    return fastnn.mlp(4, 8, 2, activation="tanh", seed=seed)


def rooms(network: fastnn.Network, threads: int) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    """The tape for one row, and for each thread an observation and a workspace."""
    plan = network.plan(1, gradients=False)
    observed = np.zeros((threads, 1, network.inputs), network.dtype)
    return plan.tape, observed, np.zeros((threads, plan.workspace_size), network.dtype)


@dataclass(frozen=True)
class Player:
    """What plays: networks from a seed, the rooms that each of some threads has, and an episode in them."""

    controller: Callable[[int | np.random.Generator], fastnn.Network]
    rooms: Callable[[fastnn.Network, int], tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]]
    balance: Any


SEEING = Player(controller, rooms, balance)


def learn(seed: int, threads: int = 1, generations: int = 100, player: Player = SEEING) -> Learned:
    """Evolves a controller, from OFFSPRING networks a generation."""
    rng = np.random.default_rng(seed)
    network = player.controller(rng)
    tape, observed, workspaces = player.rooms(network, threads)
    population = np.zeros((OFFSPRING, network.parameters.size), network.dtype)
    begin = time.perf_counter()
    found = evolve(
        player.balance, network.parameters, tape, population, places_of(network), rank_weights(PARENTS), observed,
        workspaces, generations, rng,
    )  # fmt: skip
    return Learned(network, *found, seconds=time.perf_counter() - begin)


def report(player: Player, seeds: int, threads: int, generations: int) -> None:
    """Evolves from seeds 0, 1, ... and prints what came of it."""
    begin = time.perf_counter()
    learn(0, threads, 1, player)
    click.echo(f"compiled in {time.perf_counter() - begin:.1f} s", err=True)
    found = [learn(seed, threads, generations, player) for seed in range(seeds)]
    seconds = sum(each.seconds for each in found)
    episodes, passes = sum(each.episodes for each in found), sum(each.passes for each in found)
    learned, generation = sum(each.learned for each in found), [each.generations for each in found]
    click.echo(f"learned, {STEPS} steps from each of {PROBATION} starts: {learned} of {seeds} seeds")
    click.echo(f"generations: {np.median(generation):.0f} in the median, {max(generation)} at most")
    click.echo(f"one evolution: {si(seconds / seeds, 's')}")
    click.echo(f"episodes: {si(episodes / seconds)} a second, {passes / episodes:.0f} steps long in the mean")
    click.echo(f"forward passes, a step of a cart with each: {si(passes / seconds)} a second")


def command(player: Player) -> click.Command:
    """The program of a player."""

    @click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
    @click.option("--seeds", default=100, type=click.IntRange(min=1), help="Evolutions, from seeds 0, 1, ...")
    @click.option("--threads", default=1, type=click.IntRange(1, numba.config.NUMBA_NUM_THREADS), help="For episodes.")
    @click.option("--generations", default=100, type=click.IntRange(min=1), help="After which one gives up.")
    def main(seeds: int, threads: int, generations: int) -> None:
        report(player, seeds, threads, generations)

    return main


main = command(SEEING)

if __name__ == "__main__":
    main()
