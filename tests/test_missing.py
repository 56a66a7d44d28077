"""Targets that are NaN: with ignore_missing they cost nothing, and count in no mean and no accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from example_networks import DTYPES, Array, normal

import fastnn
from fastnn import MSE, BinaryCrossEntropy, BinaryCrossEntropyWithLogits, Dense, Hinge, Network

LOSSES = {"mse": MSE, "bce": BinaryCrossEntropy, "logits": BinaryCrossEntropyWithLogits, "hinge": Hinge}
T, C, OUTPUTS = 4, 5, 3


def network(name: str, dtype: str = "float64", reduction: str = "mean", ignore: bool = True, **more: Any) -> Network:
    last = "sigmoid" if name == "bce" else "identity"
    loss = LOSSES[name](reduction, ignore_missing=ignore)
    return Network(more.get("inputs", C), [Dense(6, "tanh"), Dense(OUTPUTS, last)], loss=loss, dtype=dtype, seed=1)


def data(name: str, rows: int, shape: tuple[int, ...] = (), missing: float = 0.4) -> tuple[Array, Array]:
    y = (normal(rows, *shape, OUTPUTS, seed=2) > 0).astype(float)
    y = 2 * y - 1 if name == "hinge" else y
    y[np.random.default_rng(3).random(y.shape) < missing] = np.nan
    return normal(rows, *shape, C), y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_is_over_what_is_there(name: str, dtype: str) -> None:
    """As the sum of the losses of single elements, each in a batch of its own where all else is missing."""
    x, y = data(name, 7)
    total, whole = 0.0, network(name, dtype, "sum")
    gradient = np.zeros_like(whole.parameters)
    for at in np.argwhere(~np.isnan(y)):
        single = np.full_like(y, np.nan)
        single[tuple(at)] = y[tuple(at)]
        total += whole.loss(x, single)
        gradient += whole.gradient(x, single)
    limit = 1e-5 if dtype == "float32" else 1e-12
    assert whole.loss(x, y) == pytest.approx(total, rel=limit)
    np.testing.assert_allclose(whole.gradient(x, y), gradient, rtol=0, atol=limit * np.abs(gradient).max())
    mean, known = network(name, dtype), np.count_nonzero(~np.isnan(y))
    assert mean.loss(x, y) == pytest.approx(total / known, rel=limit)
    np.testing.assert_allclose(mean.gradient(x, y), gradient / known, rtol=0, atol=limit * np.abs(gradient).max())


@pytest.mark.parametrize("name", LOSSES)
def test_with_nothing_missing_it_is_the_loss_itself(name: str) -> None:
    x, y = data(name, 9, missing=0.0)
    left, plain = network(name), network(name, ignore=False)
    assert left.loss(x, y) == pytest.approx(plain.loss(x, y), rel=1e-14)
    np.testing.assert_allclose(left.gradient(x, y), plain.gradient(x, y), rtol=1e-13, atol=1e-17)
    assert left.evaluate(x, y)[1:] == plain.evaluate(x, y)[1:]


@pytest.mark.parametrize("name", ["bce", "logits", "hinge"])
def test_rows_with_something_missing_count_in_no_accuracy(name: str) -> None:
    net, (x, y) = network(name), data(name, 60, missing=0.2)
    there = ~np.isnan(y).any(axis=1)
    found = net.evaluate(x, y)
    assert found.rows == there.sum()
    assert found.accuracy == net.accuracy(x[there], y[there])


@pytest.mark.parametrize("span", [None, 16])
def test_positions_after_the_end_of_a_row_are_left_out(span: int | None) -> None:
    """Epochs, batches that miss all, spans: as the positions that are there, each a row."""
    net, flat = network("mse", inputs=(T, C)), network("mse")
    x, y = data("mse", 50, (T,), missing=0.0)
    lengths = np.random.default_rng(5).integers(0, T + 1, 50)
    lengths[:10] = 0  # a batch without any
    y[np.arange(T) >= lengths[:, None]] = np.nan
    there = ~np.isnan(y[..., 0])
    assert net.loss(x, y) == pytest.approx(flat.loss(x[there], y[there]), rel=1e-13)
    found, expected = net.gradient(x, y), flat.gradient(x[there], y[there])
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-15)
    trainer = net.trainer("sgd", 10, span=span)
    seen = trainer.epoch(x, y, np.arange(50))
    assert np.isfinite(seen.loss)
    assert (seen.steps, trainer.steps) == (5, 4)
    net.fit(x, y, epochs=3, batch=10, span=span)
    assert np.isfinite(net.parameters).all()


def test_it_is_kept_with_the_network(tmp_path: Path) -> None:
    network("mse").save(tmp_path / "net")
    assert fastnn.load(tmp_path / "net").loss_function == MSE(ignore_missing=True)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: network("logits", ignore=False).loss(*data("logits", 4)), ValueError, "y spans nan"),
        (lambda: network("hinge").loss(normal(2, C), np.full((2, OUTPUTS), 0.5)), ValueError, "hinge expects -1 and 1"),
        (lambda: MSE(ignore_missing=1), TypeError, "ignore_missing is 1; expected True or False"),
        (lambda: network("mse").fit(normal(2, C), np.full((2, OUTPUTS), np.nan)), ValueError, "nothing but NaN"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
