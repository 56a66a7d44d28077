"""Truncated backpropagation through time: the gradient of parts whose first states are what they are."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
import pytest

from fastnn import GRU, LSTM, RNN, Dense, Network, functional, to_torch

Array = Any
KINDS: dict[str, Any] = {
    "tanh": lambda units, **settings: RNN(units, **settings),
    "relu": lambda units, **settings: RNN(units, activation="relu", **settings),
    "lstm": lambda units, **settings: LSTM(units, **settings),
    "gru": lambda units, **settings: GRU(units, **settings),
    "gru_before": lambda units, **settings: GRU(units, reset_after=False, **settings),
}
RUN: dict[str, Any] = {
    "tanh": functional.rnn,
    "relu": lambda *arguments: functional.rnn(*arguments, activation="relu"),
    "lstm": functional.lstm,
    "gru": functional.gru,
    "gru_before": lambda *arguments: functional.gru(*arguments, reset_after=False),
}


def network(name: str, **settings: Any) -> Network:
    net = Network((7, 3), [KINDS[name](4, **settings), Dense(2)], loss="mse", dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    for values in net.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    return net


def data() -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(3, 7, 3)), rng.normal(size=(3, 7, 2))


def in_parts(name: str, p: Any, x: Array, states: list[Any], reach: int) -> Array:
    """All states, where each part begins with a given one."""
    arrays = [p[f"0.{each}"] for each in ("ih_l0.weight", "hh_l0.weight", "ih_l0.bias", "hh_l0.bias")]
    found = [
        RUN[name](x[:, at : at + reach], *arrays, states[number])[0] for number, at in enumerate(range(0, 7, reach))
    ]
    return np.concatenate(found, axis=1)


def first_states(name: str, p: Any, x: Array, reach: int) -> list[Any]:
    arrays = [p[f"0.{each}"] for each in ("ih_l0.weight", "hh_l0.weight", "ih_l0.bias", "hh_l0.bias")]
    found: list[Any] = [None]
    for at in range(0, 7 - reach, reach):
        found.append(RUN[name](x[:, at : at + reach], *arrays, found[-1])[1])
    return found


@pytest.mark.parametrize("reach", [1, 3, 7, 20])
@pytest.mark.parametrize("name", KINDS)
def test_the_gradient_is_that_of_parts_with_given_first_states(name: str, reach: int) -> None:
    net, (x, y) = network(name, truncate=reach), data()
    p = {key: values.copy() for key, values in net.named_parameters.items()}
    states = first_states(name, p, x, reach)

    def loss() -> float:
        output = in_parts(name, p, x, states, reach) @ p["1.weight"] + p["1.bias"]
        return float(np.mean((output - y) ** 2))

    assert net.loss(x, y) == pytest.approx(loss(), rel=1e-12)
    gradient = net.named(net.gradient(x, y))
    for key, values in p.items():
        for at in np.ndindex(values.shape):
            before, ends = values[at], []
            for step in (1e-6, -1e-6):
                values[at] = before + step
                ends.append(loss())
            values[at] = before
            assert gradient[key][at] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6, abs=1e-9), (key, at)


@pytest.mark.parametrize("name", KINDS)
def test_only_the_gradient_is_another_and_not_where_a_part_is_the_whole(name: str) -> None:
    whole, cut, long = network(name), network(name, truncate=3), network(name, truncate=7)
    x, y = data()
    assert whole(x).tobytes() == cut(x).tobytes()
    assert whole.gradient(x, y).tobytes() == long.gradient(x, y).tobytes()
    assert np.abs(whole.gradient(x, y) - cut.gradient(x, y)).max() > 1e-4


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["tanh", "lstm", "gru"])
def test_it_is_that_of_torch_with_states_that_are_detached(name: str) -> None:
    torch: Any = needs.package("torch")
    net, (x, y) = network(name, truncate=3), data()
    cell, head = to_torch(net)
    own = {"tanh": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](3, 4, batch_first=True).double()
    own.load_state_dict(cell.state_dict())
    state, parts = None, []
    for at in range(0, 7, 3):
        part, state = own(torch.tensor(x[:, at : at + 3]), state)
        parts.append(part)
        state = tuple(each.detach() for each in state) if name == "lstm" else state.detach()
    torch.nn.functional.mse_loss(head(torch.cat(parts, 1)), torch.tensor(y)).backward()
    gradient = net.named(net.gradient(x, y))
    np.testing.assert_allclose(gradient["0.hh_l0.weight"], own.weight_hh_l0.grad.T, atol=1e-12)
    np.testing.assert_allclose(gradient["0.ih_l0.weight"], own.weight_ih_l0.grad.T, atol=1e-12)


def test_layers_directions_and_last_states_take_it() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 9, 3)).astype(np.float32), rng.integers(0, 2, 4)
    settings: Any = {"layers": 2, "bidirectional": True, "return_sequences": False}
    found = []
    for truncate in (None, 4):
        net = Network((9, 3), [LSTM(5, **settings, truncate=truncate), Dense(2)], seed=0)
        found.append(net.gradient(x, y))
    assert np.isfinite(found[1]).all()
    assert not np.array_equal(*found)


def test_products_of_gradients_of_states_that_are_not_made_are_not_counted() -> None:
    def macs(name: str, truncate: int | None) -> int:
        net = Network((12, 3), [KINDS[name](8, truncate=truncate)], loss="mse", seed=0)
        return net.cost(5).backward.macs

    for name, gates in (("tanh", 1), ("lstm", 4), ("gru", 3), ("gru_before", 2)):  # one of which is made all the same
        assert macs(name, None) - macs(name, 4) == 2 * 5 * 8 * gates * 8


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (2.5, TypeError), (True, TypeError)])
def test_other_parts_are_refused(value: Any, error: Any) -> None:
    with pytest.raises(error, match="truncate is"):
        GRU(4, truncate=value)
