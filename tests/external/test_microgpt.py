"""microgpt, Karpathy's transformer of 4,192 parameters in pure Python: its losses, and the names that it makes up.

gist.github.com/karpathy/8627fe009c40f57531cb18360106ce95, with random.seed(42). It shuffles the 32,033 names of
makemore's names.txt (MIT; the US Social Security Administration's) and learns from the first 1,000: microgpt_names.txt.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnn import (
    Adam,
    Dense,
    Embedding,
    Linear,
    Network,
    PositionEmbedding,
    Residual,
    RMSNorm,
    SelfAttention,
)

NAMES = (Path(__file__).parent / "microgpt_names.txt").read_text(encoding="utf-8").split()
ALL_NAMES, LETTERS = 32033, "abcdefghijklmnopqrstuvwxyz"
WIDTH, POSITIONS, HEADS = 16, 16, 4
LOSSES = {
    1: 3.3659669475848517, 2: 3.424272783871772, 3: 3.177802125458052, 10: 3.222888240118263, 100: 3.3669309211789145,
    500: 2.0644662067274577, 999: 2.4730202641090284, 1000: 2.649694469740758,
}  # fmt: skip
MEAN = 2.451675722389567
MADE_UP = (
    "kamon ann karai jaire vialan karia yeran anna areli kaina konna keylen liole alerin earan lenne kana lara alela "
    "anton"
)


def matrix(rows: int, columns: int) -> Any:
    return np.array([[random.gauss(0, 0.08) for _ in range(columns)] for _ in range(rows)])


def build(vocabulary: int) -> Network:
    norm = RMSNorm(1e-5, weight=False)
    attention = Residual(norm, SelfAttention(HEADS, bias=False))
    dense = Residual(norm, Dense(4 * WIDTH, "relu", bias=False), Dense(WIDTH, bias=False))
    layers = [Embedding(vocabulary, WIDTH), PositionEmbedding(POSITIONS), norm, attention, dense]
    network = Network(POSITIONS, [*layers, Dense(vocabulary, bias=False)], dtype="float64", initialize=False)
    named = network.named_parameters
    named["0.weight"][:], named["1.weight"][:] = matrix(vocabulary, WIDTH), matrix(POSITIONS, WIDTH)
    named["5.weight"][:] = matrix(vocabulary, WIDTH).T
    named["3.1.qkv.weight"][:] = np.concatenate([matrix(WIDTH, WIDTH) for _ in range(3)]).T
    named["3.1.out.weight"][:] = matrix(WIDTH, WIDTH).T
    named["4.1.weight"][:], named["4.2.weight"][:] = matrix(4 * WIDTH, WIDTH).T, matrix(WIDTH, 4 * WIDTH).T
    return network


def rows_of(tokens: list[int]) -> tuple[Any, Any]:
    """A name as a row of ids and of those that follow, which count as far as the name goes."""
    count = min(POSITIONS, len(tokens) - 1)
    x, y = np.zeros((1, POSITIONS), np.int64), np.full((1, POSITIONS), -100)
    x[0, :count], y[0, :count] = tokens[:count], tokens[1 : count + 1]
    return x, y


def test_losses_and_names_are_the_published_ones() -> None:
    random.seed(42)
    # The same draws as it makes, before it draws the parameters.
    random.shuffle(list(range(ALL_NAMES)))
    end = len(LETTERS)
    network = build(end + 1)
    assert network.parameter_count == 4192
    trainer = network.trainer(Adam(0.01, 0.85, 0.99, 1e-8, schedule=Linear(1000)), batch=1)
    losses = [trainer.step(*rows_of([end, *map(LETTERS.index, name), end])) for name in NAMES]
    for step, loss in LOSSES.items():
        assert losses[step - 1] == pytest.approx(loss, abs=1e-9), step
    assert np.mean(losses) == pytest.approx(MEAN, abs=1e-9)
    assert " ".join(drawn(network) for _ in range(20)) == MADE_UP


def drawn(network: Network) -> str:
    """As the recipe draws, by Python's generator."""
    end, found = len(LETTERS), list[int]()
    for position in range(POSITIONS):
        x = np.zeros((1, POSITIONS), np.int64)
        x[0, : position + 1] = [end, *found]
        p = network.predict_proba(x, temperature=0.5)[0, position]
        token = random.choices(range(end + 1), weights=p)[0]
        if token == end:
            break
        found.append(token)
    return "".join(LETTERS[token] for token in found)
