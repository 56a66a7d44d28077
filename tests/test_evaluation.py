"""Evaluating: loss and right answers of one forward pass, to the bits of loss and accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fit_cases import BATCH, LABELS, NUMBERS, ROWS, Array, X, net_of

from fastnn import CrossEntropy, Network

SOME_IGNORED = np.where(np.arange(ROWS) % 4 == 1, -100, LABELS)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each forward pass."""
    rows: list[int] = []
    forward = Network.__call__

    def counted(self: Network, x: Any) -> Array:
        rows.append(len(x))
        return forward(self, x)

    monkeypatch.setattr(Network, "__call__", counted)
    return rows


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y", "counted"),
    [
        ("cross_entropy", LABELS, ROWS),
        ("cross_entropy", SOME_IGNORED, 17),
        (CrossEntropy("sum", label_smoothing=0.1, class_weight=[0.2, 1, 5]), SOME_IGNORED, 17),
        ("cross_entropy", np.random.default_rng(2).dirichlet(np.ones(3), ROWS), ROWS),
        ("hinge", 2 * np.eye(3)[LABELS] - 1, ROWS),
        ("binary_cross_entropy_with_logits", np.eye(3)[LABELS], ROWS),
    ],
)
def test_an_evaluation_is_loss_and_accuracy_to_the_bit_of_one_pass(
    loss: Any, y: Array, counted: int, dtype: str, passes: list[int]
) -> None:
    net = net_of(loss, dtype=dtype)
    found = net.evaluate(X, y)
    assert passes == [ROWS]
    assert found.loss == net.loss(X, y)
    assert found.accuracy == net.accuracy(X, y) == found.hits / counted
    assert found.rows == counted
    assert net.evaluate(net.trainer().hold(X, y)) == found


def test_an_evaluation_without_classes_has_no_accuracy() -> None:
    net = net_of("mse", 2)
    found = net.evaluate(X, NUMBERS)
    assert found == (net.loss(X, NUMBERS), None, ROWS)
    assert np.isnan(found.accuracy)


def test_where_every_label_is_ignored_no_share_is_right() -> None:
    found = net_of().evaluate(X, np.full(ROWS, -100))
    assert found[1:] == (0, 0)
    assert np.isnan(found.accuracy)


def test_what_cannot_be_evaluated_is_refused() -> None:
    net = net_of()
    for rows in ((X[:0], LABELS[:0]), (net.trainer().hold(X[:0], LABELS[:0]),)):
        with pytest.raises(ValueError, match="x has no rows"):
            net.evaluate(*rows)
    with pytest.raises(ValueError, match=r"y\[0\] is 9"):
        net.evaluate(X, np.full(ROWS, 9))


def test_validation_is_one_forward_pass_an_epoch(passes: list[int]) -> None:
    history = net_of().fit(X, LABELS, epochs=5, batch=BATCH, seed=0, validation=(X[:7], LABELS[:7]))
    assert len(history.val_loss) == len(history.val_accuracy) == 5
    assert passes == 5 * [7]
