"""Attention on plain arrays: values and gradients of any heads, lengths and positions, what is not seen, and bits.
fastnn.reference.attention has the cases of its layer."""

from __future__ import annotations

from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn import cost
from fastnn.functional import scaled_dot_product_attention
from fastnn.kernels.attention import QUERY_ROWS, attention_backward, attention_forward, attention_scratch
from fastnn.reference import attention as reference

Array = Any
# B, Q, K, H, G, S, causal, lengths
CASES: list[Any] = [
    (2, 5, 5, 2, 2, 4, True, None),
    (1, 1, 1, 1, 1, 1, True, None),
    (2, QUERY_ROWS + 9, QUERY_ROWS + 9, 4, 2, 8, True, None),
    (2, QUERY_ROWS, QUERY_ROWS, 2, 1, 16, False, None),
    (3, 7, 12, 4, 1, 20, True, (12, 5, 0)),
    (3, 12, 7, 2, 2, 3, True, None),
    (2, 2 * QUERY_ROWS + 1, 33, 2, 2, 65, False, (33, 10)),
    (1, 1, 9, 2, 1, 4, True, None),
    (0, 3, 3, 1, 1, 2, True, None),
]


def draw(batch: int, queries: int, keys: int, heads: int, groups: int, size: int, dtype: str) -> tuple[Array, ...]:
    """q, k, v"""
    rng = np.random.default_rng(0)
    shapes = (batch, queries, heads * size), *[(batch, keys, groups * size)] * 2
    return tuple(rng.normal(size=shape).astype(dtype) for shape in shapes)


def forward(q: Array, k: Array, v: Array, heads: int, groups: int, causal: bool, lengths: Any = None,
            parts: int = 1) -> tuple[Array, Array]:  # fmt: skip
    """y, and what is kept."""
    (batch, queries, width), keys = q.shape, k.shape[1]
    size = width // heads
    y, kept = np.full_like(q, np.nan), np.full(batch * heads * queries * 2, np.nan, q.dtype)
    scratch = np.full(parts * attention_scratch(queries, keys, size, False), np.nan, q.dtype)
    there = np.array([] if lengths is None else lengths, np.int64)
    sizes = batch, queries, keys, heads, groups, size
    attention_forward(y.ravel(), kept, q.ravel(), k.ravel(), v.ravel(), (width, k.shape[2], v.shape[2]), there[:0],
                      there, scratch, sizes, causal)  # fmt: skip
    return y, kept


def backward(dy: Array, y: Array, kept: Array, q: Array, k: Array, v: Array, heads: int, groups: int, causal: bool,
             lengths: Any = None, parts: int = 1) -> tuple[Array, ...]:  # fmt: skip
    (batch, queries, width), keys = q.shape, k.shape[1]
    size = width // heads
    dq, dk, dv = (np.full_like(each, np.nan) for each in (q, k, v))
    scratch = np.full(parts * attention_scratch(queries, keys, size, True), np.nan, q.dtype)
    there = np.array([] if lengths is None else lengths, np.int64)
    sizes = batch, queries, keys, heads, groups, size
    attention_backward(dq.ravel(), dk.ravel(), dv.ravel(), dy.ravel(), y.ravel(), kept, q.ravel(), k.ravel(), v.ravel(),
                       (width, k.shape[2], v.shape[2]), there[:0], there, scratch, sizes, causal,
                       (True, True))  # fmt: skip
    return dq, dk, dv


