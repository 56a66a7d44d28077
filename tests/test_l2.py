"""The optimizer's l2, a penalty of weights alone over the rows of a batch; and Adam's epsilon before the correction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fastnn import SGD, Activation, Adam, AdamW, Dense, Momentum, Network, Trainer
from fastnn.learning.training import FUSED_PARAMETERS
from fastnn.reference import optimizer as reference

Array = npt.NDArray[Any]

ROWS, BATCH = 11, 4
RNG = np.random.default_rng(7)
X = RNG.normal(size=(ROWS, 5))
LABELS = RNG.integers(0, 3, ROWS)
# Below and above FUSED_PARAMETERS; the second has a layer without a bias and one without parameters.
NETWORKS: dict[str, list[Any]] = {
    "small": [Dense(6, "tanh"), Dense(3)],
    "fused": [Dense(400, "tanh", bias=False), Activation("tanh"), Dense(3)],
}


def built(name: str) -> Network:
    """With biases that are not 0."""
    network = Network(5, NETWORKS[name], dtype="float64", seed=0)
    for key, values in network.named_parameters.items():
        if key.endswith("bias"):
            values[...] = np.linspace(0.5, 1, len(values))
    return network


def squares(network: Network) -> float:
    named = network.named_parameters
    return math.fsum(float(np.sum(values**2)) for key, values in named.items() if key.endswith("weight"))


def penalised_gradient(network: Network, x: Array, y: Array, l2: float) -> Array:
    gradient = network.gradient(x, y)
    for name, values in network.named(gradient).items():
        if name.endswith("weight"):
            values += l2 / len(x) * network.named_parameters[name]
    return gradient


def test_the_networks_lie_on_both_sides_of_fusing() -> None:
    assert built("small").parameter_count < FUSED_PARAMETERS < built("fused").parameter_count


@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_decays_weights_by_the_rows_of_its_batch_and_no_bias(name: str) -> None:
    network = built(name)
    trainer = Trainer(network, SGD(0.1, l2=0.3), BATCH)
    for rows in (BATCH, 3):
        expected = network.parameters - 0.1 * penalised_gradient(network, X[:rows], LABELS[:rows], 0.3)
        trainer.step(X[:rows], LABELS[:rows])
        np.testing.assert_allclose(network.parameters, expected, rtol=1e-13, atol=1e-15)


def test_the_gradient_of_the_penalty_is_that_of_its_value() -> None:
    """A step of a tiny rate changes the loss with its penalty as the gradient says, and that without it otherwise."""
    network, l2, rate = built("small"), 2.0, 1e-7

    def total() -> float:
        return network.loss(X, LABELS) + 0.5 * l2 / ROWS * squares(network)

    gradient, before = penalised_gradient(network, X, LABELS, l2), total()
    Trainer(network, SGD(rate, l2=l2), ROWS).step(X, LABELS)
    assert (total() - before) / rate == pytest.approx(-float(gradient @ gradient), rel=1e-5)


def test_a_gradient_is_clipped_together_with_its_penalty() -> None:
    network = built("small")
    gradient = penalised_gradient(network, X, LABELS, 5.0)
    expected = network.parameters - 0.1 * reference.clip(gradient, 0.05)
    Trainer(network, SGD(0.1, l2=5.0, clip_norm=0.05), ROWS).step(X, LABELS)
    np.testing.assert_allclose(network.parameters, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", NETWORKS)
def test_an_epoch_reports_its_loss_and_its_penalty_apart(name: str) -> None:
    inside, outside = built(name), built(name)
    penalised = Trainer(inside, Momentum(0.1, l2=0.3), BATCH)
    epoch = penalised.epoch(X, LABELS, np.arange(ROWS))
    trainer, losses, penalties = Trainer(outside, Momentum(0.1, l2=0.3), BATCH), [], []
    for at in range(0, ROWS, BATCH):
        rows = slice(at, at + BATCH)
        penalties.append(0.5 * 0.3 * squares(outside))
        losses.append(trainer.step(X[rows], LABELS[rows]) * len(X[rows]))
    assert inside.parameters.tobytes() == outside.parameters.tobytes()
    assert epoch.loss == pytest.approx(math.fsum(losses) / ROWS, rel=1e-14)
    assert penalised.penalty == pytest.approx(math.fsum(penalties), rel=1e-14)


def test_the_penalty_is_of_the_last_epoch_and_the_batches_it_made() -> None:
    network = built("small")
    trainer = Trainer(network, SGD(0.0, l2=0.3), BATCH)
    assert trainer.penalty == 0
    for batches in (3, 2):
        trainer.epoch(X, LABELS, np.arange(ROWS), batches)
        assert trainer.penalty == pytest.approx(batches * 0.5 * 0.3 * squares(network), rel=1e-14)


@pytest.mark.parametrize(("kind", "name"), [(Adam, "adam"), (AdamW, "adamw")])
def test_epsilon_hat_joins_the_root_before_its_correction(kind: type[Adam], name: str) -> None:
    network = built("small")
    trainer = Trainer(network, kind(0.1, epsilon=1e-2, weight_decay=0.0, epsilon_hat=True), ROWS)
    parameters = network.parameters.copy()
    state = reference.initial_state(name, parameters)
    for step in range(1, 6):
        epsilon = 1e-2 / math.sqrt(1 - 0.999**step)
        options = {"epsilon": epsilon, "weight_decay": 0.0}
        gradient = network.gradient(X, LABELS)
        parameters, state = reference.UPDATES[name](parameters, gradient, state, step, 0.1, **options)
        trainer.step(X, LABELS)
        np.testing.assert_allclose(network.parameters, parameters, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_gradient_and_its_update_are_a_step_with_the_penalty(name: str) -> None:
    nets = built(name), built(name)
    whole, parts = (Trainer(net, SGD(0.1, l2=5.0), BATCH) for net in nets)
    loss = whole.step(X[:BATCH], LABELS[:BATCH])
    assert parts.gradient(X[:BATCH], LABELS[:BATCH]) == loss
    parts.apply()
    np.testing.assert_allclose(nets[1].parameters, nets[0].parameters, rtol=1e-12, atol=1e-15)
