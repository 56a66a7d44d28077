"""The gallery in PyTorch: python benchmarks/gallery/torch_twins.py torch THREADS, told what to do by JSON lines.

    {"do": "prepare", "example": ..., "way": ..., "inputs": FILE, "answer": FILE}   -> {"how": ...}
    {"do": "time", "phase": "call", "calls": n}                                     -> {"seconds": ...}

A twin does an example's simulation from the same networks and states. loop: step by step, with nn.Sequential, as it is
usually written. bare: step by step, without modules, every tensor made ahead and its numbers read through NumPy. batched:
all simulations at once. compiled: that by torch.compile, several steps in one graph. See fastnn.bench.peers.worker.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fastnn.bench.peers.torch_compile_peer import bring_in_the_compiler
from fastnn.bench.peers.worker import serve

Arrays = dict[str, NDArray[Any]]
# Plays the example once: its answer.
Call = Callable[[], NDArray[Any]]

# Steps in a compiled graph: with one the call of the graph is what takes long, with more compiling does.
CART_STEPS, ODE_STEPS = 10, 4
# Whether any cart still runs is asked every so many steps, since the question costs as much as one.
ASK = 20

# As in cart_pole.py, which is not imported here since numba's threads and torch's disturb each other.
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
POSITION_LIMIT, ANGLE_LIMIT = 2.4, math.radians(12)
MASS, MOMENT = CART_MASS + POLE_MASS, POLE_MASS * HALF_LENGTH


def sequential(weights: list[NDArray[Any]], biases: list[NDArray[Any]]) -> nn.Sequential:
    """Layers with tanh between them, from weights (I, O)."""
    layers: list[nn.Module] = []
    for weight, bias in zip(weights, biases, strict=True):
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Bare:
    """A network that a person in a hurry would write: read() after x is filled; both are NumPy's views of tensors."""

    def __init__(self, weights: list[NDArray[Any]], biases: list[NDArray[Any]]) -> None:
        self._weights = [torch.from_numpy(weight.T.copy()) for weight in weights]
        self._biases = [torch.from_numpy(bias.copy()) for bias in biases]
        self._values = [torch.zeros(size) for size in (len(weights[0]), *(len(bias) for bias in biases))]
        self.x, self.y = self._values[0].numpy(), self._values[-1].numpy()

    def forward(self) -> None:
        last = len(self._weights) - 1
        layers = zip(self._weights, self._biases, pairwise(self._values), strict=True)
        for i, (weight, bias, (x, y)) in enumerate(layers):
            torch.addmv(bias, weight, x, out=y)
            if i < last:
                torch.tanh(y, out=y)


# Cart-pole ------------------------------------------------------------------------------------------------------------


def push(position: float, velocity: float, angle: float, turn: float, force: float) -> tuple[float, ...]:
    sine, cosine = math.sin(angle), math.cos(angle)
    share = (force + MOMENT * turn * turn * sine) / MASS
    angular = (GRAVITY * sine - cosine * share) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cosine * cosine / MASS))
    linear = share - MOMENT * angular * cosine / MASS
    return (
        position + TIME_STEP * velocity, velocity + TIME_STEP * linear,
        angle + TIME_STEP * turn, turn + TIME_STEP * angular,
    )  # fmt: skip


def _balance(goes_right: Callable[..., bool], start: NDArray[Any], steps: int) -> int:
    state = tuple(start.tolist())
    for step in range(steps):
        state = push(*state, FORCE if goes_right(*state) else -FORCE)
        if abs(state[0]) > POSITION_LIMIT or abs(state[2]) > ANGLE_LIMIT:
            return step + 1
    return steps


def _members(arrays: Arrays) -> list[tuple[list[NDArray[Any]], list[NDArray[Any]]]]:
    """Weights and biases of each network."""
    layers = range(len(arrays) // 2 - 1)
    count = len(arrays["w0"])
    return [tuple([arrays[f"{kind}{layer}"][i] for layer in layers] for kind in "wb") for i in range(count)]  # type: ignore[misc]


def _play(players: list[Callable[..., bool]], arrays: Arrays) -> Call:
    steps = int(arrays["steps"])
    return lambda: np.array([[_balance(player, start, steps) for start in arrays["starts"]] for player in players])


def cart_pole_loop(arrays: Arrays) -> Call:
    def player(network: nn.Sequential) -> Callable[..., bool]:
        return lambda *state: bool(network(torch.tensor(state)).argmax())

    return _play([player(sequential(*member)) for member in _members(arrays)], arrays)


def cart_pole_bare(arrays: Arrays) -> Call:
    def player(network: Bare) -> Callable[..., bool]:
        x, y, forward = network.x, network.y, network.forward

        def goes_right(position: float, velocity: float, angle: float, turn: float) -> bool:
            x[0], x[1], x[2], x[3] = position, velocity, angle, turn
            forward()
            return bool(y[1] > y[0])

        return goes_right

    return _play([player(Bare(*member)) for member in _members(arrays)], arrays)


def _carts(steps: int, state: Tensor, alive: Tensor, lengths: Tensor, w0: Tensor, b0: Tensor, w1: Tensor, b1: Tensor
           ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """So many steps of all carts. state (P, S, 4), alive and lengths (P, S), a network for each of P."""
    for _ in range(steps):
        scores = torch.baddbmm(b1, torch.baddbmm(b0, state.to(w0.dtype), w0).tanh(), w1)
        force = torch.where(scores[..., 1] > scores[..., 0], FORCE, -FORCE)
        _, velocity, angle, turn = state.unbind(-1)
        sine, cosine = angle.sin(), angle.cos()
        share = (force + MOMENT * turn * turn * sine) / MASS
        angular = (GRAVITY * sine - cosine * share) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cosine * cosine / MASS))
        linear = share - MOMENT * angular * cosine / MASS
        state = state + TIME_STEP * torch.stack((velocity, linear, turn, angular), -1)
        lengths = lengths + alive
        alive = alive & (state[..., 0].abs() <= POSITION_LIMIT) & (state[..., 2].abs() <= ANGLE_LIMIT)
    return state, alive, lengths


