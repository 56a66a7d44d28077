"""The four curves of scikit-learn's page on stochastic learning strategies, trained by fastnn in float64."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import curves
import numpy as np
import numpy.typing as npt
import pytest

from fastnn import mlp
from fastnn.kernels import optimizer
from fastnn.learning.optimizers import OPTIMIZERS
from fastnn.learning.training import LEARNING_RATE

Array = npt.NDArray[Any]

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class DigitsModel:
    """A curves.Model on a Trainer; Adam by its kernel: scikit-learn's epsilon stands beside the uncorrected root."""

    def __init__(self, weights: Sequence[tuple[Array, Array]], update: str) -> None:
        self.network = mlp(*curves.DIGITS_SIZES, activation="relu", dtype="float64", seed=0)
        for index, (w, b) in enumerate(weights):
            self.parameters[f"{index}.weight"][...] = w
            self.parameters[f"{index}.bias"][...] = b
        self.trainer = self.network.trainer(OPTIMIZERS[update](), batch=curves.BATCH)
        self.adam_steps = 0

    @property
    def parameters(self) -> Mapping[str, Array]:
        return self.network.named_parameters

    @property
    def gradients(self) -> Mapping[str, Array]:
        return self.network.named(self.trainer.grads)

    def gradient(self, x: Array, y: Array) -> float:
        return self.trainer.gradient(x, y)

    def update(self, rate: float) -> None:
        if self.trainer.optimizer.name == "adam":
            self._adam(rate)
        else:
            self.trainer.control[LEARNING_RATE] = rate
            self.trainer.apply()

    def _adam(self, rate: float) -> None:
        self.adam_steps += 1
        step_size = rate * math.sqrt(1 - BETA2**self.adam_steps) / (1 - BETA1**self.adam_steps)
        p, g, state = self.trainer.params, self.trainer.grads, self.trainer.state
        m, v = state[: p.size], state[p.size :]
        optimizer.adam(p, m, v, g, step_size, EPSILON, BETA1, BETA2, 0.0, 1.0)

    def output(self, x: Array) -> Array:
        return self.network(x)


@pytest.mark.parametrize("strategy", curves.STRATEGIES, ids=lambda strategy: strategy.update)
def test_the_published_curve_comes_out_within_1e_12_of_the_installed_classifier(strategy: curves.Strategy) -> None:
    generator = np.random.RandomState(0)
    model = DigitsModel(curves.digits_weights(generator), strategy.update)
    curves.assert_digits_curve_is_published(strategy, *curves.digits_curve(model, generator, strategy.rate))
