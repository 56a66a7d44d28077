"""A long series in pieces, with the states kept between them, is the series at once, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import (
    GPT,
    GRU,
    LSTM,
    RNN,
    Decoder,
    Dense,
    Embedding,
    Network,
    SinusoidalPositions,
    functional,
)

CELLS: dict[str, Any] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
T = 12


def series(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def network(cell: str, positions: int = T, **settings: Any) -> Network:
    net = Network((positions, 3), [CELLS[cell](9, layers=2, **settings), Dense(2)], loss="mse", seed=0)
    for name, values in net.named_parameters.items():
        values += np.random.default_rng(len(name)).normal(0, 0.3, values.shape)
    return net


def stepped(decoder: Decoder, x: Any) -> Any:
    return np.stack([decoder.step(x[:, t]).copy() for t in range(x.shape[1])], axis=1)


@pytest.mark.parametrize("cell", CELLS)
def test_pieces_by_any_decoder_are_the_series_at_once(cell: str) -> None:
    """Each piece by a decoder of its own, of a network of other positions, from what the one before it left."""
    whole, x = network(cell), series(4, T, 3)
    begun, found = Decoder(whole, 4), []
    states = begun.states
    assert not any(values.any() for values in states.values())
    for begin, end in ((0, 1), (1, 5), (5, T)):
        decoder = Decoder(network(cell, 2), 4)
        decoder.step(series(4, 3, seed=9))  # of others, which leaves nothing
        decoder.begin(states)
        found.append(stepped(decoder, x[:, begin:end]))
        states = decoder.states
    assert np.concatenate(found, axis=1).tobytes() == whole(x).tobytes()
    stepped(begun, x)
    assert {name: values.tobytes() for name, values in begun.states.items()} == {
        name: values.tobytes() for name, values in states.items()
    }


@pytest.mark.parametrize("cell", CELLS)
def test_states_are_those_of_the_functions(cell: str) -> None:
    net, x = network(cell), series(4, T, 3)
    decoder, p = Decoder(net, 4), net.named_parameters
    stepped(decoder, x)
    rows = x
    for layer in range(2):
        names = (f"ih_l{layer}.weight", f"hh_l{layer}.weight", f"ih_l{layer}.bias", f"hh_l{layer}.bias")
        rows, last = getattr(functional, cell)(rows, *(p[f"0.{name}"] for name in names))
        for name, right in zip("hc", last if cell == "lstm" else (last,), strict=False):
            assert decoder.states[f"0.hh_l{layer}.{name}"].tobytes() == right.tobytes()


@pytest.mark.parametrize("cell", CELLS)
def test_a_network_that_answers_once_answers_after_each_position(cell: str) -> None:
    """As of a series that ends there."""
    x, decoder = series(4, T, 3), Decoder(network(cell, return_sequences=False), 4)
    for t in range(T):
        answer = network(cell, t + 1, return_sequences=False)(x[:, : t + 1])
        assert decoder.step(x[:, t]).tobytes() == answer.tobytes()


def test_states_that_are_read_stay_and_what_is_given_too() -> None:
    decoder, x = Decoder(network("lstm")), series(1, T, 3)
    decoder.step(x[:, 0])
    states = decoder.states
    kept = {name: values.copy() for name, values in states.items()}
    decoder.begin(states)
    stepped(decoder, x)
    assert all(np.array_equal(states[name], values) for name, values in kept.items())
    decoder.reset()
    assert not decoder.states["0.hh_l0.h"].any()


H = np.zeros((1, 9))
STATES = {"0.hh_l0.h": H, "0.hh_l1.h": H}
REFUSED: list[Any] = [
    (lambda: network("gru"), {}, "states are of none; expected 0.hh_l0.h, 0.hh_l1.h"),
    (lambda: network("gru"), STATES | {"0.hh_l1.h": np.zeros((1, 8))}, "0.hh_l1.h has shape"),
    (lambda: network("gru"), STATES | {"0.hh_l1.h": np.zeros((2, 9))}, "0.hh_l1.h has 2 rows; this decoder has 1"),
    (lambda: network("gru"), STATES | {"0.hh_l0.h": np.full((1, 9), "a")}, "0.hh_l0.h"),
    (lambda: GPT(7, 8, 1, 8, 2), {}, "layer 1 is PositionEmbedding, which goes on from more than states"),
    (lambda: Network((T,), [Embedding(7, 4), SinusoidalPositions(), GRU(4)], loss="mse"), {"2.hh_l0.h": np.zeros(4)},
     "layer 1 is SinusoidalPositions, which goes on from more"),
]  # fmt: skip


@pytest.mark.parametrize(("build", "states", "message"), REFUSED)
def test_what_no_step_leaves_is_refused_and_changes_nothing(build: Any, states: Any, message: str) -> None:
    decoder = Decoder(build())
    before = decoder.workspace.copy()
    with pytest.raises((ValueError, TypeError), match=message):
        decoder.begin(states)
    assert decoder.position == 0
    assert np.array_equal(decoder.workspace, before)
