"""Parameters that are not trained alike: frozen, at another rate, without decay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from example_networks import normal

import fastnn
from fastnn import SGD, Adam, AdamW, Dense, LayerNorm, Momentum, Network, Residual, Shared
from fastnn.learning.training import FUSED_PARAMETERS

UNITS = (6, 60)


def network(units: int) -> Network:
    layers = [Dense(units, "tanh"), Residual(LayerNorm(), Dense(units, "gelu")), Shared("1.1"), Dense(3)]
    return Network(9, layers, dtype="float64", seed=1)


def data() -> tuple[Any, Any]:
    return normal(12, 9), np.arange(12) % 3


def steps(net: Network, optimizer: Any, count: int = 3) -> dict[str, Any]:
    """Parameters by name after some steps; that they are those of gradient and apply."""
    x, y = data()
    other = net.copy()
    trainer, apart = net.trainer(optimizer, 12), other.trainer(optimizer, 12)
    for _ in range(count):
        assert trainer.step(x, y) == apart.gradient(x, y)
        apart.apply()
    assert net.parameters.tobytes() == other.parameters.tobytes()
    return {name: values.copy() for name, values in net.named_parameters.items()}


@pytest.mark.parametrize("units", UNITS)
@pytest.mark.parametrize("kind", [SGD, Momentum, Adam, AdamW])
def test_what_is_frozen_stays_and_the_rest_moves(kind: Any, units: int) -> None:
    assert (network(units).parameters.size >= FUSED_PARAMETERS) == (units == 60)
    before = {name: values.copy() for name, values in network(units).named_parameters.items()}
    after = steps(network(units), kind(0.01, rates={"1.1.*": 0.0, "*.bias": 0, "3.bias": 1.0}))
    for name, values in after.items():
        frozen = name.startswith("1.1.") or (name.endswith("bias") and name != "3.bias")
        assert np.array_equal(values, before[name]) == frozen, name


@pytest.mark.parametrize("kind", [SGD, Momentum, Adam])
def test_a_rate_of_its_own_is_that_of_an_optimizer_with_it(kind: Any) -> None:
    """The first step of a parameter depends on its own rate alone."""
    mixed, half = (steps(network(6), rule, 1) for rule in (kind(0.02, rates={"0.*": 0.5}), kind(0.01)))
    whole = steps(network(6), kind(0.02), 1)
    for name, values in mixed.items():
        np.testing.assert_array_equal(values, (half if name.startswith("0.") else whole)[name])


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_decay_of_matrices_spares_biases_and_norms(kind: Any) -> None:
    all_of_them, matrices, none = (
        steps(network(6), kind(0.01, weight_decay=decay, decay=of), 1)
        for decay, of in ((0.5, "all"), (0.5, "matrices"), (0.0, "all"))
    )
    for name, values in matrices.items():
        decays = values.ndim == 2
        np.testing.assert_array_equal(values, (all_of_them if decays else none)[name])
    moved = [name for name in matrices if not np.array_equal(all_of_them[name], none[name])]
    assert {"0.weight", "1.0.weight", "3.weight"} <= set(moved)  # biases begin at 0, which nothing decays


def test_a_rate_of_1_for_all_is_none() -> None:
    assert {k: v.tobytes() for k, v in steps(network(60), Adam(0.01, rates={"*": 1.0})).items()} == {
        k: v.tobytes() for k, v in steps(network(60), Adam(0.01)).items()
    }


def test_what_is_frozen_does_not_count_in_the_norm() -> None:
    net, (x, y) = network(6), data()
    trainer = net.trainer(SGD(0.1, clip_norm=1e-3, rates={"[01]*": 0}), 12)
    trainer.step(x, y)
    moving = [np.sum(values**2) for name, values in net.named(trainer.grads).items() if name.startswith("3.")]
    assert np.linalg.norm(trainer.grads) == pytest.approx(1e-3, rel=1e-2) == np.sqrt(sum(moving))


def test_epochs_and_spans_freeze_too() -> None:
    net = network(60)
    before, last = net.named_parameters["0.weight"].copy(), net.named_parameters["3.weight"].copy()
    x, y = normal(300, 9), np.arange(300) % 3
    net.trainer(AdamW(0.01, rates={"0.weight": 0}), 150, span=64).epoch(x, y, np.arange(300))
    assert np.array_equal(net.named_parameters["0.weight"], before)
    assert not np.array_equal(net.named_parameters["3.weight"], last)
    net.fit(x, y, epochs=1, batch=50, optimizer=AdamW(0.01, rates={"0.weight": 0}))
    assert np.array_equal(net.named_parameters["0.weight"], before)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: network(6).trainer(SGD(rates={"7.*": 0})), ValueError, r"'7\.\*', which is none of the parameters"),
        (lambda: SGD(rates={"0.*": -1}), ValueError, r"rates\['0\.\*'\] is -1"),
        (lambda: SGD(rates=["0.*"]), TypeError, "expected a mapping of parameters' names"),
        (lambda: SGD(rates={0: 0.5}), TypeError, "rates has 0; expected the name of a parameter"),
        (lambda: AdamW(decay="weights"), ValueError, "decay is 'weights'; expected all or matrices|decay"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(build: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def test_rates_are_the_optimizers_own_and_it_can_be_a_key() -> None:
    rates = {"0.*": 0.5}
    optimizer = SGD(rates=rates)
    rates["0.*"] = -1
    assert optimizer == SGD(rates={"0.*": 0.5})
    assert {SGD(): 1, optimizer: 2}[SGD(rates={"0.*": 0.5})] == 2


def test_the_span_counts_positions() -> None:
    assert network(6).plan(2000).span == 1024
    assert Network((64, 4), [Dense(3)]).plan(20).span == 16
    assert Network((5000, 4), [Dense(3)]).plan(20).span == 1
    assert fastnn.mlp(3, 4, 2).trainer("sgd", 8, span=7).span == 7