def _cart_pole(advance: Callable[..., Any], each: int, arrays: Arrays) -> Call:
    w0, b0, w1, b1 = (torch.from_numpy(arrays[name]) for name in ("w0", "b0", "w1", "b1"))
    network = w0, b0[:, None], w1, b1[:, None]
    starts, count, steps = torch.from_numpy(arrays["starts"]), len(w0), int(arrays["steps"])

    def call() -> NDArray[Any]:
        state = starts.expand(count, -1, -1).contiguous()
        alive = torch.ones(state.shape[:2], dtype=torch.bool)
        lengths = torch.zeros(state.shape[:2], dtype=torch.int64)
        for step in range(0, steps, each):
            state, alive, lengths = advance(each, state, alive, lengths, *network)
            if step % ASK == 0 and not alive.any():
                break
        return lengths.numpy()

    return call


def cart_pole_batched(arrays: Arrays) -> Call:
    return _cart_pole(_carts, 1, arrays)


def cart_pole_compiled(arrays: Arrays) -> Call:
    bring_in_the_compiler()
    return _cart_pole(torch.compile(_carts, fullgraph=True, dynamic=False), CART_STEPS, arrays)


# Surrogate ------------------------------------------------------------------------------------------------------------


def _layers(arrays: Arrays) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    count = sum(name.startswith("w") for name in arrays)
    return [arrays[f"w{i}"] for i in range(count)], [arrays[f"b{i}"] for i in range(count)]


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
    network, step, steps = sequential(*_layers(arrays)), float(arrays["step"]), int(arrays["steps"])
    releases = torch.from_numpy(arrays["releases"]).float()

    def call() -> NDArray[Any]:
        trajectory = torch.empty((steps + 1, len(releases), 2))
        trajectory[0, :, 0], trajectory[0, :, 1] = releases, 0
        for t in range(0, steps, each):
            for i, state in enumerate(advance(network, step, each, trajectory[t])):
                trajectory[t + i + 1] = state
        return trajectory.numpy()

    return call


def ode_surrogate_loop(arrays: Arrays) -> Call:
    return _ode(_pendulums, 1, arrays)


def ode_surrogate_compiled(arrays: Arrays) -> Call:
    bring_in_the_compiler()
    return _ode(torch.compile(_pendulums, fullgraph=True, dynamic=False), ODE_STEPS, arrays)


def ode_surrogate_bare(arrays: Arrays) -> Call:
    """Of one pendulum."""
    network, step, steps = Bare(*_layers(arrays)), float(arrays["step"]), int(arrays["steps"])
    x, y, forward = network.x, network.y, network.forward

    def acceleration(angle: float, velocity: float) -> float:
        x[0], x[1] = angle, velocity
        forward()
        return float(y[0])

    def call() -> NDArray[Any]:
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


TWINS: dict[tuple[str, str], Callable[[Arrays], Call]] = {
    ("cart_pole", "loop"): cart_pole_loop,
    ("cart_pole", "bare"): cart_pole_bare,
    ("cart_pole", "batched"): cart_pole_batched,
    ("cart_pole", "compiled"): cart_pole_compiled,
    ("ode_surrogate", "loop"): ode_surrogate_loop,
    ("ode_surrogate", "bare"): ode_surrogate_bare,
    ("ode_surrogate", "batched"): ode_surrogate_loop,
    ("ode_surrogate", "compiled"): ode_surrogate_compiled,
}


class Worker:
    """Holds one twin at a time."""

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def prepare(self, example: str, way: str, inputs: str, answer: str) -> dict[str, float]:
        """The first call, which may compile, and its answer."""
        with np.load(inputs) as arrays:
            self._call = TWINS[example, way](dict(arrays))
        begin = time.perf_counter()
        with torch.inference_mode():
            found = self._call()
        np.save(answer, found, allow_pickle=False)
        return {"first_call_s": time.perf_counter() - begin}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        begin = time.perf_counter()
        with torch.inference_mode():
            for _ in range(calls):
                self._call()
        return {"seconds": time.perf_counter() - begin}


if __name__ == "__main__":
    serve(partial(Worker, int(sys.argv[2])))
