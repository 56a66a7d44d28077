"""Recurrent layers, a step and a gate at a time. x (B, T, I); parameters as a layer names them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .example import Example

Array = npt.NDArray[Any]
Parameters = Mapping[str, Array]
# Of the state before, the sums of the inputs, the weight and the biases: the state after.
Step = Callable[[Any, Array, Array, Array], Any]


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def rnn_step(state: tuple[Array, ...], sums: Array, w: Array, b: Array) -> tuple[Array, ...]:
    """(h,)"""
    return (np.tanh(sums + state[0] @ w + b),)


def relu_step(state: tuple[Array, ...], sums: Array, w: Array, b: Array) -> tuple[Array, ...]:
    return (np.maximum(sums + state[0] @ w + b, 0),)


def lstm_step(state: tuple[Array, ...], sums: Array, w: Array, b: Array) -> tuple[Array, ...]:
    """(h, c), gates i, f, g, o."""
    h, c = state
    i, f, g, o = np.split(sums + h @ w + b, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(state: tuple[Array, ...], sums: Array, w: Array, b: Array) -> tuple[Array, ...]:
    """(h,), gates r, z, n; the reset after the product."""
    (h,) = state
    (ar, az, an), (ur, uz, un) = np.split(sums, 3, axis=1), np.split(h @ w + b, 3, axis=1)
    z = sigmoid(az + uz)
    return ((1 - z) * np.tanh(an + sigmoid(ar + ur) * un) + z * h,)


def reset_step(state: tuple[Array, ...], sums: Array, w: Array, b: Array) -> tuple[Array, ...]:
    """(h,), the reset before the product."""
    (h,) = state
    (ar, az, an), (wr, wz, wn), (br, bz, bn) = np.split(sums, 3, axis=1), np.split(w, 3, axis=1), np.split(b, 3)
    r, z = sigmoid(ar + h @ wr + br), sigmoid(az + h @ wz + bz)
    return ((1 - z) * np.tanh(an + (r * h) @ wn + bn) + z * h,)


STATES: Mapping[Step, int] = {rnn_step: 1, relu_step: 1, lstm_step: 2, gru_step: 1, reset_step: 1}


def direction(
    step: Step, p: Parameters, suffix: str, x: Array, reverse: bool = False, lengths: Any = None, count: int = 0
) -> tuple[Array, Array]:  # fmt: skip
    """All states (B, T, H), and the last; rows of lengths: states stay where a position is not there, and are 0 among
    all. count: arrays of a state."""
    w = p[f"hh{suffix}.weight"]
    sums = x @ p[f"ih{suffix}.weight"] + p.get(f"ih{suffix}.bias", 0.0)
    bias = p.get(f"hh{suffix}.bias", np.zeros(w.shape[1], w.dtype))
    state = tuple(np.zeros((len(x), w.shape[0]), x.dtype) for _ in range(count or STATES[step]))
    lengths = np.full(len(x), x.shape[1]) if lengths is None else lengths
    found = np.zeros((*x.shape[:2], w.shape[0]), x.dtype)
    for t in range(x.shape[1])[:: -1 if reverse else 1]:
        there = (t < lengths)[:, None]
        new = step(state, sums[:, t], w, bias)
        state = tuple(np.where(there, after, before) for after, before in zip(new, state, strict=True))
        found[:, t] = np.where(there, state[0], 0)
    return found, state[0]


def layer(
    step: Step, layers: int = 1, both: bool = False, sequences: bool = True, backwards: bool = False, count: int = 0
) -> Any:  # fmt: skip
    """Values of a layer. backwards: the first direction is (a mistake)."""

    def values(p: Parameters, x: Array) -> Array:
        for number in range(layers):
            ends = [direction(step, p, f"_l{number}", x, backwards, count=count)]
            if both:
                ends.append(direction(step, p, f"_l{number}_reverse", x, not backwards, count=count))
            x = np.concatenate([end[0] for end in ends], axis=2)
        return x if sequences else np.concatenate([end[1] for end in ends], axis=1)

    return values


def swapped(step: Step, first: int, second: int) -> Step:
    """With two gates in the other's place."""

    def wrong(state: Any, sums: Array, w: Array, b: Array) -> Any:
        def turn(array: Array) -> Array:
            parts = np.split(array, array.shape[-1] // w.shape[0], axis=-1)
            parts[first], parts[second] = parts[second], parts[first]
            return np.concatenate(parts, axis=-1)

        return step(state, turn(sums), turn(w), turn(b))

    return wrong


SHAPES = ((5, 3), (1, 4), (4, 2))
EXAMPLES = (
    Example(lambda of: of.RNN(6), layer(rnn_step), [layer(rnn_step, backwards=True), layer(relu_step)], SHAPES[::2]),
    Example(
        lambda of: of.RNN(5, activation="relu", bias=False, layers=2), layer(relu_step, 2), [], ((4, 2),), smooth=False
    ),
    Example(lambda of: of.LSTM(4), layer(lstm_step), [layer(swapped(lstm_step, 1, 2), count=2)], SHAPES),
    Example(
        lambda of: of.LSTM(3, layers=2, bidirectional=True, return_sequences=False),
        layer(lstm_step, 2, True, False),
        [lambda p, x: layer(lstm_step, 2, True)(p, x)[:, -1]],
        ((4, 2),),
    ),
    Example(
        lambda of: of.GRU(4), layer(gru_step), [layer(reset_step), layer(swapped(gru_step, 0, 1), count=1)], SHAPES[::2]
    ),
    Example(lambda of: of.GRU(4, reset_after=False), layer(reset_step), [layer(gru_step)], SHAPES),
    Example(
        lambda of: of.GRU(3, bidirectional=True, return_sequences=False, bias=False),
        layer(gru_step, 1, True, False),
        [layer(gru_step, 1, True, False, backwards=True)],
        ((5, 2),),
    ),
)
