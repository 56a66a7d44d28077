"""Whole training runs of the reference against published ones: micrograd's demo and scikit-learn's page on
stochastic learning strategies (https://scikit-learn.org/stable/auto_examples/neural_networks/)."""

import math
import random
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler

from fastnn.reference import network, optimizer
from fastnn.reference.network import Layer


def test_micrograd_demo_is_reproduced() -> None:
    x, y = make_moons(100, noise=0.1, random_state=1337)
    sign = (2.0 * y - 1.0)[:, np.newaxis]
    uniform = random.Random(1337).uniform
    layers = [
        Layer(np.array([[uniform(-1, 1) for _ in range(i)] for _ in range(o)]).T, np.zeros(o), name)
        for i, o, name in ((2, 16, "relu"), (16, 16, "relu"), (16, 1, "identity"))
    ]
    losses = []
    for k in range(100):
        penalty = 1e-4 * np.sum(network.parameters(layers) ** 2)
        data_loss, layers, _ = network.step(
            layers, "hinge", x, sign, step=k + 1, lr=1 - 0.9 * k / 100, weight_decay=2e-4
        )
        losses.append(data_loss + penalty)
    published = [0.8958441028683222, 1.7235905336972022, 0.09875114765619622, 0.010978370135492717]
    assert [losses[k] for k in (0, 1, 50, 99)] == pytest.approx(published, rel=0, abs=1e-12)
    assert np.all(network.forward(layers, x) * sign > 0)


DIGITS = load_digits()
PIXELS = MinMaxScaler().fit_transform(DIGITS.data)
SIZES = (64, 100, 10)
EPOCHS, BATCH, L2 = 15, 200, 1e-4


def glorot_layers(generator: np.random.RandomState) -> list[Layer]:
    layers = []
    for i, o, name in zip(SIZES[:-1], SIZES[1:], ("relu", "identity"), strict=True):
        bound = math.sqrt(6.0 / (i + o))
        w = generator.uniform(-bound, bound, (i, o))
        layers.append(Layer(w, generator.uniform(-bound, bound, o), name))
    return layers


def train_as_scikit_learn(update: str, lr: float) -> tuple[float, list[float]]:
    """Training accuracy, and the mean loss of each epoch."""
    generator = np.random.RandomState(0)
    layers = glorot_layers(generator)
    state = optimizer.initial_state(update, network.parameters(layers))
    order, losses, step = np.arange(len(PIXELS)), [], 1
    for _ in range(EPOCHS):
        order = order[generator.permutation(len(order))]
        total = 0.0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            value, gradients = network.loss_and_gradient(
                layers, "cross_entropy", PIXELS[rows], DIGITS.target[rows]
            )
            total += len(rows) * value + 0.5 * L2 * sum(np.sum(layer.w**2) for layer in layers)
            g = network.flatten(
                [
                    array
                    for layer, (dw, db) in zip(layers, gradients, strict=True)
                    for array in (dw + L2 / len(rows) * layer.w, db)
                ]
            )
            # Its Adam adds epsilon to the root before the bias correction, not after.
            options = {"epsilon": 1e-8 / math.sqrt(1 - 0.999**step)} if update == "adam" else {}
            p, state = optimizer.UPDATES[update](network.parameters(layers), g, state, step, lr, **options)
            layers, step = network.with_parameters(layers, p), step + 1
        losses.append(total / len(order))
    predicted = np.argmax(network.forward(layers, PIXELS), axis=1)
    return float(np.mean(predicted == DIGITS.target)), losses


@pytest.mark.parametrize(
    ("update", "lr", "score", "loss", "options"),
    [
        ("sgd", 0.2, 0.956038, 0.243802, {"momentum": 0}),
        ("momentum", 0.2, 0.992766, 0.041297, {"momentum": 0.9, "nesterovs_momentum": False}),
        ("nesterov", 0.2, 0.993879, 0.042898, {"momentum": 0.9, "nesterovs_momentum": True}),
        ("adam", 0.01, 0.991653, 0.045934, {"solver": "adam"}),
    ],
)
def test_scikit_learn_digits_curves_are_reproduced(
    update: str, lr: float, score: float, loss: float, options: dict[str, Any]
) -> None:
    accuracy, losses = train_as_scikit_learn(update, lr)
    assert round(accuracy, 6) == score
    assert round(losses[-1], 6) == loss
    classifier = MLPClassifier(
        random_state=0, max_iter=EPOCHS, learning_rate_init=lr, **({"solver": "sgd"} | options)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(PIXELS, DIGITS.target)
    np.testing.assert_allclose(losses, classifier.loss_curve_, rtol=1e-12)
