"""Encoders whose rows were filled up, and decoders that attend to them, beside PyTorch's own in float64."""

from __future__ import annotations

from typing import Any

import needs
import numpy as np
import pytest

from fastnn import (
    BERT,
    Dense,
    Embedding,
    EncoderDecoder,
    Masking,
    Network,
    SelfAttention,
    TransformerBlock,
    from_torch,
    to_torch,
)

Array = Any
LENGTHS = [7, 4, 1, 6]
READ, WRITTEN, WIDTH, HEADS = 7, 4, 12, 3
# By torch's names, where attention, the norms and both dense layers of a block lie, with the norm last and first.
PARTS = {
    False: {"self": "0.0", "norm1": "1", "linear1": "2.0", "linear2": "2.1", "norm2": "3"},
    True: {"norm1": "0.0", "self": "0.1", "norm2": "1.0", "linear1": "1.1", "linear2": "1.2"},
}
DECODER = {
    False: {"self": "0.0", "cross": "2.0", "linear1": "4.0", "linear2": "4.1"}
    | {"norm1": "1", "norm2": "3", "norm3": "5"},
    True: {"self": "0.1", "cross": "1.1", "linear1": "2.1", "linear2": "2.2"}
    | {"norm1": "0.0", "norm2": "1.0", "norm3": "2.0"},
}  # fmt: skip


@pytest.fixture
def torch() -> Any:
    return needs.package("torch")


def filled(rng: np.random.Generator, lengths: Any, positions: int, tokens: int) -> Array:
    """Ids from 1 on, and 0 behind them."""
    ids = rng.integers(1, tokens, (len(lengths), positions))
    return np.where(np.arange(positions) < np.array(lengths)[:, None], ids, 0)


def drawn(network: Network) -> Network:
    rng = np.random.default_rng(1)
    for values in network.named_parameters.values():
        values += rng.normal(0, 0.3, values.shape)
    return network


