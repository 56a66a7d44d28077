"""The twins of cart_pole.py: a population of 4-8-2 networks, each with starts of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fastnn.bench.peers.torch_compile_peer import bring_in_the_compiler
from twins.networks import Array, Arrays, Bare, Call, layers_of, sequential

# As in cart_pole.py, which would bring numba and its threads.
GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
POSITION_LIMIT, ANGLE_LIMIT = 2.4, math.radians(12)
MASS, MOMENT = CART_MASS + POLE_MASS, POLE_MASS * HALF_LENGTH

NAMES = ("w0", "b0", "w1", "b1")
# Steps in a compiled graph: with one its call is what takes long, with more compiling does.
TOGETHER = 10
# Whether any cart still runs is asked every so many steps, since the question costs as much as one.
ASK = 20


def push(position: float, velocity: float, angle: float, turn: float, force: float) -> tuple[float, ...]:
    sine, cosine = math.sin(angle), math.cos(angle)
    share = (force + MOMENT * turn * turn * sine) / MASS
    angular = (GRAVITY * sine - cosine * share) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cosine * cosine / MASS))
    linear = share - MOMENT * angular * cosine / MASS
    return (
        position + TIME_STEP * velocity, velocity + TIME_STEP * linear,
        angle + TIME_STEP * turn, turn + TIME_STEP * angular,
    )  # fmt: skip


def balance(goes_right: Callable[..., bool], start: Array, steps: int) -> int:
    state = tuple(start.tolist())
    for step in range(steps):
        state = push(*state, FORCE if goes_right(*state) else -FORCE)
        if abs(state[0]) > POSITION_LIMIT or abs(state[2]) > ANGLE_LIMIT:
            return step + 1
    return steps


def _members(arrays: Arrays) -> list[tuple[list[Array], list[Array]]]:
    """Weights and biases of each network."""
    weights, biases = layers_of(arrays)
    return [([w[i] for w in weights], [b[i] for b in biases]) for i in range(len(weights[0]))]


def _play(players: list[Callable[..., bool]], arrays: Arrays) -> Call:
    steps = int(arrays["steps"])

    @torch.inference_mode()
    def call() -> Array:
        return np.array([[balance(player, start, steps) for start in arrays["starts"]] for player in players])

    return call


def loop(arrays: Arrays) -> Call:
    def player(network: nn.Sequential) -> Callable[..., bool]:
        return lambda *state: bool(network(torch.tensor(state)).argmax())

    return _play([player(sequential(*member)) for member in _members(arrays)], arrays)


def bare(arrays: Arrays) -> Call:
    def player(network: Bare) -> Callable[..., bool]:
        x, y, forward = network.x, network.y, network.forward

        def goes_right(position: float, velocity: float, angle: float, turn: float) -> bool:
            x[0], x[1], x[2], x[3] = position, velocity, angle, turn
            forward()
            return bool(y[1] > y[0])

        return goes_right

    return _play([player(Bare(*member)) for member in _members(arrays)], arrays)


def pushed(state: Tensor, force: Tensor, alive: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All carts a step later. state (..., 4), the others (...)."""
    _, velocity, angle, turn = state.unbind(-1)
    sine, cosine = angle.sin(), angle.cos()
    share = (force + MOMENT * turn * turn * sine) / MASS
    angular = (GRAVITY * sine - cosine * share) / (HALF_LENGTH * (4 / 3 - POLE_MASS * cosine * cosine / MASS))
    linear = share - MOMENT * angular * cosine / MASS
    state = state + TIME_STEP * torch.stack((velocity, linear, turn, angular), -1)
    inside = (state[..., 0].abs() <= POSITION_LIMIT) & (state[..., 2].abs() <= ANGLE_LIMIT)
    return state, alive & inside, lengths + alive


def _carts(steps: int, state: Tensor, alive: Tensor, lengths: Tensor, w0: Tensor, b0: Tensor, w1: Tensor, b1: Tensor
           ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """So many steps of all carts. state (P, S, 4), alive and lengths (P, S), a network for each of P."""
    for _ in range(steps):
        scores = torch.baddbmm(b1, torch.baddbmm(b0, state.to(w0.dtype), w0).tanh(), w1)
        force = torch.where(scores[..., 1] > scores[..., 0], FORCE, -FORCE)
        state, alive, lengths = pushed(state, force, alive, lengths)
    return state, alive, lengths


def together(advance: Callable[..., Any], each: int, arrays: Arrays, names: Sequence[str], units: int = 0) -> Call:
    """All carts at once, `each` steps a call of advance; names: of the network's arrays. units: of a memory (P, S, H),
    which stands after the state."""
    tensors = [torch.from_numpy(arrays[name]) for name in names]
    network = [tensor if tensor.ndim > 2 else tensor[:, None] for tensor in tensors]
    starts, steps = torch.from_numpy(arrays["starts"]), int(arrays["steps"])

    @torch.inference_mode()
    def call() -> Array:
        state = starts.expand(len(network[0]), -1, -1).contiguous()
        memory = [torch.zeros((*state.shape[:2], units))] if units else []
        alive = torch.ones(state.shape[:2], dtype=torch.bool)
        lengths = torch.zeros(state.shape[:2], dtype=torch.int64)
        for step in range(0, steps, each):
            state, *memory, alive, lengths = advance(each, state, *memory, alive, lengths, *network)
            if step % ASK == 0 and not alive.any():
                break
        return lengths.numpy()

    return call


def batched(arrays: Arrays) -> Call:
    return together(_carts, 1, arrays, NAMES)


def compiled(arrays: Arrays) -> Call:
    bring_in_the_compiler()
    return together(torch.compile(_carts, fullgraph=True, dynamic=False), TOGETHER, arrays, NAMES)


WAYS: dict[str, Callable[[Arrays], Call]] = {"loop": loop, "bare": bare, "batched": batched, "compiled": compiled}
