"""A symbol is to be remembered: networks that learn it, what is left of it in them, and the gates of an LSTM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.functional import gru, lstm, rnn, sigmoid, tanh
from fastnn.layers import GRU, LSTM, RNN, Dense
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.network import Network

# Sequences of a step, the rate that it begins with, and the norm that a gradient has at most. Plain networks of 8 and
# 18 units do no better at 1e-3, 3e-3 or 1e-2, with or without the norm: 25 to 33 % right, the mean of 5 seeds each.
ROWS, RATE, CLIP = 32, 2e-2, 1.0
# Losses of training that are kept: the means of so many steps.
SPAN = 50
# Biases of gates: sigmoid(3) is 0.95. Of 20 seeds the mean of |i g| is 0.56 at the mark and 0.14 elsewhere; with those
# that layers begin with, 0 and 1, it is 0.61 and 0.28.
OPEN = 3.0
PARAMETERS = ("ih_l0.weight", "hh_l0.weight", "ih_l0.bias", "hh_l0.bias")

Array = NDArray[Any]


class Task(NamedTuple):
    """One of `symbols` stands at each of `positions`, one of them is marked, and it is asked for at the end."""

    symbols: int
    positions: int

    @property
    def inputs(self) -> int:
        """Which symbol it is, and whether it is marked."""
        return self.symbols + 1


class Sequences(NamedTuple):
    """x (N, T, symbols + 1), y (N,) the marked symbols, marked (N,) where they stand."""

    x: Array
    y: Array
    marked: Array


class Learned(NamedTuple):
    """losses: of training, the means of SPAN steps each; loss, right: of sequences that it never saw, the latter for
    each of them."""

    name: str
    network: Network
    losses: tuple[float, ...]
    loss: float
    right: Array


class Gates(NamedTuple):
    """Of an LSTM, (N, T, units) each: how much of the candidate the cell takes, how much it keeps of what it had, how
    much of it the state shows; the candidate, the cell, the state."""

    input: Array
    forget: Array
    output: Array
    candidate: Array
    cell: Array
    state: Array


def sequences(task: Task, rng: np.random.Generator, rows: int, marked: int | None = None) -> Sequences:
    """marked: the place, the same in all; else any."""
    symbols = rng.integers(0, task.symbols, (rows, task.positions))
    places = rng.integers(0, task.positions, rows) if marked is None else np.full(rows, marked)
    x = np.eye(task.inputs, dtype=np.float32)[symbols]
    x[np.arange(rows), places, task.symbols] = 1
    return Sequences(x, symbols[np.arange(rows), places], places)


def networks(task: Task, units: int, seed: int) -> Iterator[tuple[str, Network]]:
    """An RNN of U units has U (inputs + U + 2) parameters, and its answer (U + 1) symbols. Input gates of the LSTM
    begin almost closed, and forget gates open."""
    gated = _network(task, LSTM(units, return_sequences=False), seed)
    biases = gated.named_parameters["0.hh_l0.bias"]
    biases[:units], biases[units : 2 * units] = -OPEN, OPEN
    half = (task.inputs + task.symbols + 2) / 2
    wide = max(1, round((half**2 + gated.parameter_count - task.symbols) ** 0.5 - half))
    yield f"RNN, {units} units", _network(task, RNN(units, return_sequences=False), seed)
    yield f"RNN, {wide} units", _network(task, RNN(wide, return_sequences=False), seed)
    yield f"GRU, {units} units", _network(task, GRU(units, return_sequences=False), seed)
    yield f"LSTM, {units} units", gated


def _network(task: Task, layer: Any, seed: int | None) -> Network:
    return Network((task.positions, task.inputs), [layer, Dense(task.symbols)], seed=seed)


def learned(name: str, network: Network, task: Task, held: Sequences, steps: int, seed: int) -> Learned:
    rng = np.random.default_rng(seed)
    trainer: Any = network.trainer(Adam(RATE, schedule=Cosine(steps), clip_norm=CLIP), batch=ROWS)
    losses = []
    for _ in range(steps):
        x, y, _ = sequences(task, rng, ROWS)
        losses.append(trainer.step(x, y))
    means = tuple(float(np.mean(losses[at : at + SPAN])) for at in range(0, steps, SPAN))
    return Learned(name, network, means, network.loss(held.x, held.y), network.predict(held.x) == held.y)


def right_at(network: Network, held: Sequences) -> float:
    """Share of sequences of any length; the parameters do not depend on it."""
    other = Network(held.x.shape[1:], network.layers, initialize=False)
    other.parameters[:] = network.parameters
    return other.accuracy(held.x, held.y)


def parameters(network: Network) -> tuple[Array, Array, Array, Array]:
    """Weights and biases as fastnn.functional takes them, in float64."""
    named = network.named_parameters
    v, w, b, c = (named[f"0.{name}"].astype(np.float64) for name in PARAMETERS)
    return v, w, b, c


def gates(network: Network, x: Array) -> Gates:
    """Of a network that begins with an LSTM, in float64."""
    v, w, b, c = parameters(network)
    x = x.astype(np.float64)
    state, _ = lstm(x, v, w, b, c)
    before = np.concatenate([np.zeros_like(state[:, :1]), state[:, :-1]], axis=1)
    i, f, g, o = np.split(x @ v + before @ w + b + c, 4, axis=2)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    cell = np.zeros_like(state)
    for t in range(x.shape[1]):
        cell[:, t] = f[:, t] * (cell[:, t - 1] if t else 0) + i[:, t] * g[:, t]
    return Gates(i, f, o, g, cell, state)


def states(network: Network, x: Array) -> Array:
    """What goes from position to position (N, T, units), in float64: tanh of the cell of an LSTM, else the state."""
    v, w, b, c = parameters(network)
    units, width = w.shape
    if width == 4 * units:
        return np.asarray(np.tanh(gates(network, x).cell))
    found: Array = (gru if width == 3 * units else rnn)(x.astype(np.float64), v, w, b, c)[0]
    return found


def left_of_the_mark(network: Network, looked: Sequences) -> Array:
    """Of sequences that are marked at one place: another symbol there, and all else as it was. How far the states are
    apart, from the mark on (T - marked,), as a share of how far they were there, by the mean of the distances."""
    at, other = int(looked.marked[0]), looked.x.copy()
    symbols = other.shape[2] - 1
    other[:, at, :symbols] = np.eye(symbols, dtype=other.dtype)[(looked.y + 1) % symbols]
    apart = np.linalg.norm(states(network, looked.x) - states(network, other), axis=2).mean(axis=0)[at:]
    return np.asarray(apart / apart[0])


def swapped(network: Network, looked: Sequences) -> dict[str, float]:
    """In the middle each sequence gets the cell, the state or both of another that is to remember another symbol: the
    share of answers that are then the other's symbol. They are marked before it."""
    x, half = looked.x.astype(np.float64), looked.x.shape[1] // 2
    of, named = parameters(network), network.named_parameters
    _, (state, cell) = lstm(x[:, :half], *of)
    others = np.roll(looked.y, 1)
    told = looked.y != others
    found = {}
    for name, given in (
        ("the cell", (state, np.roll(cell, 1, axis=0))),
        ("the state", (np.roll(state, 1, axis=0), cell)),
        ("both", (np.roll(state, 1, axis=0), np.roll(cell, 1, axis=0))),
    ):
        _, (last, _) = lstm(x[:, half:], *of, given)
        answers = (last @ named["1.weight"] + named["1.bias"]).argmax(axis=1)
        found[name] = float(np.mean(answers[told] == others[told]))
    return found
