"""Losses and their gradients: every option, the reductions, and logits at the edge of floats."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from case import DTYPES, Case, verify
from cases import of
from limits import MEAN_LOSS, Array, unit

from fastnn.kernels import loss

NO_WEIGHT = np.empty(0)


def cross_entropy(
    logits: Array, labels: list[int], weight: Array = NO_WEIGHT, ignore: int = -100, smoothing: float = 0.0,
    mean: bool = True,
) -> tuple[float, Array, Array]:  # fmt: skip
    """Loss, row losses and gradient by the kernel."""
    rows, gradient = np.full(len(logits), np.nan, logits.dtype), np.full_like(logits, np.nan)
    value = loss.cross_entropy(rows, gradient, logits, np.array(labels), weight, ignore, smoothing, mean)
    return value, rows, gradient


def elementwise(name: str, prediction: list[float], target: list[float], dtype: str) -> tuple[float, Array, Array]:
    """Sum, losses and gradient by the kernels."""
    y, t = (np.array(values, dtype).reshape(1, -1) for values in (prediction, target))
    each, gradient = np.full(y.size, np.nan, dtype), np.full_like(y, np.nan)
    loss.elementwise_losses(each, y.reshape(-1), t.reshape(-1), loss.NAMES.index(name))
    value = loss.elementwise_loss(gradient, y, t, loss.NAMES.index(name), False)
    return value, each, gradient[0]


@pytest.mark.parametrize("case", of("cross_entropy", "cross_entropy_probabilities", "elementwise_loss"), ids=str)
def test_loss_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 1000, 100_000])
def test_zero_logits_cost_the_log_of_the_number_of_classes(classes: int, dtype: str) -> None:
    value, rows, gradient = cross_entropy(np.zeros((3, classes), dtype), [0, classes // 2, classes - 1])
    assert value == pytest.approx(math.log(classes), rel=MEAN_LOSS[dtype])
    np.testing.assert_allclose(rows, math.log(classes), rtol=2 * unit(dtype))
    assert np.abs(gradient.sum(axis=1)).max() <= 4 * unit(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_ten_thousand_cost_their_gap(dtype: str) -> None:
    logits = np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], dtype)
    value, rows, gradient = cross_entropy(logits, [1, 0, 2], mean=False)
    assert rows[:2].tolist() == [2e4, 0.0]
    assert value == pytest.approx(2e4 + math.log(3), rel=MEAN_LOSS[dtype])
    assert gradient[:2].tolist() == [[1, -1, 0], [0, 0, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_minus_infinity_is_a_class_that_cannot_be(dtype: str) -> None:
    logits = np.array([[-np.inf, 0.0, 0.0], [-np.inf, 0.0, 0.0]], dtype)
    _, rows, gradient = cross_entropy(logits, [1, 0], mean=False)
    assert rows[0] == pytest.approx(math.log(2), rel=2 * unit(dtype))
    assert rows[1] == np.inf
    assert gradient.tolist() == [[0, -0.5, 0.5], [-1, 0.5, 0.5]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_plus_infinity_make_the_loss_nan(bad: float, dtype: str) -> None:
    value, rows, gradient = cross_entropy(np.array([[0.0, bad], [0.0, 1.0]], dtype), [0, 1])
    assert np.isnan(value)
    assert np.isnan(rows).tolist() == [True, False]
    assert np.isfinite(gradient[1]).all()
    assert np.isnan(gradient[0]).any()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ignore", [-100, -1, 2])
def test_an_ignored_row_costs_nothing_and_does_not_count(ignore: int, dtype: str) -> None:
    logits = np.random.default_rng(1).normal(size=(4, 3)).astype(dtype)
    logits[1] = np.nan  # not even looked at
    value, rows, gradient = cross_entropy(logits, [0, ignore, 1, ignore], ignore=ignore)
    alone, _, gradient_alone = cross_entropy(logits[[0, 2]].copy(), [0, 1], ignore=-7)
    assert value == alone
    assert rows[[1, 3]].tolist() == [0, 0]
    assert not gradient[[1, 3]].any()
    assert gradient[[0, 2]].tobytes() == gradient_alone.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_with_every_row_ignored_the_mean_is_nan_and_the_sum_is_zero(dtype: str) -> None:
    logits = np.ones((2, 3), dtype)
    value, rows, gradient = cross_entropy(logits, [-100, -100])
    assert np.isnan(value)
    assert cross_entropy(logits, [-100, -100], mean=False)[0] == 0
    assert not rows.any()
    assert not gradient.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_rows_cost_nan_on_average_and_nothing_in_all(dtype: str) -> None:
    empty, losses = np.empty((0, 3), dtype), np.empty(0, dtype)
    nobody = np.empty(0, np.int64)
    for mean, expected in ((True, np.nan), (False, 0.0)):
        results = [
            loss.cross_entropy(losses, empty, empty, nobody, NO_WEIGHT, -100, 0.0, mean),
            loss.cross_entropy_probabilities(losses, empty, empty, empty, NO_WEIGHT, 0.0, mean),
            loss.elementwise_loss(empty, empty, empty, loss.MSE, mean),
        ]
        np.testing.assert_array_equal(results, expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_one_hot_row_costs_what_its_label_costs(weighted: bool, smoothing: float) -> None:
    logits = np.random.default_rng(2).normal(size=(5, 4))
    weight = np.array([0.5, 2.0, 1.25, 0.0]) if weighted else NO_WEIGHT
    labels = [0, 3, 1, 2, 2]
    _, rows, gradient = cross_entropy(logits, labels, weight, smoothing=smoothing, mean=False)
    rows_hot, gradient_hot = np.empty(5), np.empty_like(logits)
    loss.cross_entropy_probabilities(rows_hot, gradient_hot, logits, np.eye(4)[labels], weight, smoothing, False)
    np.testing.assert_allclose(rows_hot, rows, rtol=1e-13)
    np.testing.assert_allclose(gradient_hot, gradient, rtol=1e-13, atol=1e-16)


def test_a_label_of_probability_zero_costs_nothing_at_minus_infinity() -> None:
    logits, target = np.array([[-np.inf, 0.0]]), np.array([[0.0, 1.0]])
    rows, gradient = np.empty(1), np.empty_like(logits)
    assert loss.cross_entropy_probabilities(rows, gradient, logits, target, NO_WEIGHT, 0.0, True) == 0
    assert gradient.tolist() == [[0, 0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_cross_entropy_is_clamped_as_torchs(dtype: str) -> None:
    value, each, gradient = elementwise("binary_cross_entropy", [0, 1, 0, 1], [1, 0, 0, 1], dtype)
    assert each.tolist() == [100, 100, 0, 0]
    assert value == 200
    np.testing.assert_allclose(gradient, [-1e12, 1e12, 0, 0], rtol=4 * unit(dtype))


def test_binary_cross_entropy_at_0_70_is_0_3567() -> None:
    assert round(elementwise("binary_cross_entropy", [0.7], [1.0], "float64")[0], 4) == 0.3567
    logit = math.log(0.7 / 0.3)
    assert round(elementwise("binary_cross_entropy_with_logits", [logit], [1.0], "float64")[0], 4) == 0.3567


@pytest.mark.parametrize("dtype", DTYPES)
def test_binary_logits_of_any_size_give_finite_losses(dtype: str) -> None:
    z = [1e4, -1e4, 1e4, -1e4, 0.0, 1e30]
    value, each, gradient = elementwise("binary_cross_entropy_with_logits", z, [1, 0, 0, 1, 0.5, 1], dtype)
    half = float(np.dtype(dtype).type(math.log(2)))
    assert each.tolist() == [0, 0, 1e4, 1e4, half, 0]
    assert gradient.tolist() == [0, 0, 1, -1, 0, 0]
    assert value == pytest.approx(2e4 + math.log(2), rel=MEAN_LOSS[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_hinge_at_its_kink_has_gradient_zero(dtype: str) -> None:
    value, each, gradient = elementwise("hinge", [1.0, -1.0, 0.5, -0.5, 3.0], [1, -1, 1, 1, -1], dtype)
    assert each.tolist() == [0, 0, 0.5, 1.5, 4]
    assert gradient.tolist() == [0, 0, -1, -1, 1]
    assert value == 6


@pytest.mark.parametrize("name", loss.NAMES[1:])
def test_nan_in_a_prediction_makes_the_loss_nan(name: str) -> None:
    value, each, gradient = elementwise(name, [np.nan, 0.5], [1.0, 1.0], "float32")
    assert np.isnan(value)
    assert np.isnan(each).tolist() == [True, False]
    if name != "hinge":  # whose slope is one of three constants
        assert np.isnan(gradient).tolist() == [True, False]


@pytest.mark.parametrize("dtype", DTYPES)
def test_row_losses_and_gradients_of_a_sum_do_not_depend_on_the_batch(dtype: str) -> None:
    rng = np.random.default_rng(8)
    logits, labels = rng.normal(size=(9, 37)).astype(dtype), rng.integers(0, 37, 9).tolist()
    weight = rng.uniform(0.5, 2.0, 37)
    _, rows, gradient = cross_entropy(logits, labels, weight, smoothing=0.1, mean=False)
    for row in range(9):
        one = cross_entropy(logits[row : row + 1].copy(), labels[row : row + 1], weight, smoothing=0.1, mean=False)
        assert one[1][0] == rows[row]
        assert one[2].tobytes() == gradient[row].tobytes()


@pytest.mark.parametrize("name", loss.NAMES)
def test_codes_are_positions_in_names(name: str) -> None:
    code: Any = getattr(loss, name.upper())
    assert loss.NAMES[code] == name
