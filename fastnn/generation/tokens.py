"""Tokens that follow a prompt, all at once or one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import tape
from fastnn.edge.checks import as_count, as_int64, as_number, as_numeric, require_memory
from fastnn.generation.decoder import Decodable, Decoder

# More positions than a loop comes to.
NO_END = 2**62


class Generating(Decodable, Protocol):
    """What `generate` asks of a fastnn.Network."""

    def kept_decoder(self, batch: int) -> Decoder: ...


def generate(
    network: Generating, prompt: ArrayLike, tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None, seed: int = 0,
) -> NDArray[np.int64]:  # fmt: skip
    """The prompt (P,) or (B, P), and so many tokens after it: ids (P + tokens,) or (B, P + tokens).

    Each is drawn from the softmax of the network's logits at a temperature, 0 for the most probable one. top_k: of the
    so many most probable tokens; top_p: of the most probable that together have that share of all. Ties stay in. The
    same seed gives the same tokens, on any number of threads; a row draws by seed, its number and the place.

    A network sees as many positions as it has. When they are full, the last half of them is run again from the
    beginning, so that each token follows from at least that many before it. One whose Decoder has no last position, as
    recurrent layers have none, keeps its state and goes on: each token follows from all before it.

    ValueError for a network that gives no logits of the tokens that it takes, or one of whose layers needs positions
    that are not there yet; for ids and settings that cannot be.
    """
    given = as_numeric(prompt, "prompt")
    known = given.reshape(1, -1) if given.ndim == 1 else given
    _require_tokens(known)
    decoder = network.kept_decoder(len(known))
    running = _Running(network, decoder, known, tokens, temperature, top_k, top_p, seed)
    running.go_on(running.found.shape[1])
    return running.found[0] if given.ndim == 1 else running.found


def follow(
    network: Decodable, prompt: ArrayLike, tokens: int, *, temperature: float = 1.0, top_k: int | None = None,
    top_p: float | None = None, seed: int = 0,
) -> Iterator[int]:  # fmt: skip
    """The tokens that `generate` adds to one prompt (P,), each when it is there."""
    known, decoder = (
        as_numeric(prompt, "prompt").reshape(1, -1),
        Decoder(network),
    )  # its own: others may go on meanwhile
    running = _Running(network, decoder, known, tokens, temperature, top_k, top_p, seed)
    for place in range(running.known, running.found.shape[1]):
        running.go_on(place + 1)
        yield int(running.found[0, place])


class _Running:
    """Sequences on their way. found (B, P + tokens), of which `known` are the prompt."""

    def __init__(
        self, network: Decodable, decoder: Decoder, prompt: NDArray[Any], tokens: int, temperature: float,
        top_k: int | None, top_p: float | None, seed: int,
    ) -> None:  # fmt: skip
        _require_language_model(decoder, network)
        _require_tokens(prompt)
        _require_ids(prompt, decoder.vocabulary or 0)
        rows, self.known = prompt.shape
        length = self.known + as_count(tokens, "tokens", least=0)
        require_memory(rows * length, np.dtype(np.int64), f"{length:,} tokens", "ask for fewer")
        self.found = np.zeros((rows, length), np.int64)
        self.found[:, : self.known] = prompt
        capacity = NO_END if decoder.capacity is None else decoder.capacity
        self._state = np.array([max(self.known - capacity, 0), 0])
        scratch = np.empty((rows, 1), network.dtype), np.empty(decoder.width), np.empty(decoder.width)
        k = 0 if top_k is None else min(as_count(top_k, "top_k"), decoder.width)
        p = 1.0 if top_p is None else as_number(top_p, "top_p", 0.0, 1.0)
        temperature = as_number(temperature, "temperature", 0.0)
        self._told = *decoder.arrays, *scratch, capacity, temperature, k, p, as_int64(seed, "seed")

    def go_on(self, until: int) -> None:
        """To so many tokens in all. ValueError: logits that are no numbers."""
        tape.generate(self.found, self.known, until, self._state, *self._told)
        if self.found.min() < 0:
            raise ValueError("the network's logits are not finite; there is no token to draw")


def _require_language_model(decoder: Decoder, network: Decodable) -> None:
    if decoder.vocabulary is None or network.output_shape != (*network.input_shape, decoder.vocabulary):
        raise ValueError(
            f"a network from {network.input_shape} to {network.output_shape} gives no logits of tokens that it takes; "
            "expected an Embedding first, and as many outputs a position"
        )


def _require_tokens(prompt: NDArray[Any]) -> None:
    if prompt.ndim != 2 or prompt.size == 0:
        raise ValueError(f"prompt has shape {prompt.shape}; expected one token at least, (P,) or (B, P)")


def _require_ids(prompt: NDArray[Any], vocabulary: int) -> None:
    wrong = ~((prompt >= 0) & (prompt < vocabulary) & (prompt == np.floor(prompt)))
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise ValueError(
            f"prompt holds {prompt[tuple(place)]} at place {place[1]}; expected ids of a vocabulary of {vocabulary:,}"
        )