class Twin:
    """torch's functions of the network's parameters, which have gradients there."""

    def __init__(self, torch: Any, network: Network) -> None:
        self.torch, self.network = torch, network
        named = network.named_parameters
        self.p = {name: torch.tensor(values.copy(), requires_grad=True) for name, values in named.items()}

    def dense(self, name: str, x: Array) -> Array:
        return x @ self.p[f"{name}.weight"] + self.p[f"{name}.bias"]

    def norm(self, name: str, x: Array, epsilon: float = 1e-5) -> Array:
        weight = self.p[f"{name}.weight"]
        return self.torch.nn.functional.layer_norm(x, weight.shape, weight, self.p[f"{name}.bias"], epsilon)

    def attend(self, name: str, x: Array, memory: Array, lengths: Any, causal: bool = False) -> Array:
        """torch's own attention, to whose masks True is what may be seen."""
        if x is memory:
            q, k, v = self.dense(f"{name}.qkv", x).chunk(3, 2)
        else:
            q, (k, v) = self.dense(f"{name}.q", x), self.dense(f"{name}.kv", memory).chunk(2, 2)
        q, k, v = (each.unflatten(2, (HEADS, -1)).transpose(1, 2) for each in (q, k, v))
        seen = self.torch.ones(q.shape[2], k.shape[2], dtype=bool)
        seen = (seen.tril() if causal else seen)[None, None]
        if lengths is not None:
            seen = seen & (self.torch.arange(k.shape[2]) < self.torch.tensor(lengths)[:, None])[:, None, None]
        y = self.torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return self.dense(f"{name}.out", y.transpose(1, 2).flatten(2))

    def block(self, name: str, parts: Any, x: Array, ways: Any, norm_first: bool, epsilon: float = 1e-5) -> Array:
        gelu = self.torch.nn.functional.gelu
        first, second = (f"{name}.{parts[linear]}" for linear in ("linear1", "linear2"))
        ways = [*ways, lambda y: self.dense(second, gelu(self.dense(first, y)))]
        for number, way in enumerate(ways, 1):
            norm = f"{name}.{parts[f'norm{number}']}"
            x = x + way(self.norm(norm, x, epsilon)) if norm_first else self.norm(norm, x + way(x), epsilon)
        return x

    def encoder_block(self, name: str, x: Array, lengths: Any, norm_first: bool, epsilon: float = 1e-5) -> Array:
        parts = PARTS[norm_first]
        ways = [lambda y: self.attend(f"{name}.{parts['self']}", y, y, lengths)]
        return self.block(name, parts, x, ways, norm_first, epsilon)

    def decoder_block(self, name: str, x: Array, memory: Array, lengths: Any, norm_first: bool) -> Array:
        parts = DECODER[norm_first]
        ways = [
            lambda y: self.attend(f"{name}.{parts['self']}", y, y, None, causal=True),
            lambda y: self.attend(f"{name}.{parts['cross']}", y, memory, lengths),
        ]
        return self.block(name, parts, x, ways, norm_first)

    def require_equal(self, ids: Array, y: Array, logits: Array, there: Array) -> None:
        """Logits where something is there, the loss and every gradient."""
        np.testing.assert_allclose(self.network(ids)[there], logits.detach().numpy()[there], atol=1e-10)
        loss = self.torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), self.torch.tensor(y).reshape(-1)
        )
        loss.backward()
        assert self.network.loss(ids, y) == pytest.approx(loss.item(), abs=1e-12)
        for name, mine in self.network.named(self.network.gradient(ids, y)).items():
            np.testing.assert_allclose(mine, self.p[name].grad, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("classes", [None, 5])
def test_an_encoder_of_filled_rows_is_pytorchs(torch: Any, classes: int | None, norm_first: bool) -> None:
    network = drawn(BERT(11, READ, 2, WIDTH, HEADS, classes=classes, hidden=10, norm_first=norm_first,
                         dtype="float64", seed=0))  # fmt: skip
    rng = np.random.default_rng(0)
    ids = filled(rng, LENGTHS, READ, 11)
    twin = Twin(torch, network)
    x = twin.norm("3", twin.p["1.weight"][torch.tensor(ids)] + twin.p["2.weight"], 1e-12)
    for name in ("4", "5"):
        x = twin.encoder_block(name, x, LENGTHS, norm_first, 1e-12)
    there = ids > 0
    if classes is None:
        y = np.where(there & (rng.random(ids.shape) < 0.7), rng.integers(0, 11, ids.shape), -100)
        hidden = twin.norm("7", torch.nn.functional.gelu(twin.dense("6", x)), 1e-12)
        twin.require_equal(ids, y, hidden @ twin.p["1.weight"].T, there)
    else:
        logits = twin.dense("9", torch.tanh(twin.dense("8", x[:, 0])))
        twin.require_equal(ids, rng.integers(0, 5, len(ids)), logits, there[:, 0])


@pytest.mark.parametrize("norm_first", [False, True])
def test_an_encoder_and_decoder_are_pytorchs(torch: Any, norm_first: bool) -> None:
    settings: dict[str, Any] = {"heads": HEADS, "hidden": 10, "norm_first": norm_first}
    both = EncoderDecoder(
        READ,
        [TransformerBlock(causal=False, **settings)] * 2,
        [TransformerBlock(cross=True, **settings)] * 2,
    )
    layers = [Masking(0), Embedding(11, WIDTH), both, Dense(11)]
    network = drawn(Network(READ + WRITTEN, layers, dtype="float64", seed=0))
    rng = np.random.default_rng(0)
    read, written = filled(rng, LENGTHS, READ, 11), filled(rng, [4, 2, 3, 1], WRITTEN, 11)
    ids = np.concatenate([read, written], axis=1)
    y = np.where(written > 0, rng.integers(0, 11, written.shape), -100)
    twin = Twin(torch, network)
    x = twin.p["1.weight"][torch.tensor(ids)]
    memory, x = x[:, :READ], x[:, READ:]
    for name in ("2.encoder.0", "2.encoder.1"):
        memory = twin.encoder_block(name, memory, LENGTHS, norm_first)
    for name in ("2.decoder.0", "2.decoder.1"):
        x = twin.decoder_block(name, x, memory, LENGTHS, norm_first)
    twin.require_equal(ids, y, twin.dense("3", x), written > 0)


def test_torchs_attention_alone_comes_and_goes_to_the_bit(torch: Any) -> None:
    module = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, dtype=torch.float64)
    torch.nn.init.normal_(module.in_proj_bias)
    network = from_torch(module, "mse", input_shape=(READ, WIDTH))
    x = np.random.default_rng(0).normal(size=(2, READ, WIDTH))
    given = torch.tensor(x)
    np.testing.assert_allclose(network(x), module(given, given, given)[0].detach(), atol=1e-12)
    again = to_torch(network)[0]
    for name, values in module.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name


@pytest.mark.parametrize(
    ("name", "value"),
    [("kdim", 5), ("add_bias_kv", True), ("add_zero_attn", True), ("batch_first", False), ("dropout", 0.1)],
)
def test_what_attention_here_has_not_is_named(torch: Any, name: str, value: Any) -> None:
    module = torch.nn.MultiheadAttention(WIDTH, HEADS, **({"batch_first": True} | {name: value}))
    with pytest.raises(ValueError, match=name):
        from_torch(module, "mse", input_shape=(READ, WIDTH))


def test_attention_among_others_has_no_sequential(torch: Any) -> None:
    with pytest.raises(ValueError, match="no Sequential gives it"):
        to_torch(Network((3, 4), [SelfAttention(2, causal=False), Dense(5)]))
