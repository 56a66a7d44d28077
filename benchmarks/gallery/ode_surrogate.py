"""A network inside of an ODE solver, in one nopython call: python benchmarks/gallery/ode_surrogate.py

Of a pendulum with drag, angle'' = -sin(angle) - DRAG angle' |angle'|, only noisy measurements of the acceleration are
known, at states here and there. A 2-16-16-1 network learns it from them and takes the place of the right-hand side in
the classical Runge-Kutta method, four passes a step. Any number of pendulums swing at once, a row of a batch each; the
oracle is SciPy's solve_ivp on the true equation.
"""

from __future__ import annotations

import time
from typing import Any

import click
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

import fastnn
from fastnn.bench.table import si
from fastnn.tape import forward, output

# Time in units of sqrt(length / gravity), so that gravity is 1; angles in rad.
DRAG, NOISE = 0.1, 0.02
# States are measured within these angles and velocities; releases from rest at up to RELEASE stay inside.
ANGLES, VELOCITIES, RELEASE = 3.0, 2.5, 2.5
MEASUREMENTS, EPOCHS, BATCH = 4096, 200, 32
# Two and a half swings to and fro. Half the step changes them by 3e-8: what errs is the network.
STEP, STEPS = 0.01, 2000


@njit(nogil=True)
def _slopes(slope, state, tape, params, seen, workspace):
    """slope (N, 2) = d state / dt of angles and velocities (N, 2). seen (N, 2) is what the network reads."""
    for i in range(len(state)):
        seen[i, 0], seen[i, 1] = state[i, 0], state[i, 1]
    forward(tape, params, seen, workspace)
    acceleration = output(tape, workspace, len(state))
    for i in range(len(state)):
        slope[i, 0], slope[i, 1] = state[i, 1], acceleration[i, 0]


@njit(nogil=True)
def _move(there, here, step, slope):
    for i in range(len(here)):
        for j in range(2):
            there[i, j] = here[i, j] + step * slope[i, j]


@njit(nogil=True)
def swing(trajectory, step, tape, params, slopes, seen, workspace):
    """trajectory (T + 1, N, 2): from its first states, N angles and velocities, T steps of Runge and Kutta.

    slopes (4, N, 2) are those of the stages, and the next state holds each stage until it is known itself.
    """
    for t in range(len(trajectory) - 1):
        now, then = trajectory[t], trajectory[t + 1]
        _slopes(slopes[0], now, tape, params, seen, workspace)
        for stage in range(1, 4):
            _move(then, now, step if stage == 3 else step / 2, slopes[stage - 1])
            _slopes(slopes[stage], then, tape, params, seen, workspace)
        for i in range(len(now)):
            for j in range(2):
                mean = (slopes[0, i, j] + 2 * slopes[1, i, j] + 2 * slopes[2, i, j] + slopes[3, i, j]) / 6
                then[i, j] = now[i, j] + step * mean


def acceleration(angle: Any, velocity: Any) -> Any:
    """The truth, which the network is not told."""
    return -np.sin(angle) - DRAG * velocity * np.abs(velocity)


def measure(rng: np.random.Generator, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """States (count, 2), and what a sensor with NOISE says of their accelerations."""
    states = rng.uniform((-ANGLES, -VELOCITIES), (ANGLES, VELOCITIES), (count, 2))
    return states, acceleration(*states.T) + NOISE * rng.standard_normal(count)


def surrogate(seed: int, epochs: int = EPOCHS) -> fastnn.Network:
    """A network that has learned the acceleration from measurements."""
    rng = np.random.default_rng(seed)
    network = fastnn.mlp(2, 16, 16, 1, activation="tanh", loss="mse", seed=rng)
    rate = fastnn.Cosine(epochs * MEASUREMENTS // BATCH)
    network.fit(
        *measure(rng, MEASUREMENTS), epochs=epochs, batch=BATCH, optimizer=fastnn.Adam(0.01, schedule=rate), seed=seed
    )
    return network


class Pendulums:
    """Pendulums that are released from rest: all that swing works on, allocated once."""

    def __init__(self, network: fastnn.Network, releases: NDArray[Any], steps: int = STEPS) -> None:
        count = len(releases)
        plan = network.plan(count, gradients=False)
        self.trajectory = np.zeros((steps + 1, count, 2))
        self.trajectory[0, :, 0] = releases
        slopes, seen = np.zeros((4, count, 2)), np.zeros((count, 2), network.dtype)
        self._arguments = plan.tape, network.parameters, slopes, seen, plan.workspace()

    def swing(self) -> NDArray[Any]:
        swing(self.trajectory, STEP, *self._arguments)
        return self.trajectory


def truth(release: float, steps: int = STEPS) -> NDArray[Any]:
    """(steps + 1, 2): the angle and velocity of the true pendulum, to nine digits."""
    found = solve_ivp(
        lambda t, state: (state[1], acceleration(*state)), (0, steps * STEP), (release, 0.0), method="DOP853",
        t_eval=STEP * np.arange(steps + 1), rtol=1e-10, atol=1e-12,
    )  # fmt: skip
    return np.asarray(found.y.T)


def error(network: fastnn.Network) -> float:
    """The largest difference of its angle to the truth, in rad, over STEPS of the widest swing."""
    found = Pendulums(network, releases(1)).swing()
    return float(np.abs(found[:, 0, 0] - truth(RELEASE)[:, 0]).max())


def releases(count: int) -> NDArray[Any]:
    """Angles from RELEASE down; one is the widest swing."""
    return np.linspace(RELEASE, 0.1, count)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--seeds", default=5, type=click.IntRange(min=1), help="Networks, from seeds 0, 1, ...")
@click.option("--pendulums", default=1000, type=click.IntRange(min=1), help="How many swing at once, beside one.")
def main(seeds: int, pendulums: int) -> None:
    begin = time.perf_counter()
    found = [surrogate(seed) for seed in range(seeds)]
    click.echo(f"{seeds} networks learned from {MEASUREMENTS:,} measurements each in "
               f"{time.perf_counter() - begin:.1f} s, compiling included", err=True)  # fmt: skip
    off = [error(network) for network in found]
    click.echo(f"over {STEPS * STEP:.0f} time units, two swings and a half, the angle is off by {np.median(off):.4f} "
               f"rad in the median of {seeds} seeds, {max(off):.4f} at most")  # fmt: skip
    for count in (1, pendulums):
        group = Pendulums(found[0], releases(count))
        group.swing()  # memory is touched for the first time
        begin = time.perf_counter()
        group.swing()
        each = (time.perf_counter() - begin) / (STEPS * count)
        click.echo(f"{count} at once: a step of a pendulum, four passes, {si(each, 's')}")


if __name__ == "__main__":
    main()
