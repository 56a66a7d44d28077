"""Whole training runs of the reference against the published ones of curves.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import curves
import numpy as np
import numpy.typing as npt
import pytest

from fastnn.reference import network, optimizer
from fastnn.reference.network import Layer

Array = npt.NDArray[Any]


def named(pairs: Sequence[tuple[Array, Array]]) -> dict[str, Array]:
    weights = {f"{i}.weight": w for i, (w, _) in enumerate(pairs)}
    biases = {f"{i}.bias": b for i, (_, b) in enumerate(pairs)}
    return {name: values for pair in zip(weights.items(), biases.items(), strict=True) for name, values in pair}


class ReferenceModel:
    """A curves.Model of relu layers in fastnn.reference."""

    def __init__(self, weights: Sequence[tuple[Array, Array]], loss: str, update: str) -> None:
        last = len(weights) - 1
        self.layers = [Layer(w, b, "identity" if i == last else "relu") for i, (w, b) in enumerate(weights)]
        self.loss, self.optimizer = loss, update
        self.state = optimizer.initial_state(update, network.parameters(self.layers))
        self.steps = 0
        self.gradients: Mapping[str, Array] = {}

    @property
    def parameters(self) -> Mapping[str, Array]:
        return named([(layer.w, layer.b) for layer in self.layers])  # type: ignore[misc]

    def gradient(self, x: Array, y: Array) -> float:
        value, gradients = network.loss_and_gradient(self.layers, self.loss, x, y)
        self.gradients = named(gradients)
        return float(value)

    def update(self, rate: float) -> None:
        self.steps += 1
        # scikit-learn's Adam adds epsilon to the root before the bias correction, not after.
        options = {"epsilon": 1e-8 / math.sqrt(1 - 0.999**self.steps)} if self.optimizer == "adam" else {}
        g = network.flatten(list(self.gradients.values()))
        p, self.state = optimizer.UPDATES[self.optimizer](
            network.parameters(self.layers), g, self.state, self.steps, rate, **options
        )
        self.layers = network.with_parameters(self.layers, p)

    def output(self, x: Array) -> Array:
        return network.forward(self.layers, x)


def test_micrograd_demo_is_reproduced() -> None:
    model = ReferenceModel(curves.micrograd_weights(), "hinge", "sgd")
    losses = curves.micrograd_curve(model)
    published = curves.MICROGRAD_LOSSES
    assert {k: losses[k] for k in published} == pytest.approx(published, rel=0, abs=1e-12)
    x, side = curves.moons()
    assert np.all(model.output(x) * side > 0)


@pytest.mark.parametrize("strategy", curves.STRATEGIES, ids=lambda strategy: strategy.update)
def test_scikit_learn_digits_curves_are_reproduced(strategy: curves.Strategy) -> None:
    generator = np.random.RandomState(0)
    model = ReferenceModel(curves.digits_weights(generator), "cross_entropy", strategy.update)
    curves.assert_digits_curve_is_published(strategy, *curves.digits_curve(model, generator, strategy.rate))
