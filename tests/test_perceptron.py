"""The perceptron rule (Rosenblatt 1958): it learns what a line separates, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import SGD, Network, mlp

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def perceptron(dtype: str = "float32", initializer: str = "auto", seed: int = 0) -> Network:
    return mlp(2, 1, output_activation="step", loss="perceptron", dtype=dtype, initializer=initializer, seed=seed)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("y", [[0, 0, 0, 1], [0, 1, 1, 1]], ids=["and", "or"])
def test_the_perceptron_rule_learns_what_a_line_separates(y: list[int], seed: int) -> None:
    net = perceptron(seed=seed)
    history = net.fit(CORNERS, y, epochs=50, batch=1, optimizer=SGD(1.0), seed=seed)
    assert net.predict(CORNERS)[:, 0].tolist() == y
    assert net.accuracy(CORNERS, y) == 1
    assert history.loss[-1] == 0
    assert history.accuracy[-1] == 1


def test_the_perceptron_rule_does_not_learn_xor() -> None:
    net, y = perceptron(), [0, 1, 1, 0]
    history = net.fit(CORNERS, y, epochs=200, batch=1, optimizer=SGD(1.0), seed=0)
    assert max(history.accuracy) < 1
    assert net.accuracy(CORNERS, y) < 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_perceptron_rule_is_rosenblatts_to_the_bit(dtype: str) -> None:
    """From weights of 0 all numbers are small integers, so that equality is exact."""
    generator = np.random.default_rng(6)
    x = generator.integers(-4, 5, (30, 3))
    y = generator.integers(0, 2, 30)
    net = mlp(3, 1, output_activation="step", loss="perceptron", dtype=dtype, initializer="zeros", seed=0)
    w, b, order, mistakes = np.zeros(3, int), 0, np.arange(30), []
    shuffler = np.random.default_rng(9)
    for _ in range(10):
        shuffler.shuffle(order)
        mistakes.append(0)
        for row in order:
            error = int(y[row]) - int(x[row] @ w + b >= 0)
            w, b = w + error * x[row], b + error
            mistakes[-1] += abs(error)
    history = net.fit(x, y, epochs=10, batch=1, optimizer=SGD(1.0), seed=9)
    assert net.named_parameters["0.weight"][:, 0].tolist() == w.tolist()
    assert net.named_parameters["0.bias"].tolist() == [b]
    assert history.loss == mistakes
    assert w.any()
