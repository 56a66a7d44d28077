"""What happens between the layers of a GPT, looked at through networks made of its first ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.functional import softmax
from fastnn.layers.dense import Dense
from fastnn.layers.embedding import Embedding, PositionEmbedding
from fastnn.layers.transformer import TransformerBlock
from fastnn.networks.network import Network

# Of the next tokens, those that are told.
LIKELY = 8


def blocks(network: Network) -> list[int]:
    """Places of its transformer blocks among its layers."""
    return [place for place, layer in enumerate(network.layers) if isinstance(layer, TransformerBlock)]


def is_gpt(network: Network) -> bool:
    """Whether it is embeddings of tokens and places, blocks, a norm and a head."""
    kinds = [type(layer) for layer in network.layers]
    return kinds[:2] == [Embedding, PositionEmbedding] and 0 < len(blocks(network)) == len(kinds) - 4


def vectors(network: Network, until: int, ids: Sequence[int]) -> NDArray[Any]:
    """Of each token (n, C), after so many layers."""
    return outputs(_made_of(network, until, [], {}, "mse"), ids)


def guesses(network: Network, until: int, ids: Sequence[int]) -> NDArray[Any]:
    """Logits (n, V) that the last norm and the head make of the vectors after so many layers."""
    last = len(network.layers) - 2
    moved = {str(until + k): str(last + k) for k in range(2)}
    return outputs(_made_of(network, until, network.layers[last:], moved, "cross_entropy"), ids)


def guess(network: Network, until: int, ids: Sequence[int]) -> tuple[int, float]:
    """The token that it would say next after so many layers, and how probable."""
    shares = softmax(guesses(network, until, ids)[-1:].astype(np.float64))[0]
    return int(np.argmax(shares)), float(shares.max())


def likely(network: Network, ids: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Logits (V,) of the next token, and the LIKELY most probable ones."""
    logits = outputs(network, ids)[-1].astype(np.float64)
    return logits, np.argsort(-logits, kind="stable")[:LIKELY]


def attention(network: Network, place: int, ids: Sequence[int]) -> NDArray[np.float64]:
    """How much each token looks at each before it, in the block at a place: (H, n, n), rows of which the sum is 1.

    ValueError: positions that are rotary, or heads that share their keys.
    """
    block: Any = network.layers[place]
    if block.rotary is not None or block.kv_heads is not None:
        raise ValueError("its queries and keys are not those of a GPT of `fastnn train --text`")
    width, n = network.named_parameters[f"{place}.0.1.qkv.weight"].shape[0], len(ids)
    norm = block.layers(width)[0].layers[0]
    parts = [norm, Dense(3 * width, bias=block.bias)]
    moved = {str(place): f"{place}.0.0", str(place + 1): f"{place}.0.1.qkv"}
    rows = outputs(_made_of(network, place, parts, moved, "mse"), ids).astype(np.float64)
    q, k = (rows[:, part * width :][:, :width].reshape(n, block.heads, -1) for part in range(2))
    return shares(q, k, np.tri(n, dtype=bool))


def shares(q: NDArray[np.float64], k: NDArray[np.float64], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(H, n, m): how much queries (n, H, S) look at each of the keys (m, H, S) that they see, (n, m)."""
    scores = np.einsum("qhs,khs->hqk", q, k) / np.sqrt(q.shape[2])
    return np.stack([softmax(head) for head in np.where(seen, scores, -np.inf)])


def _made_of(network: Network, until: int, more: Sequence[Any], moved: dict[str, str], loss: str) -> Network:
    """Its first layers and more after them. moved: where the parameters of a layer come from that has another place."""
    found = Network(
        network.input_shape, [*network.layers[:until], *more], loss=loss, dtype=network.dtype, initialize=False
    )
    for name, values in found.named_parameters.items():
        place, _, rest = name.partition(".")
        values[...] = network.named_parameters[f"{moved.get(place, place)}.{rest}"]
    return found


def outputs(network: Network, ids: Sequence[int]) -> NDArray[Any]:
    """The output of each of the ids; what is behind them, and does not matter to them, is 0."""
    x = np.zeros((1, *network.input_shape), np.int64)
    x[0, : len(ids)] = ids
    found: NDArray[Any] = network(x)[0, : len(ids)]
    return found
