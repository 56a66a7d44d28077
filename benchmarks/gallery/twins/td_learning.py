"""The twins of td_learning.py: a 1-16-1 network learns a value while it is walked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from fastnn.bench.peers.torch_compile_peer import bring_in_the_compiler
from twins.networks import Array, Arrays, Call, layers_of, sequential

# As in td_learning.py, which would bring numba and its threads.
STATES, JUMP = 1000, 100

# (value of a state, one training step): what a way of learning is.
Learner = tuple[Callable[[float], float], Callable[[float, float], object]]


def _move(state: int, rng: np.random.Generator) -> int:
    jump = 1 + int(JUMP * rng.random())
    return state + jump if rng.random() < 0.5 else state - jump


def _walk(learner: Learner, moves: int, rng: np.random.Generator) -> None:
    value, learn = learner
    here = STATES // 2
    for _ in range(moves):
        there = _move(here, rng)
        ended = not 0 <= there < STATES
        target = (-1.0 if there < 0 else 1.0) if ended else value(2 * there / (STATES - 1) - 1)
        learn(2 * here / (STATES - 1) - 1, target)
        here = STATES // 2 if ended else there


def _modules(network: nn.Sequential, rate: float) -> Learner:
    """As it is usually written."""
    optimizer, loss_of = torch.optim.SGD(network.parameters(), lr=rate), nn.MSELoss()

    def value(place: float) -> float:
        with torch.no_grad():
            return network(torch.tensor([[place]])).item()  # type: ignore[no-any-return]

    def learn(place: float, target: float) -> None:
        optimizer.zero_grad()
        loss = loss_of(network(torch.tensor([[place]])), torch.tensor([[target]]))
        loss.backward()
        optimizer.step()

    return value, learn


def _spelt(network: nn.Sequential, rate: float) -> Learner:
    """Without modules and optimizer, inputs and targets through NumPy's views of tensors."""
    w0, b0, w1, b1 = parameters = list(network.parameters())
    x, y = torch.zeros((1, 1)), torch.zeros((1, 1))
    place_of, target_of = x.numpy(), y.numpy()

    def forward() -> Tensor:
        return torch.addmm(b1, torch.addmm(b0, x, w0.t()).tanh(), w1.t())

    def value(place: float) -> float:
        place_of[0, 0] = place
        with torch.no_grad():
            return forward().item()

    def learn(place: float, target: float) -> None:
        place_of[0, 0], target_of[0, 0] = place, target
        difference = forward() - y
        gradients = torch.autograd.grad(difference, parameters, 2 * difference.detach())
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-rate)

    return value, learn


def _in_one_graph(network: nn.Sequential, rate: float) -> Learner:
    """Value and training step, with its update, each compiled."""
    bring_in_the_compiler()
    held = [each.detach() for each in network.parameters()]
    x, y = torch.zeros((1, 1)), torch.zeros((1, 1))
    place_of, target_of = x.numpy(), y.numpy()

    def forward(held: list[Tensor], x: Tensor) -> Tensor:
        w0, b0, w1, b1 = held
        return torch.addmm(b1, torch.addmm(b0, x, w0.t()).tanh(), w1.t())

    def step(held: list[Tensor], x: Tensor, y: Tensor) -> None:
        gradients = torch.func.grad(lambda held: (forward(held, x) - y).square().sum())(held)
        for parameter, gradient in zip(held, gradients, strict=True):
            parameter.sub_(rate * gradient)

    compiled_forward, compiled_step = torch.compile(forward, fullgraph=True), torch.compile(step, fullgraph=True)

    def value(place: float) -> float:
        place_of[0, 0] = place
        with torch.no_grad():
            return compiled_forward(held, x).item()  # type: ignore[no-any-return]

    def learn(place: float, target: float) -> None:
        place_of[0, 0], target_of[0, 0] = place, target
        with torch.no_grad():
            compiled_step(held, x, y)

    return value, learn


def _learning(learner_of: Callable[[nn.Sequential, float], Learner], arrays: Arrays) -> Call:
    """Each call goes on learning, from the same walk; the answer is what the states are worth (STATES,) by then."""
    network = sequential(*layers_of(arrays))
    learner, states = learner_of(network, float(arrays["rate"])), torch.linspace(-1, 1, STATES)[:, None]

    def call() -> Array:
        _walk(learner, int(arrays["moves"]), np.random.default_rng(int(arrays["seed"])))
        with torch.no_grad():
            return network(states)[:, 0].numpy()  # type: ignore[no-any-return]

    return call


def loop(arrays: Arrays) -> Call:
    return _learning(_modules, arrays)


def bare(arrays: Arrays) -> Call:
    return _learning(_spelt, arrays)


def compiled(arrays: Arrays) -> Call:
    return _learning(_in_one_graph, arrays)


WAYS: dict[str, Callable[[Arrays], Call]] = {"loop": loop, "bare": bare, "compiled": compiled}
