"""scikit-learn's losses, initial weights and solvers in fastnn's terms.

Its gradient is (a^T d + alpha * w) / m for a batch of m rows, with d = prediction - target: summed over outputs, where
fastnn's elementwise losses are means over them. The factor between the two moves into the optimizer: sgd's rate is
multiplied by it, Adam's epsilon divided, alpha divided, and the updates are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.layers import Dense
from fastnn.learning.losses import MSE, BinaryCrossEntropyWithLogits, CrossEntropy, Loss
from fastnn.learning.optimizers import Adam, Momentum, Nesterov, Optimizer
from fastnn.learning.trainer import Trainer
from fastnn.learning.training import LEARNING_RATE
from fastnn.networks.network import Network
from fastnn.sklearn.settings import ACTIVATIONS


@dataclass(frozen=True)
class Objective:
    """out_activation: scikit-learn's name. slope, value: what fastnn's gradient and loss are multiplied by for its own.

    slope and value differ for several outputs of a regressor: scikit-learn reports the mean over them, and follows the
    gradient of the sum.
    """

    loss: Loss
    out_activation: str
    slope: float = 1.0
    value: float = 1.0

    def reported(self, loss: float, penalty: float) -> float:
        """The loss that scikit-learn reports, from fastnn's and what its l2 adds to it."""
        return self.value * loss + self.slope * penalty


def softmax_objective() -> Objective:
    return Objective(CrossEntropy(), "softmax")


def logistic_objective(outputs: int) -> Objective:
    return Objective(BinaryCrossEntropyWithLogits(), "logistic", outputs, outputs)


def squared_error_objective(outputs: int) -> Objective:
    return Objective(MSE(), "identity", outputs / 2, 0.5)


def build_network(
    units: Sequence[int], activation: str, loss: Loss, dtype: np.dtype[Any], rng: np.random.RandomState
) -> Network:
    """A network of these widths, input first, with weights and biases drawn as scikit-learn draws them."""
    hidden = [Dense(width, ACTIVATIONS[activation]) for width in units[1:-1]]
    network = Network(units[0], [*hidden, Dense(units[-1])], loss=loss, dtype=dtype, initialize=False)
    factor = 2.0 if ACTIVATIONS[activation] == "sigmoid" else 6.0
    for index, (inputs, outputs) in enumerate(zip(units[:-1], units[1:], strict=True)):
        bound = math.sqrt(factor / (inputs + outputs))
        network.named_parameters[f"{index}.weight"][...] = rng.uniform(-bound, bound, (inputs, outputs))
        network.named_parameters[f"{index}.bias"][...] = rng.uniform(-bound, bound, outputs)
    return network


def optimizer_for(settings: Any, slope: float) -> Optimizer:
    """An estimator's solver."""
    rate, l2 = float(settings.learning_rate_init), settings.alpha / slope
    if settings.solver == "adam":
        betas = settings.beta_1, settings.beta_2
        return Adam(rate, *betas, settings.epsilon / slope, l2=l2, epsilon_hat=True)
    kind = Nesterov if settings.nesterovs_momentum else Momentum
    return kind(rate * slope, momentum=settings.momentum, l2=l2)


def change_rate(trainer: Trainer, factor: float) -> None:
    """Multiplies sgd's rate. scikit-learn's velocities hold the rate they were made with, fastnn's do not."""
    trainer.control[LEARNING_RATE] *= factor
    trainer.state /= factor
