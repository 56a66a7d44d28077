"""Digits that are written backwards, by recurrent networks with and without attention and by a transformer: what the
experiments of 2014 and 2017 share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.demo.attention import DIGITS, HEADS, ROWS, TESTED, WIDTH, sequences, written_by
from fastnn.layers import (
    GRU,
    CrossAttention,
    Dense,
    Embedding,
    EncoderDecoder,
    LayerNorm,
    PositionEmbedding,
    Residual,
    Slice,
    TransformerBlock,
)
from fastnn.learning.optimizers import Adam, Cosine
from fastnn.networks.network import Network

Array = NDArray[Any]
RATE = 5e-3
# How often a training is looked at, in steps, and what share of digits is enough.
EVERY, ENOUGH = 5, 0.99


class Reversed(NamedTuple):
    """right: share of the digits of sequences that it never saw, each written after those that it wrote. needed: steps
    until ENOUGH were right, each after the right ones; 0 where they never were."""

    network: Network
    right: float
    needed: int


def recurrent(length: int, one_vector: bool, seed: int) -> Network:
    """Reads by a GRU and writes by another, which attends to the last state that was read, or to all."""
    read: list[Any] = [GRU(WIDTH), *([Slice(-1)] if one_vector else [])]
    return _network(length, read, [GRU(WIDTH), Residual(CrossAttention(HEADS))], seed)


def transformer(length: int, seed: int) -> Network:
    """Reads by a block of attention and writes by another."""
    read = [TransformerBlock(HEADS, hidden=WIDTH, causal=False)]
    return _network(length, read, [TransformerBlock(HEADS, hidden=WIDTH, cross=True)], seed)


def _network(length: int, read: list[Any], write: list[Any], seed: int) -> Network:
    begin: list[Any] = [Embedding(DIGITS + 1, WIDTH, 0.1), PositionEmbedding(2 * length, 0.1)]
    return Network(2 * length, [*begin, EncoderDecoder(length, read, write), LayerNorm(), Dense(DIGITS)], seed=seed)


def learned(network: Network, length: int, steps: int, seed: int, watched: bool = False) -> Reversed:
    """Trained on ROWS new sequences a step. watched: whether it ends when ENOUGH are right."""
    rng = np.random.default_rng(seed)
    test = sequences(np.random.default_rng(seed + 1_000), TESTED, length)
    trainer: Any = network.trainer(Adam(RATE, schedule=Cosine(steps)), batch=ROWS)
    needed = 0
    for made in range(1, steps + 1):
        trainer.step(*sequences(rng, ROWS, length))
        if watched and made % EVERY == 0 and np.mean(network.predict(test[0]) == test[1]) >= ENOUGH:
            needed = made
            break
    right = float(np.mean(written_by(network, test[0], length) == test[1]))
    return Reversed(network, right, needed)
