"""Tokens that follow a prompt."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import tape
from fastnn.edge.checks import as_count, as_int64, as_number, as_numeric
from fastnn.generation.decoder import Decodable, Decoder


def generate(
    network: Decodable, prompt: ArrayLike, tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None, seed: int = 0,
) -> NDArray[np.int64]:  # fmt: skip
    """The prompt (P,) or (B, P), and so many tokens after it: ids (P + tokens,) or (B, P + tokens).

    Each is drawn from the softmax of the network's logits at a temperature, 0 for the most probable one. top_k: of the
    so many most probable tokens; top_p: of the most probable that together have that share of all. Ties stay in. The
    same seed gives the same tokens, on any number of threads; a row draws by seed, its number and the place.

    A network sees as many positions as it has. When they are full, the last half of them is run again from the
    beginning, so that each token follows from at least that many before it.

    ValueError for a network that gives no logits of the tokens that it takes, or one of whose layers needs positions
    that are not there yet; for ids and settings that cannot be.
    """
    given = as_numeric(prompt, "prompt")
    known = given.reshape(1, -1) if given.ndim == 1 else given
    decoder = Decoder(network, max(len(known), 1))
    _require_language_model(decoder, network)
    _require_ids(known, decoder.vocabulary or 0)
    count, length = as_count(tokens, "tokens", least=0), known.shape[1]
    temperature = as_number(temperature, "temperature", 0.0)
    k = 0 if top_k is None else as_count(top_k, "top_k")
    p = 1.0 if top_p is None else as_number(top_p, "top_p", 0.0, 1.0)
    found = np.zeros((len(known), length + count), np.int64)
    found[:, :length] = known
    ids = np.empty((len(known), 1), network.dtype)
    weights, ordered = np.empty(decoder.width), np.empty(decoder.width)
    tape.generate(found, length, *decoder.arrays, ids, weights, ordered, decoder.capacity, temperature, k, p,
                  as_int64(seed, "seed"))  # fmt: skip
    if found.min() < 0:
        raise ValueError("the network's logits are not finite; there is no token to draw")
    return found[0] if given.ndim == 1 else found


def _require_language_model(decoder: Decoder, network: Decodable) -> None:
    if decoder.vocabulary is None or network.output_shape != (decoder.capacity, decoder.vocabulary):
        raise ValueError(
            f"a network from {network.input_shape} to {network.output_shape} gives no logits of tokens that it takes; "
            "expected an Embedding first, and as many outputs a position"
        )


def _require_ids(known: NDArray[np.int64], vocabulary: int) -> None:
    if known.ndim != 2 or known.size == 0:
        raise ValueError(f"prompt has shape {known.shape}; expected one token at least, (P,) or (B, P)")
    wrong = ~((known >= 0) & (known < vocabulary) & (known == np.floor(known)))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise ValueError(
            f"prompt holds {known[tuple(place)]} at place {place[1]}; expected ids of a vocabulary of {vocabulary:,}"
        )
