"""What measure.py times: calls of the gallery's examples, what their twins are given, and what each must answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import blind_cart_pole
import cart_pole
import numpy as np
import ode_surrogate
import td_learning
from numpy.typing import NDArray

import fastnn
from fastnn.bench.measuring import Run

Arrays = dict[str, NDArray[Any]]

# Moves of a call, and pendulums' steps where many swing: the slowest twin takes less than a second.
MOVES, SHORT = 500, 400


@dataclass(frozen=True)
class Case:
    """A call of an example, once made: `units` forward passes or moves. ways: of its twins, see torch_twins.py.

    size: networks, pendulums or walks in a call. inputs: what the twins are given. answer: what ours was; theirs may
    differ by at most `limit`.
    """

    example: str
    size: int
    unit: str
    units: int
    ways: tuple[str, ...]
    inputs: Arrays
    answer: NDArray[Any]
    limit: float
    run: Run


def _repeat(play: Callable[..., object], *arguments: Any) -> Run:
    def run(calls: int) -> None:
        for _ in range(calls):
            play(*arguments)

    return run


def _parameters(networks: list[Mapping[str, NDArray[Any]]]) -> Arrays:
    """w0 (P, I, O), b0 (P, O), w1, ... of P networks by their named parameters."""
    names = {f"{name[2]}{name[0]}": name for name in networks[0]}  # "0.weight" becomes w0
    return {short: np.stack([network[name] for network in networks]) for short, name in names.items()}


def cart_poles(threads: int, count: int) -> Case:
    """A generation of so many networks around a controller that has learned, each from TRIALS starts."""
    return _generation("cart_pole", cart_pole.SEEING, threads, count, _parameters)


def blind_cart_poles(threads: int, count: int) -> Case:
    """The same of recurrent ones."""
    return _generation("blind_cart_pole", blind_cart_pole.BLIND, threads, count, _recurrent)


def _recurrent(networks: list[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Parameters of a GRU and a dense layer, as a GRUCell and a Linear name them, weights (P, in, out)."""
    names = {
        "weight_ih": "0.ih_l0.weight", "bias_ih": "0.ih_l0.bias", "weight_hh": "0.hh_l0.weight",
        "bias_hh": "0.hh_l0.bias", "weight": "1.weight", "bias": "1.bias",
    }  # fmt: skip
    return {theirs: np.stack([network[name] for network in networks]) for theirs, name in names.items()}


def _generation(
    name: str, player: cart_pole.Player, threads: int, count: int, parameters_of: Callable[..., Arrays]
) -> Case:  # fmt: skip
    rng = np.random.default_rng(0)
    network = cart_pole.learn(0, player=player).network
    tape, observed, workspaces = player.rooms(network, threads)
    population, starts = np.zeros((count, network.parameters.size), network.dtype), np.zeros((cart_pole.TRIALS, 4))
    cart_pole.scatter(population, network.parameters, cart_pole.places_of(network), rng)
    cart_pole.draw(starts, rng)
    lengths = np.zeros((count, cart_pole.TRIALS), np.int64)
    run = _repeat(cart_pole.play, player.balance, lengths, tape, population, starts, observed, workspaces)
    run(1)
    ways = ("loop", "bare", "batched", "compiled") if count <= cart_pole.OFFSPRING else ("batched", "compiled")
    inputs = parameters_of([network.named(each) for each in population])
    return Case(
        name, count, "pass, step of a cart", int(lengths.sum()), ways,
        inputs | {"starts": starts, "steps": np.array(cart_pole.STEPS)}, lengths.copy(), 0, run,
    )  # fmt: skip


def pendulums(threads: int, count: int) -> Case:
    """A surrogate, Runge and Kutta's steps of as many pendulums."""
    steps = ode_surrogate.STEPS if count == 1 else SHORT
    network, releases = ode_surrogate.surrogate(0), ode_surrogate.releases(count)
    group = ode_surrogate.Pendulums(network, releases, steps)
    run = _repeat(group.swing)
    run(1)
    inputs = {name: each[0] for name, each in _parameters([network.named_parameters]).items()}
    inputs |= {"releases": releases, "steps": np.array(steps), "step": np.array(ode_surrogate.STEP)}
    return Case(
        "ode_surrogate", count, "pass, 1/4 step", 4 * steps * count,
        ("loop", "bare", "compiled") if count == 1 else ("batched", "compiled"), inputs, group.trajectory, 1e-4, run,
    )  # fmt: skip


def walks(threads: int, count: int) -> Case:
    """A critic's first moves, again and again; one walk."""
    network, seed = td_learning.critic(0), 1
    inputs = {name: each[0] for name, each in _parameters([network.named_parameters]).items()}
    learner = td_learning.Walk(network, fastnn.SGD(td_learning.RATE))
    run = _repeat(lambda: learner.go(MOVES, np.random.default_rng(seed)))
    run(1)
    inputs |= {"moves": np.array(MOVES), "rate": np.array(td_learning.RATE), "seed": np.array(seed)}
    return Case(
        "td_learning", count, "move, pass, training", MOVES, ("loop", "bare", "compiled"), inputs,
        td_learning.values_of(network), 1e-4, run,
    )  # fmt: skip


# Of how many at once, and whether several threads share the call.
CASES: tuple[tuple[Callable[[int, int], Case], int, bool], ...] = (
    (cart_poles, cart_pole.OFFSPRING, True), (cart_poles, 1024, True), (blind_cart_poles, cart_pole.OFFSPRING, True),
    (blind_cart_poles, 1024, True), (pendulums, 1, False), (pendulums, 1000, True),
    (walks, 1, False),
)  # fmt: skip