def limit(dtype: str, terms: int) -> float:
    return 16 * np.sqrt(terms) * float(np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_the_references(case: Any, dtype: str) -> None:
    *sizes, causal, lengths = case
    heads, groups = sizes[3:5]
    q, k, v = draw(*sizes, dtype)
    y, kept = forward(q, k, v, heads, groups, causal, lengths)
    exact = [each.astype(float) for each in (q, k, v)]
    expected = reference.attention(*exact, heads, groups, causal, lengths)
    np.testing.assert_allclose(y, expected, rtol=0, atol=limit(dtype, sizes[2]))
    dy = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    found = backward(dy, y, kept, q, k, v, heads, groups, causal, lengths)
    right = reference.attention_backward(dy.astype(float), *exact, heads, groups, causal, lengths)
    for mine, other in zip(found, right, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=limit(dtype, sizes[1] * sizes[2]))


def test_the_references_gradient_is_that_of_differences() -> None:
    q, k, v = draw(1, 4, 6, 2, 1, 3, "float64")
    dy = np.random.default_rng(1).normal(size=q.shape)
    gradients = reference.attention_backward(dy, q, k, v, 2, 1, True, (5,))
    for values, gradient in zip((q, k, v), gradients, strict=True):
        for place in np.ndindex(values.shape):
            before, sums = values[place], []
            for moved in (before + 1e-6, before - 1e-6):
                values[place] = moved
                sums.append(float((reference.attention(q, k, v, 2, 1, True, (5,)) * dy).sum()))
            values[place] = before
            assert gradient[place] == pytest.approx((sums[0] - sums[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_not_seen_may_hold_anything(dtype: str) -> None:
    length = QUERY_ROWS + 8
    q, k, v = draw(1, length, length, 2, 2, 4, dtype)
    y, _ = forward(q, k, v, 2, 2, True)
    q[:, -3:], k[:, -3:], v[:, -3:] = np.nan, np.inf, -np.inf
    spoiled, _ = forward(q, k, v, 2, 2, True)
    assert spoiled[:, :-3].tobytes() == y[:, :-3].tobytes()
    short, _ = forward(q, k, v, 2, 2, False, (length - 3,))
    assert np.isfinite(short[:, :-3]).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_query_has_the_same_bits_alone(dtype: str) -> None:
    length = QUERY_ROWS + 8
    q, k, v = draw(2, length, length, 4, 2, 8, dtype)
    whole, _ = forward(q, k, v, 4, 2, True)
    for t in range(length):
        alone, _ = forward(*(np.ascontiguousarray(each) for each in (q[:, t : t + 1], k[:, : t + 1], v[:, : t + 1])),
                           4, 2, True)  # fmt: skip
        assert alone[:, 0].tobytes() == whole[:, t].tobytes(), t


@needs.two_cores
def test_threads_change_no_bit() -> None:
    q, k, v = draw(3, 60, 60, 4, 2, 16, "float32")
    dy, found = np.ones_like(q), set()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        y, kept = forward(q, k, v, 4, 2, True, parts=2)
        gradients = backward(dy, y, kept, q, k, v, 4, 2, True, parts=2)
        found.add(b"".join(each.tobytes() for each in (y, *gradients)))
    assert len(found) == 1


def test_who_sees_nothing_gets_nothing() -> None:
    q, k, v = draw(2, 3, 4, 2, 2, 4, "float64")
    y, kept = forward(q, k, v, 2, 2, False, (0, 4))
    assert (y[0] == 0).all()
    for gradient in backward(np.ones_like(y), y, kept, q, k, v, 2, 2, False, (0, 4)):
        assert (gradient[0] == 0).all()
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize(("queries", "keys", "causal"), [(5, 5, True), (3, 7, True), (7, 3, True), (4, 6, False)])
def test_pairs_are_those_that_are_seen(queries: int, keys: int, causal: bool) -> None:
    counted = sum(reference.seen(t, queries, keys, keys, causal) for t in range(queries))
    assert cost.pairs(queries, keys, causal) == counted


@pytest.mark.parametrize(("begin", "seen"), [(2**63 - 1, 3), (-(2**63), 0)])
def test_positions_may_be_as_far_as_numbers_go(begin: int, seen: int) -> None:
    q, v = np.ones((1, 1, 1, 4)), np.arange(12.0).reshape(1, 1, 3, 4)
    y = scaled_dot_product_attention(q, np.ones((1, 1, 3, 4)), v, causal=True, begins=[begin])
    np.testing.assert_allclose(y[0, 0, 0], v[0, 0, :seen].mean(axis=0) if seen else 0)


def test_heads_without_features_are_refused() -> None:
    q = np.ones((1, 1, 1, 0))
    with pytest.raises(ValueError, match="shapes"):
        scaled_dot_product_attention(q, q, np.ones((1, 1, 1, 4)))
