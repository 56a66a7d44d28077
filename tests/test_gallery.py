"""benchmarks/gallery/: its examples learn, compute what plain Python computes, and do so again from the same seed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numba import njit
from numba.core.runtime import _nrt_python, rtsys

sys.path.append(str(Path(__file__).parents[1] / "benchmarks" / "gallery"))

import blind_cart_pole
import cart_pole
import ode_surrogate
import td_learning

import fastnn
from fastnn.tape import decode, output

Array = Any


def invoke(main: Any, *arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


# Cart-pole ------------------------------------------------------------------------------------------------------------


def barto(state: Array, force: float) -> Array:
    """The equations of the paper of 1983, without friction, in its own letters, and a step of Euler."""
    m, mp, l, g = 1.1, 0.1, 0.5, 9.8  # noqa: E741
    x, dx, theta, dtheta = state
    sine, cosine = np.sin(theta), np.cos(theta)
    numerator = g * sine + cosine * (-force - mp * l * dtheta**2 * sine) / m
    ddtheta = numerator / (l * (4 / 3 - mp * cosine**2 / m))
    ddx = (force + mp * l * (dtheta**2 * sine - ddtheta * cosine)) / m
    return state + 0.02 * np.array([dx, ddx, dtheta, ddtheta])


def balanced_by(network: fastnn.Network, start: Array) -> int:
    """How long a network keeps the pole up, asked by Python."""
    state = start
    for step in range(500):
        scores = network(state[None])[0]
        state = barto(state, 10.0 if scores[1] > scores[0] else -10.0)
        if abs(state[0]) > 2.4 or abs(state[2]) > 12 * math.pi / 180:
            return step + 1
    return 500


def starts(count: int) -> Array:
    return np.random.default_rng(7).uniform(-0.05, 0.05, (count, 4))


def played(network: fastnn.Network, population: Array, begin: Array, threads: int = 1) -> Array:
    tape, observed, workspaces = cart_pole.rooms(network, threads)
    lengths = np.full((len(population), len(begin)), -1)
    cart_pole.play(cart_pole.balance, lengths, tape, population, begin, observed, workspaces)
    return lengths


def test_a_push_is_that_of_the_paper() -> None:
    state = np.array([0.1, -0.5, 0.05, 0.8])
    for force in np.random.default_rng(0).choice([-10.0, 10.0], 50):
        pushed = cart_pole.push(*state, force)
        state = barto(state, force)
        np.testing.assert_allclose(pushed, state, rtol=1e-12, atol=1e-14)


def test_a_network_balances_as_long_as_python_says() -> None:
    networks = [cart_pole.controller(seed) for seed in range(8)] + [cart_pole.learn(0).network]
    lengths = played(networks[0], np.stack([each.parameters for each in networks]), starts(3))
    assert lengths.tolist() == [[balanced_by(network, start) for start in starts(3)] for network in networks]
    assert lengths[-1].tolist() == [500] * 3
    assert len(np.unique(lengths)) > 5


@pytest.mark.parametrize("threads", [2, 3])
def test_any_number_of_threads_plays_the_same(threads: int) -> None:
    network = cart_pole.learn(0).network
    population = np.stack([network.parameters] * 10)
    rng = np.random.default_rng(0)
    cart_pole.scatter(population, network.parameters, cart_pole.places_of(network), rng)
    np.testing.assert_array_equal(
        played(network, population, starts(3), threads), played(network, population, starts(3))
    )


def test_ten_seeds_of_ten_learn_to_balance_and_go_on_to_from_starts_they_have_not_seen() -> None:
    found = [cart_pole.learn(seed) for seed in range(10)]
    assert all(each.learned for each in found)
    for each in found:
        lengths = played(each.network, each.network.parameters[None], starts(100))
        assert np.mean(lengths == 500) >= 0.95
        assert each.episodes >= each.generations * 128
        assert each.passes <= 500 * each.episodes
    assert len({each.generations for each in found}) > 1


def test_evolution_is_the_same_from_the_same_seed_on_any_number_of_threads() -> None:
    once, again, shared, other = (cart_pole.learn(*how) for how in ((3,), (3,), (3, 2), (4,)))
    assert once.network.parameters.tobytes() == again.network.parameters.tobytes()
    assert once.network.parameters.tobytes() == shared.network.parameters.tobytes()
    assert (once.generations, once.episodes, once.passes) == (shared.generations, shared.episodes, shared.passes)
    assert once.network.parameters.tobytes() != other.network.parameters.tobytes()


def test_evolution_moves_weights_alone_and_leaves_the_padding_zero() -> None:
    network = cart_pole.learn(1).network
    places = cart_pole.places_of(network)
    assert len(places) == network.parameter_count == 58
    assert not np.delete(network.parameters, places).any()
    assert network.parameters[places].all()


@pytest.fixture
def counted() -> Iterator[None]:
    """Numba counts what it allocates."""
    _nrt_python.memsys_enable_stats()
    yield
    _nrt_python.memsys_disable_stats()


@pytest.mark.usefixtures("counted")
def test_generations_allocate_nothing() -> None:
    def allocations(generations: int) -> int:
        before = rtsys.get_allocation_stats().alloc
        assert cart_pole.learn(11, generations=generations).generations == generations
        return int(rtsys.get_allocation_stats().alloc - before)

    assert allocations(4) == allocations(1) > 0


# Without velocities ---------------------------------------------------------------------------------------------------


def remembered_by(network: fastnn.Network, start: Array) -> int:
    """How long a recurrent network keeps the pole up, asked by Python."""
    state, decoder = start, fastnn.Decoder(network)
    for step in range(500):
        seen = np.array([[state[0] / 2.4, state[2] / math.radians(12)]])
        scores = decoder.step(seen.astype(np.float32))[0]
        state = barto(state, 10.0 if scores[1] > scores[0] else -10.0)
        if abs(state[0]) > 2.4 or abs(state[2]) > 12 * math.pi / 180:
            return step + 1
    return 500


def test_a_network_with_a_memory_balances_as_long_as_python_says() -> None:
    player = blind_cart_pole.BLIND
    networks = [player.controller(seed) for seed in range(6)] + [cart_pole.learn(0, player=player).network]
    tape, observed, workspaces = player.rooms(networks[0], 1)
    lengths = np.full((len(networks), 3), -1)
    population = np.stack([each.parameters for each in networks])
    cart_pole.play(player.balance, lengths, tape, population, starts(3), observed, workspaces)
    assert lengths.tolist() == [[remembered_by(network, start) for start in starts(3)] for network in networks]
    assert lengths[-1].tolist() == [500] * 3
    assert len(np.unique(lengths)) > 5


def test_ten_seeds_of_ten_learn_without_velocities_and_on_any_number_of_threads() -> None:
    found = [cart_pole.learn(seed, player=blind_cart_pole.BLIND) for seed in range(10)]
    assert all(each.learned for each in found)
    shared = cart_pole.learn(9, 2, player=blind_cart_pole.BLIND)
    assert shared.network.parameters.tobytes() == found[9].network.parameters.tobytes()


@njit
def forgetful(tape: Any, params: Any, observed: Any, workspace: Any, start: Any) -> int:
    """The same, of a network whose memory is taken from it at each step."""
    position, velocity, angle, turn = start[0], start[1], start[2], start[3]
    for step in range(500):
        observed[0, 0], observed[0, 1] = position / 2.4, angle / math.radians(12)
        decode(tape, params, observed, workspace, 0 * step)
        scores = output(tape, workspace, 1)
        force = 10.0 if scores[0, 1] > scores[0, 0] else -10.0
        position, velocity, angle, turn = cart_pole.push(position, velocity, angle, turn, force)
        if abs(position) > 2.4 or abs(angle) > math.radians(12):
            return step + 1
    return 500


def test_what_is_seen_in_one_moment_is_not_enough() -> None:
    player = replace(blind_cart_pole.BLIND, balance=forgetful)
    assert not cart_pole.learn(0, generations=60, player=player).learned


@pytest.mark.usefixtures("counted")
def test_generations_of_networks_with_a_memory_allocate_nothing() -> None:
    def allocations(generations: int) -> int:
        before = rtsys.get_allocation_stats().alloc
        cart_pole.learn(11, 1, generations, blind_cart_pole.BLIND)
        return int(rtsys.get_allocation_stats().alloc - before)

    assert allocations(6) == allocations(2) > 0


def test_ranks_weigh_less_and_less_and_one_together() -> None:
    weights = cart_pole.rank_weights(16)
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights) < 0).all()
    assert weights[-1] > 0


def test_the_next_centre_is_the_weighted_mean_of_the_best() -> None:
    population, centre = np.arange(12.0).reshape(4, 3), np.zeros(3)
    cart_pole.breed(centre, population, np.array([5, 9, 1, 9]), np.array([0, 2]), np.array([0.75, 0.25]))
    expected = 0.75 * population[1] + 0.25 * population[3]  # of equals the first
    assert centre.tolist() == [expected[0], 0, expected[2]]


def test_the_cart_pole_program_says_what_it_found() -> None:
    said = invoke(cart_pole.main, "--seeds", "2")
    assert "learned, 500 steps from each of 100 starts: 2 of 2 seeds" in said
    assert "forward passes, a step of a cart with each:" in said


# Surrogate ------------------------------------------------------------------------------------------------------------


def runge_kutta(slope: Callable[[Array], Array], state: Array, steps: int) -> Array:
    """(steps + 1, N, 2), by plain NumPy."""
    h, found = ode_surrogate.STEP, [state]
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + h / 2 * k1)
        k3 = slope(state + h / 2 * k2)
        k4 = slope(state + h * k3)
        state = state + h * ((k1 + 2 * k2 + 2 * k3 + k4) / 6)
        found.append(state)
    return np.array(found)


@pytest.fixture(scope="module")
def surrogate() -> fastnn.Network:
    return ode_surrogate.surrogate(0)


def test_pendulums_swing_as_plain_numpy_says(surrogate: fastnn.Network) -> None:
    def slope(state: Array) -> Array:
        return np.stack((state[:, 1], surrogate(state)[:, 0]), 1)

    found = ode_surrogate.Pendulums(surrogate, ode_surrogate.releases(3), steps=50).swing()
    np.testing.assert_allclose(found, runge_kutta(slope, found[0], 50), rtol=1e-12, atol=1e-15)


def test_pendulums_swing_together_as_each_alone(surrogate: fastnn.Network) -> None:
    together = ode_surrogate.Pendulums(surrogate, ode_surrogate.releases(5), steps=100).swing()
    for i, release in enumerate(ode_surrogate.releases(5)):
        alone = ode_surrogate.Pendulums(surrogate, np.array([release]), steps=100).swing()
        assert together[:, i].tobytes() == alone[:, 0].tobytes()


def test_the_oracle_solves_the_equation() -> None:
    def slope(state: Array) -> Array:
        return np.stack((state[:, 1], -np.sin(state[:, 0]) - 0.1 * state[:, 1] * np.abs(state[:, 1])), 1)

    found = runge_kutta(slope, np.array([[2.5, 0.0]]), 500)[:, 0]
    np.testing.assert_allclose(ode_surrogate.truth(2.5, 500), found, atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_a_surrogate_follows_the_truth(seed: int) -> None:
    assert ode_surrogate.error(ode_surrogate.surrogate(seed)) < 0.05


def test_a_network_that_has_not_learned_does_not() -> None:
    assert ode_surrogate.error(ode_surrogate.surrogate(0, epochs=1)) > 0.2


def test_a_surrogate_is_the_same_from_the_same_seed(surrogate: fastnn.Network) -> None:
    assert surrogate.parameters.tobytes() == ode_surrogate.surrogate(0).parameters.tobytes()
    assert surrogate.parameters.tobytes() != ode_surrogate.surrogate(1).parameters.tobytes()


def test_the_surrogate_program_says_what_it_found() -> None:
    said = invoke(ode_surrogate.main, "--seeds", "1", "--pendulums", "7")
    assert "the angle is off by 0.0" in said
    assert "7 at once: a step of a pendulum, four passes," in said


# Walk -----------------------------------------------------------------------------------------------------------------


def test_true_values_are_the_mean_of_what_follows() -> None:
    values = td_learning.true_values()
    np.testing.assert_allclose(values, -values[::-1], atol=1e-12)
    for state in (0, 30, 500, 950, 999):
        jumps = [sign * size for sign in (-1, 1) for size in range(1, 101)]
        after = [(-1 if state + jump < 0 else 1 if state + jump > 999 else values[state + jump]) for jump in jumps]
        assert values[state] == pytest.approx(np.mean(after), abs=1e-12)


def test_a_walk_teaches_what_steps_from_python_teach() -> None:
    walked, stepped = td_learning.critic(0), td_learning.critic(0)
    episodes = td_learning.Walk(walked, fastnn.SGD(0.05)).go(300, np.random.default_rng(5))
    trainer, rng = stepped.trainer(fastnn.SGD(0.05), batch=1), np.random.default_rng(5)
    here, ended = 500, 0
    for _ in range(300):
        jump = 1 + int(100 * rng.random())
        there = here + jump if rng.random() < 0.5 else here - jump
        outside = there < 0 or there > 999
        target = np.sign(there) if outside else stepped([[2 * there / 999 - 1]])[0, 0]
        trainer.step([[2 * here / 999 - 1]], [[target]])
        here, ended = 500 if outside else there, ended + outside
    assert episodes == ended > 0
    assert walked.parameters.tobytes() == stepped.parameters.tobytes()


@pytest.mark.parametrize("seed", range(3))
def test_a_walk_finds_the_values(seed: int) -> None:
    found = td_learning.learn(seed)
    assert found.error < 0.08
    assert 11_000 < found.episodes < 13_000


def test_a_short_walk_does_not_find_them_and_is_the_same_from_the_same_seed() -> None:
    found, again, other = (td_learning.learn(seed, 2000) for seed in (0, 0, 1))
    assert found.error > 0.1
    assert found.network.parameters.tobytes() == again.network.parameters.tobytes()
    assert found.network.parameters.tobytes() != other.network.parameters.tobytes()


def test_the_walk_program_says_what_it_found() -> None:
    said = invoke(td_learning.main, "--seeds", "2", "--moves", "5000")
    assert "in the median of 2 seeds" in said
    assert "a walk of 5,000 moves" in said
