"""Sums of columns and of their products: every shape exactly, and where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from case import DTYPES

from fastnn.compiler.jit import kernel
from fastnn.simd.moments import ABREAST, TERMS, column_moments, column_products

GUARD, BEGIN = 5, 3
# Around a chain, and of several; around vectors of either type, and as many as go down together.
ROWS = (0, 1, TERMS - 1, TERMS, TERMS + 1, 5 * TERMS + 3)
COLUMNS = (0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 33, 16 * ABREAST[0] - 1, 16 * ABREAST[0], 130)


@kernel
def moments(sums, squares, x, x_at, means, ld, rows, n):
    column_moments(sums, squares, x, x_at, means, ld, rows, n)


@kernel
def products(sums, found, u, u_at, v, v_at, means, ld, rows, n):
    column_products(sums, found, u, u_at, v, v_at, means, ld, rows, n)


def whole(rng: np.random.Generator, dtype: str, *shape: int) -> Any:
    """Small whole numbers, whose sums no rounding changes."""
    return rng.integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", ROWS)
def test_sums_of_whole_numbers_are_exact_for_every_shape(rows: int, dtype: str) -> None:
    rng = np.random.default_rng(rows)
    for n in COLUMNS:
        ld = n + 2
        u, v, means = whole(rng, dtype, rows, ld), whole(rng, dtype, rows, ld), whole(rng, dtype, n)
        flat_u, flat_v = (np.concatenate([np.full(BEGIN, np.nan, dtype), values.ravel()]) for values in (u, v))
        terms = v[:, :n] - means
        outs = [np.full(n + GUARD, np.nan, dtype) for _ in range(4)]
        moments(*outs[:2], flat_v, BEGIN, means, ld, rows, n)
        products(*outs[2:], flat_u, BEGIN, flat_v, BEGIN, means, ld, rows, n)
        right = [terms.sum(0), (terms * terms).sum(0), u[:, :n].sum(0), (u[:, :n] * terms).sum(0)]
        for out, values in zip(outs, right, strict=True):
            assert np.array_equal(out[:n], values), (rows, n)
            assert np.isnan(out[n:]).all()


def test_a_column_has_the_same_bits_beside_any_others() -> None:
    x = np.random.default_rng(0).normal(3, 1, (77, 130)).astype(np.float32)
    means = np.full(130, 3, np.float32)
    together, alone = np.empty((2, 130), np.float32), np.empty((2, 1), np.float32)
    moments(*together, x.ravel(), 0, means, 130, 77, 130)
    for column in (0, 63, 64, 129):
        moments(*alone, x.ravel(), column, means[:1], 130, 77, 1)
        assert alone.tobytes() == together[:, column].tobytes()


def test_chains_are_short() -> None:
    """100,000 squares of one sign: one chain in float32 is off by 100 roundings."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, 100_000).astype(np.float32)
    found = np.empty((2, 1), np.float32)
    moments(*found, x, 0, np.zeros(1, np.float32), 1, x.size, 1)
    right = [np.sum(x, dtype=float), np.sum(x.astype(float) ** 2)]
    assert np.all(np.abs(found[:, 0] - right) <= 2 * 2**-24 * np.array(right))
