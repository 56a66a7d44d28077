"""Softmax and log-softmax: any width, any logit, any temperature."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from case import DTYPES, Case, verify
from cases import of
from limits import Array, unit
from loss_cases import LogSoftmax, Softmax

import fastnn
from fastnn.kernels import softmax
from fastnn.simd.machine import thread_limit

KERNELS = {"softmax": softmax.softmax, "log_softmax": softmax.log_softmax}


def call(name: str, logits: Array, temperature: float = 1.0) -> Array:
    out = np.full_like(logits, np.nan)
    KERNELS[name](out, logits, temperature)
    return out


@pytest.mark.parametrize(
    "case", of("softmax", "log_softmax", "softmax_backward", "log_softmax_backward"), ids=str
)  # fmt: skip
def test_softmax_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("data", ["normal", "positive", "constant", "signed"])
@pytest.mark.parametrize("classes", [1, 2, 10, 1000, softmax.CHUNK_ELEMENTS, softmax.CHUNK_ELEMENTS + 1, 100_000])
def test_rows_of_any_width_sum_to_one(classes: int, data: str, dtype: str) -> None:
    case = Softmax(rows=2, classes=classes, data=data, dtype=dtype)
    inputs = case.inputs()
    outputs = case.run(inputs)
    case.check(inputs, outputs)
    assert np.abs(outputs["p"].astype(np.float64).sum(axis=1) - 1).max() <= 4 * unit(dtype)
    verify(LogSoftmax(rows=2, classes=classes, data=data, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_of_ten_thousand_neither_overflow_nor_lose_the_row(dtype: str) -> None:
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [1e4, 1e4, -1e4]], dtype)
    p, log_p = call("softmax", logits), call("log_softmax", logits)
    third = np.dtype(dtype).type(1 / 3)
    assert p.tolist() == [[1, 0, 0], [third, third, third], [0.5, 0.5, 0]]
    assert log_p[0].tolist() == [0, -2e4, -1e4]
    np.testing.assert_allclose(log_p[1], -np.log(3), rtol=4 * unit(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_the_largest_finite_logits_give_the_limit(name: str, dtype: str) -> None:
    most = np.finfo(dtype).max
    result = call(name, np.array([[most, -most, 0.0]], dtype))
    assert result.tolist() == ([[1, 0, 0]] if name == "softmax" else [[0, -np.inf, -most]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
def test_minus_infinity_is_a_class_that_cannot_be(name: str, dtype: str) -> None:
    result = call(name, np.array([[-np.inf, 0.0, 0.0]], dtype))
    assert result[0, 0] == (0 if name == "softmax" else -np.inf)
    np.testing.assert_allclose(result[0, 1:], 0.5 if name == "softmax" else -np.log(2), rtol=4 * unit(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("bad", [[np.nan, 0.0, 1.0], [0.0, np.inf, 1.0], [-np.inf, -np.inf, -np.inf]])
def test_a_row_without_an_answer_is_nan_and_the_others_are_not(bad: list[float], name: str, dtype: str) -> None:
    logits = np.array([[0.0, 1.0, 2.0], bad, [2.0, 1.0, 0.0]], dtype)
    result = call(name, logits)
    if name == "softmax" or bad[0] == -np.inf or np.isnan(bad).any():
        assert np.isnan(result[1]).all()
    else:
        assert np.isnan(result[1]).any()
    assert np.isfinite(result[[0, 2]]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_wide_row_whose_parts_differ_is_as_exact_as_a_narrow_one(bad: float, dtype: str) -> None:
    classes = 3 * softmax.CHUNK_ELEMENTS + 5
    logits = np.full((4, classes), -np.inf, dtype)
    logits[:2, [7, 600, classes - 1]] = -500, 3, 3
    logits[2, :] = np.linspace(-1e4, 1e4, classes)
    logits[1, 40] = bad
    p = call("softmax", logits)
    assert p[0, [600, classes - 1]].tolist() == [0.5, 0.5]
    assert p[0].sum() == 1
    assert np.isnan(p[[1, 3]]).all()
    assert p[2].argmax() == classes - 1
    assert abs(p[2].astype(float).sum() - 1) <= 4 * unit(dtype)
    in_place = logits.copy()
    softmax.softmax(in_place, in_place, 1.0)
    assert in_place.tobytes() == p.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_zero_and_too_small_to_invert_take_the_first_maximum(dtype: str) -> None:
    logits = np.array([[0.0, 3.0, 3.0, -1.0], [-1e4, -2e4, -1e4, -3e4], [0.0, -np.inf, 0.0, 0.0]], dtype)
    for temperature in (0.0, float(np.finfo(dtype).smallest_subnormal)):
        p, log_p = call("softmax", logits, temperature), call("log_softmax", logits, temperature)
        assert p.argmax(axis=1).tolist() == [1, 0, 0]
        assert p.sum(axis=1).tolist() == [1, 1, 1]
        assert np.array_equal(log_p, np.where(p == 1, 0.0, -np.inf))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1e-30, 1e-3, 1e3, 1e30])
@pytest.mark.parametrize("kind", [Softmax, LogSoftmax])
def test_tiny_and_huge_temperatures(kind: type[Softmax], temperature: float, dtype: str) -> None:
    verify(kind(rows=3, classes=10, temperature=temperature, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_temperature_infinity_is_uniform(dtype: str) -> None:
    assert call("softmax", np.array([[0.0, 5.0, -5.0, 1.0]], dtype), np.inf).tolist() == [[0.25] * 4]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1.0, 0.3, 0.0])
def test_outputs_may_be_inputs_where_the_docstring_says_so(temperature: float, dtype: str) -> None:
    rng = np.random.default_rng(5)
    logits, dp = (rng.normal(size=(7, 33)).astype(dtype) for _ in range(2))
    for name, backward in (("softmax", softmax.softmax_backward), ("log_softmax", softmax.log_softmax_backward)):
        p, in_place, dlogits = call(name, logits, temperature), dp.copy(), np.full_like(dp, np.nan)
        backward(dlogits, dp, p, temperature)
        backward(in_place, in_place, p, temperature)
        assert in_place.tobytes() == dlogits.tobytes()
    in_place = logits.copy()
    softmax.softmax(in_place, in_place, temperature)
    assert in_place.tobytes() == call("softmax", logits, temperature).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("classes", [3, 10, 37, softmax.CHUNK_ELEMENTS + 100])
def test_a_batch_equals_batches_of_one_bit_for_bit(classes: int, name: str, dtype: str) -> None:
    logits = np.random.default_rng(6).normal(size=(9, classes)).astype(dtype)
    together = call(name, logits)
    for row in range(9):
        assert call(name, logits[row : row + 1].copy()).tobytes() == together[row].tobytes()


def test_a_row_with_nan_is_nan_in_the_limit_too() -> None:
    p = fastnn.softmax([[np.nan, 1, 2], [1, np.inf, 2], [3, 3, 1]], temperature=0)
    np.testing.assert_array_equal(p, [[np.nan] * 3, [0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("classes", [7, 1000, 30_000])
def test_softmax_of_many_rows_has_the_same_bits_for_any_number_of_threads(classes: int) -> None:
    rows = 3 + 2 * softmax.PARALLEL_ELEMENTS // classes
    logits = np.random.default_rng(classes).normal(size=(rows, classes)).astype("f4")
    found = set()
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        with thread_limit(threads):
            p = np.full_like(logits, np.nan)
            softmax.softmax(p, logits, 1.0)
            found.add(p.tobytes())
    rows_alone = np.vstack([fastnn.softmax(row[None]) for row in logits[:: rows // 5]])
    assert found == {p.tobytes()}
    assert rows_alone.tobytes() == p[:: rows // 5].tobytes()
