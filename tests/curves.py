"""Two published training runs, written down once for whatever can take a gradient and a step.

micrograd's demo (https://github.com/karpathy/micrograd/blob/master/demo.ipynb): two moons, 2-16-16-1, hinge loss with
an L2 penalty on weights and biases, the whole data as one batch. scikit-learn's page on stochastic learning strategies
(https://scikit-learn.org/stable/auto_examples/neural_networks/plot_mlp_training_curves.html): digits, 64-100-10,
batches of 200, an L2 penalty on the weights of each batch.
"""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits, make_moons  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.neural_network import MLPClassifier  # type: ignore[import-untyped]
from sklearn.preprocessing import MinMaxScaler  # type: ignore[import-untyped]

Array = npt.NDArray[Any]


class Model(Protocol):
    """A network in float64 with its gradient and optimizer. Parameters are named "0.weight", "0.bias", ..."""

    @property
    def parameters(self) -> Mapping[str, Array]: ...

    @property
    def gradients(self) -> Mapping[str, Array]: ...

    def gradient(self, x: Array, y: Array) -> float:
        """The mean loss of a batch; its gradient then stands in `gradients`, where it may be changed in place."""
        ...

    def update(self, rate: float) -> None:
        """One step of the optimizer along `gradients`."""
        ...

    def output(self, x: Array) -> Array: ...


# micrograd ------------------------------------------------------------------------------------------------------------

MICROGRAD_SIZES = (2, 16, 16, 1)
MICROGRAD_LOSSES = {0: 0.8958441028683222, 1: 1.7235905336972022, 50: 0.09875114765619622, 99: 0.010978370135492717}
MICROGRAD_L2 = 1e-4


def moons() -> tuple[Array, Array]:
    """Points (100, 2) and their side (100, 1), -1 or 1."""
    x, y = make_moons(100, noise=0.1, random_state=1337)
    return x, (2.0 * y - 1.0)[:, np.newaxis]


def micrograd_weights() -> list[tuple[Array, Array]]:
    """Drawn layer by layer, neuron by neuron; biases 0."""
    uniform = random.Random(1337).uniform
    pairs = zip(MICROGRAD_SIZES[:-1], MICROGRAD_SIZES[1:], strict=True)
    return [(np.array([[uniform(-1, 1) for _ in range(i)] for _ in range(o)]).T, np.zeros(o)) for i, o in pairs]


def micrograd_curve(model: Model) -> list[float]:
    """Hinge loss plus penalty before each of the 100 steps."""
    x, side = moons()
    losses = []
    for k in range(100):
        penalty = MICROGRAD_L2 * sum(np.sum(values**2) for values in model.parameters.values())
        losses.append(model.gradient(x, side) + float(penalty))
        for name, values in model.parameters.items():
            model.gradients[name][...] += 2 * MICROGRAD_L2 * values
        model.update(1 - 0.9 * k / 100)
    return losses


# scikit-learn ---------------------------------------------------------------------------------------------------------

DIGITS_SIZES = (64, 100, 10)
EPOCHS, BATCH, L2 = 15, 200, 1e-4


@dataclass(frozen=True)
class Strategy:
    """An optimizer of the page, the score and loss printed there, and what makes MLPClassifier use it."""

    update: str
    rate: float
    score: float
    loss: float
    options: Mapping[str, Any]


STRATEGIES: Sequence[Strategy] = (
    Strategy("sgd", 0.2, 0.956038, 0.243802, {"solver": "sgd", "momentum": 0}),
    Strategy("momentum", 0.2, 0.992766, 0.041297, {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False}),
    Strategy("nesterov", 0.2, 0.993879, 0.042898, {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": True}),
    Strategy("adam", 0.01, 0.991653, 0.045934, {"solver": "adam"}),
)


def digits() -> tuple[Array, Array]:
    """Pixels (1797, 64), each scaled to [0, 1], and labels (1797,)."""
    data = load_digits()
    return MinMaxScaler().fit_transform(data.data), data.target.astype(np.int64)


def digits_weights(generator: np.random.RandomState) -> list[tuple[Array, Array]]:
    weights = []
    for i, o in zip(DIGITS_SIZES[:-1], DIGITS_SIZES[1:], strict=True):
        bound = math.sqrt(6.0 / (i + o))
        w = generator.uniform(-bound, bound, (i, o))
        weights.append((w, generator.uniform(-bound, bound, o)))
    return weights


def digits_curve(model: Model, generator: np.random.RandomState, rate: float) -> tuple[float, list[float]]:
    """Training accuracy, and the mean loss of each epoch. The generator has drawn the weights before."""
    pixels, labels = digits()
    order, losses = np.arange(len(pixels)), []
    for _ in range(EPOCHS):
        order = order[generator.permutation(len(order))]
        total = 0.0
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            value = model.gradient(pixels[rows], labels[rows])
            weights = {name: values for name, values in model.parameters.items() if name.endswith("weight")}
            total += len(rows) * value + 0.5 * L2 * sum(np.sum(values**2) for values in weights.values())
            for name, values in weights.items():
                model.gradients[name][...] += L2 / len(rows) * values
            model.update(rate)
        losses.append(float(total / len(order)))
    predicted = np.argmax(model.output(pixels), axis=1)
    return float(np.mean(predicted == labels)), losses


def assert_digits_curve_is_published(strategy: Strategy, accuracy: float, losses: Sequence[float]) -> None:
    """To the digits of the page, and to 1e-12 of the installed MLPClassifier."""
    assert round(accuracy, 6) == strategy.score
    assert round(losses[-1], 6) == strategy.loss
    classifier = MLPClassifier(random_state=0, max_iter=EPOCHS, learning_rate_init=strategy.rate, **strategy.options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(*digits())
    np.testing.assert_allclose(losses, classifier.loss_curve_, rtol=1e-12)
