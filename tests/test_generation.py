"""Generation: a cache that gives the bits of the whole sequence, tokens that are drawn as asked, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

import fastnn
from fastnn import GPT, Dense, Embedding, Network, PositionEmbedding, TransformerBlock, mlp, tape
from fastnn.generation.decoder import Decoder
from fastnn.kernels.sampling import sample, uniform

V, T = 11, 9


def model(**settings: Any) -> Network:
    """Of weights that are not small, so that tokens differ."""
    network = GPT(V, T, 2, 12, 3, seed=0, **settings)
    rng = np.random.default_rng(1)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.4, values.shape)
    return network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("settings", [{}, {"kv_heads": 1, "norm": "rms", "tied": False}], ids=["gpt", "grouped"])
def test_each_position_has_the_bits_of_the_whole_sequence(settings: Any, dtype: str) -> None:
    network, x = model(dtype=dtype, **settings), np.random.default_rng(2).integers(0, V, (3, T))
    whole, decoder = network(x), Decoder(network, 3)
    for t in range(T):
        assert decoder.step(x[:, t]).tobytes() == whole[:, t].tobytes(), t
    decoder.reset()
    assert decoder.step(x[:, 1]).tobytes() == network(np.roll(x, -1, axis=1))[:, 0].tobytes()


def test_a_network_of_numbers_goes_step_by_step_too() -> None:
    network = Network((T, 4), [Dense(6), PositionEmbedding(T, 1.0), TransformerBlock(2), Dense(2)], loss="mse", seed=0)
    x = np.random.default_rng(0).normal(size=(2, T, 4)).astype("float32")
    whole, decoder = network(x), Decoder(network, 2)
    for t in range(T):
        assert decoder.step(x[:, t]).tobytes() == whole[:, t].tobytes()


def test_tokens_are_drawn_from_the_softmax() -> None:
    """Of 20,000 draws, as many of each as its probability says, within five deviations."""
    logits = np.array([0.3, -1.0, 2.0, 0.0])
    weights, ordered = np.empty(4), np.empty(4)
    for temperature in (0.5, 1.0, 3.0):
        p = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        draws = [sample(logits, weights, ordered, temperature, 0, 1.0, uniform(7, 0, k)) for k in range(20_000)]
        counts = np.bincount(draws, minlength=4)
        assert (np.abs(counts - 20_000 * p) < 5 * np.sqrt(20_000 * p * (1 - p))).all()


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (1, 1.0, {2}),
        (2, 1.0, {0, 2}),
        (3, 1.0, {0, 1, 2, 4}),  # 1 and 4 are as probable as each other
        (99, 1.0, {0, 1, 2, 3, 4}),
        (0, 0.5, {2}),
        (0, 0.85, {0, 2}),
        (0, 0.95, {0, 1, 2, 4}),
        (2, 0.99, {0, 2}),
        (3, 0.01, {2}),
    ],
)
def test_top_k_and_top_p_leave_out_the_others(top_k: int, top_p: float, kept: set[int]) -> None:
    logits = np.log(np.array([0.2, 0.05, 0.69, 0.01, 0.05]))
    weights, ordered = np.empty(5), np.empty(5)
    draws = {sample(logits, weights, ordered, 1.0, top_k, top_p, k / 3000) for k in range(3000)}
    assert draws == kept


def test_more_than_all_tokens_are_all_of_them() -> None:
    net = model()
    assert net.generate([1], 20, top_k=10**30).tolist() == net.generate([1], 20).tolist()


def test_temperature_0_takes_the_first_largest() -> None:
    weights, ordered = np.empty(3), np.empty(3)
    assert sample(np.array([1.0, 5.0, 5.0]), weights, ordered, 0.0, 0, 1.0, 0.99) == 1
    network, prompt = model(), [3, 1]
    tokens = network.generate(prompt, T - 2, temperature=0)
    for t in range(1, T - 1):
        padded = np.zeros((1, T), int)
        padded[0, : t + 1] = tokens[: t + 1]
        assert tokens[t + 1] == network(padded)[0, t].argmax()


def test_a_seed_gives_the_same_tokens_and_rows_do_not_depend_on_each_other() -> None:
    network = model()
    tokens = network.generate([[3, 1], [2, 2]], 40, seed=5)
    assert tokens.shape == (2, 42)
    np.testing.assert_array_equal(tokens[0], network.generate([3, 1], 40, seed=5))
    assert (tokens[0] != network.generate([3, 1], 40, seed=6)).any()
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(1)
    try:
        np.testing.assert_array_equal(tokens, network.generate([[3, 1], [2, 2]], 40, seed=5))
    finally:
        fastnn.set_num_threads(before)


def test_past_the_last_position_the_last_half_is_run_again() -> None:
    """Each token is the most probable one after what the network then sees."""
    network, known = model(), [1, 2, 3]
    tokens = network.generate(known, 40, temperature=0)
    seen: list[int] = []
    for at, token in enumerate(tokens[:-1]):
        seen = [*(seen if len(seen) < T else seen[-(T // 2) :]), int(token)]
        if at + 1 < len(known):
            continue
        padded = np.zeros((1, T), int)
        padded[0, : len(seen)] = seen
        assert tokens[at + 1] == network(padded)[0, len(seen) - 1].argmax(), at


def test_a_prompt_longer_than_the_network_is_seen_from_its_end() -> None:
    network = model()
    long = np.random.default_rng(0).integers(0, V, 3 * T)
    tokens = network.generate(long, 1, temperature=0)
    assert tokens[-1] == network(long[None, -T:])[0, -1].argmax()
    np.testing.assert_array_equal(tokens[:-1], long)


def test_nopython_code_generates_the_same() -> None:
    @njit
    def follow(tape_: Any, params: Any, workspace: Any, token: int, count: int) -> Any:
        x, found = np.empty((1, 1), np.float32), np.empty(count, np.int64)
        for t in range(count):
            x[0, 0] = token
            tape.decode(tape_, params, x, workspace, t)
            token = np.argmax(tape.next_logits(tape_, workspace, 1)[0])
            found[t] = token
        return found

    network = model()
    np.testing.assert_array_equal(
        follow(*Decoder(network).arrays, 3, T - 1), network.generate([3], T - 1, temperature=0)[1:]
    )


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda net: net.generate([], 3), "expected one token at least"),
        (lambda net: net.generate(3, 3), r"shape \(\)"),
        (lambda net: net.generate(np.ones((2, 2, 2), int), 3), r"shape \(2, 2, 2\)"),
        (lambda net: net.generate([1], 10**15), "GiB of memory are free"),
        (lambda net: net.generate([1, V], 3), f"prompt holds {V} at place 1; expected ids of a vocabulary of {V}"),
        (lambda net: net.generate([0.5], 3), "prompt holds 0.5"),
        (lambda net: net.generate([1], -1), "tokens"),
        (lambda net: net.generate([1], 1, temperature=-1), "temperature"),
        (lambda net: net.generate([1], 1, temperature=float("nan")), "temperature"),
        (lambda net: net.generate([1], 1, top_k=0), "top_k"),
        (lambda net: net.generate([1], 1, top_p=1.5), "top_p"),
        (lambda net: Decoder(net, 2).step([1]), "x has 1 rows; this decoder has 2"),
        (lambda net: Decoder(net).step([V]), "expected ids"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, told: str) -> None:
    with pytest.raises((ValueError, TypeError), match=told):
        call(model())


def test_networks_that_cannot_go_on_are_refused() -> None:
    later = Network(T, [Embedding(V, 6), TransformerBlock(2, causal=False), Dense(V)])
    with pytest.raises(ValueError, match=r"layer 1\.0\.1\.attend: its attention sees later positions"):
        later.generate([1], 1)
    with pytest.raises(ValueError, match="gives no logits of tokens that it takes"):
        Network(T, [Embedding(V, 6), Dense(V + 1)]).generate([1], 1)
    with pytest.raises(ValueError, match=r"rows of \(3,\) have no positions"):
        Decoder(mlp(3, 4, 2))
    full = Decoder(model())
    for _ in range(T):
        full.step([1])
    with pytest.raises(ValueError, match="9 positions were run, all that the network has"):
        full.step([1])
    broken = model()
    broken.parameters[:] = np.nan
    with pytest.raises(ValueError, match="logits are not finite"):
        broken.generate([1], 3)
