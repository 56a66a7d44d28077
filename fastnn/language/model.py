"""A network that knows its vocabulary: text in, text out."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.generation.tokens import follow
from fastnn.language.vocabulary import Vocabulary, vocabulary_of
from fastnn.networks.io import FileError, read_metadata, save
from fastnn.networks.models import CELLS, load
from fastnn.networks.network import Network

KEY = "vocabulary"
# Of which e to the power is a number.
MOST_NATS = 709.0
# Sequences that are scored at a time.
ROWS = 64
# Tokens of a prompt with which what follows is decoded.
CONTEXT = 16
# What stands where bytes are no text, or not yet.
UNFINISHED = "\ufffd"


class Score(NamedTuple):
    """Of a text: nats is the mean loss of a token, each after at most as many as the network has positions before it.

    tokens: those that were predicted.
    """

    nats: float
    tokens: int

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)

    @property
    def perplexity(self) -> float:
        """Infinite where no number is as large."""
        return math.exp(self.nats) if self.nats < MOST_NATS else math.inf

    def as_dict(self) -> dict[str, Any]:
        """As JSON can keep it: a perplexity without bounds is None."""
        perplexity = self.perplexity if math.isfinite(self.perplexity) else None
        return {**self._asdict(), "bits": self.bits, "perplexity": perplexity}


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """network: ids (N, T) in, logits (N, T, V) out, of the vocabulary's V tokens. ValueError: of another number."""

    network: Network
    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        shape = self.network.output_shape
        if len(shape) != 2 or shape[1] != self.vocabulary.size:
            raise ValueError(f"the network gives {shape}, and the vocabulary has {self.vocabulary.size:,} tokens")

    @property
    def length(self) -> int:
        """Positions."""
        return self.network.input_shape[0]

    @property
    def kind(self) -> str:
        """Its name among those of `fastnn train --text --model`."""
        layers = [type(layer) for layer in self.network.layers]
        return next((name for name, cell in CELLS.items() if cell in layers), "gpt")

    def score(self, ids: NDArray[Any]) -> Score:
        """Of a text's tokens but the first, in sequences one after the other. ValueError: fewer than two."""
        count = len(ids) - 1
        if count < 1:
            raise ValueError(f"a text of {len(ids)} tokens says nothing of what follows what; expected two or more")
        x, y = (_in_rows(values, self.length, fill) for values, fill in ((ids[:-1], 0), (ids[1:], -100)))
        total = 0.0
        for at in range(0, len(x), ROWS):
            rows = slice(at, at + ROWS)
            total += self.network.loss(x[rows], y[rows]) * np.count_nonzero(y[rows] >= 0)
        return Score(float(total) / count, count)

    def stream(self, prompt: str, tokens: int, **how: Any) -> Iterator[str]:
        """Text that follows the prompt, piece by piece; how: as of Network.generate. An empty prompt is a line end, or,
        where the vocabulary has none, its first token.

        ValueError: a prompt that the vocabulary has not, or settings that cannot be.
        """
        known = self.vocabulary.encode(prompt) if prompt else self._beginning()
        # Decoded with what comes before: a tokenizer may leave out the space before what it takes for the first word.
        found: list[int] = known[-CONTEXT:].tolist()
        before, told = 0, len(found)
        for token in follow(self.network, known, tokens, **how):
            found.append(token)
            text = self._after(found, before, told)
            if text and not text.endswith(UNFINISHED):
                yield text
                before, told = told, len(found)
        yield self._after(found, before, told)

    def _after(self, ids: list[int], before: int, told: int) -> str:
        """The text of ids from `told` on, those from `before` on before it."""
        return self.vocabulary.decode(ids[before:])[len(self.vocabulary.decode(ids[before:told])) :]

    def _beginning(self) -> NDArray[np.int64]:
        try:
            found = self.vocabulary.encode("\n")
        except ValueError:
            found = np.zeros(0, np.int64)
        return found if len(found) else np.zeros(1, np.int64)

    def generate(self, prompt: str, tokens: int, **how: Any) -> str:
        """The whole text that follows the prompt; see `stream`."""
        return "".join(self.stream(prompt, tokens, **how))

    def save(self, path: str | PathLike[str]) -> None:
        """A file that fastnn.load reads too, as the bare network; atomically."""
        save(self.network, path, {KEY: json.dumps(self.vocabulary.describe())})

    @staticmethod
    def load(path: str | PathLike[str]) -> LanguageModel:
        """The model that `save` wrote. FileError, FileNotFoundError; ModuleNotFoundError without its tokenizer's."""
        network, text = load(path), read_metadata(path).get(KEY)
        if text is None:
            raise FileError(f"{path} holds a network without a vocabulary; expected a file of `fastnn train --text`")
        try:
            return LanguageModel(network, vocabulary_of(json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FileError(f"{path}: what it says of its vocabulary is broken ({error})") from error


def _in_rows(values: NDArray[Any], length: int, fill: int) -> NDArray[np.int64]:
    """(N, length), the last filled up."""
    rows = -(-len(values) // length)
    found = np.full(rows * length, fill, np.int64)
    found[: len(values)] = values
    return found.reshape(rows, length)
