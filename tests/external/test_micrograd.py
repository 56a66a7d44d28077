"""micrograd's demo, trained by fastnn in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import curves
import numpy as np
import numpy.typing as npt
import pytest

from fastnn import SGD, mlp
from fastnn.learning.training import LEARNING_RATE

Array = npt.NDArray[Any]


class MicrogradModel:
    """A curves.Model: a Trainer whose rate is set from outside before each step."""

    def __init__(self) -> None:
        self.network = mlp(*curves.MICROGRAD_SIZES, activation="relu", loss="hinge", dtype="float64", seed=0)
        for index, (w, b) in enumerate(curves.micrograd_weights()):
            self.parameters[f"{index}.weight"][...] = w
            self.parameters[f"{index}.bias"][...] = b
        self.trainer = self.network.trainer(SGD(), batch=100)

    @property
    def parameters(self) -> Mapping[str, Array]:
        return self.network.named_parameters

    @property
    def gradients(self) -> Mapping[str, Array]:
        return self.network.named(self.trainer.grads)

    def gradient(self, x: Array, y: Array) -> float:
        return self.trainer.gradient(x, y)

    def update(self, rate: float) -> None:
        self.trainer.control[LEARNING_RATE] = rate
        self.trainer.apply()

    def output(self, x: Array) -> Array:
        return self.network(x)


def test_the_published_losses_come_out_within_1e_12() -> None:
    model = MicrogradModel()
    assert model.network.parameter_count == 337
    losses = curves.micrograd_curve(model)
    published = curves.MICROGRAD_LOSSES
    assert {k: losses[k] for k in published} == pytest.approx(published, rel=0, abs=1e-12)
    x, side = curves.moons()
    assert model.network.accuracy(x, side) == 1.0
    assert np.array_equal(model.network.predict(x), side)
    assert model.trainer.steps == 100
