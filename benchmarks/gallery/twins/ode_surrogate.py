"""The twins of ode_surrogate.py: pendulums whose acceleration is a 2-16-16-1 network's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastnn.bench.peers.torch_compile_peer import bring_in_the_compiler
from twins.networks import Array, Arrays, Bare, Call, layers_of, sequential

# Steps in a compiled graph, of four passes each: with one its call is what takes long, with more compiling does.
TOGETHER = 4


def _pendulums(network: nn.Sequential, step: float, steps: int, state: Tensor) -> list[Tensor]:
    """The next states (N, 2) of all pendulums, by Runge and Kutta."""

    def slope(state: Tensor) -> Tensor:
        return torch.cat((state[:, 1:], network(state)), 1)

    found = []
    for _ in range(steps):
        k1 = slope(state)
        k2 = slope(state + step / 2 * k1)
        k3 = slope(state + step / 2 * k2)
        k4 = slope(state + step * k3)
        state = state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        found.append(state)
    return found


def _ode(advance: Callable[..., Any], each: int, arrays: Arrays) -> Call:
    network, step, steps = sequential(*layers_of(arrays)), float(arrays["step"]), int(arrays["steps"])
    releases = torch.from_numpy(arrays["releases"]).float()

    @torch.inference_mode()
    def call() -> Array:
        trajectory = torch.empty((steps + 1, len(releases), 2))
        trajectory[0, :, 0], trajectory[0, :, 1] = releases, 0
        for t in range(0, steps, each):
            for i, state in enumerate(advance(network, step, each, trajectory[t])):
                trajectory[t + i + 1] = state
        return trajectory.numpy()

    return call


def _swing(acceleration: Callable[[float, float], float], arrays: Arrays) -> Call:
    """Of one pendulum, in Python's numbers, which are faster than tensors of one (17 us a pass for 20)."""
    step, steps = float(arrays["step"]), int(arrays["steps"])

    @torch.inference_mode()
    def call() -> Array:
        angle, velocity = float(arrays["releases"][0]), 0.0
        trajectory = np.empty((steps + 1, 1, 2))
        trajectory[0] = angle, velocity
        for t in range(steps):
            v1, a1 = velocity, acceleration(angle, velocity)
            v2 = velocity + step / 2 * a1
            a2 = acceleration(angle + step / 2 * v1, v2)
            v3 = velocity + step / 2 * a2
            a3 = acceleration(angle + step / 2 * v2, v3)
            v4 = velocity + step * a3
            a4 = acceleration(angle + step * v3, v4)
            angle += step / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
            velocity += step / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
            trajectory[t + 1] = angle, velocity
        return trajectory

    return call


def loop(arrays: Arrays) -> Call:
    network = sequential(*layers_of(arrays))
    return _swing(lambda angle, velocity: network(torch.tensor((angle, velocity))).item(), arrays)


def bare(arrays: Arrays) -> Call:
    network = Bare(*layers_of(arrays))
    x, y, forward = network.x, network.y, network.forward

    def acceleration(angle: float, velocity: float) -> float:
        x[0], x[1] = angle, velocity
        forward()
        return float(y[0])

    return _swing(acceleration, arrays)


def batched(arrays: Arrays) -> Call:
    return _ode(_pendulums, 1, arrays)


def compiled(arrays: Arrays) -> Call:
    bring_in_the_compiler()
    return _ode(torch.compile(_pendulums, fullgraph=True, dynamic=False), TOGETHER, arrays)


WAYS: dict[str, Callable[[Arrays], Call]] = {"loop": loop, "bare": bare, "batched": batched, "compiled": compiled}
