"""What windows of images are summed, folded and pooled by: the bits of plain loops, and nothing written elsewhere."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn.simd import pools
from fastnn.simd import windows as products
from fastnn.simd.host import UNIT, VECTORS

Array = Any


@cache
def compiled(function: Any) -> Any:
    """A plain loop, whose fused multiply-adds are those of the kernels."""
    return numba.njit(error_model="numpy")(function)


@cache
def caller(intrinsic: Any) -> Any:
    return numba.njit(lambda *values: intrinsic(*values))


@pytest.mark.parametrize("dtype", DTYPES)
def test_products_in_segments_are_their_loops(dtype: str) -> None:
    """Of every height and width of tiles, from a bias, from zero and from what is there."""
    ours, loops = caller(products.windows), compiled(products._windows)
    rng, lanes = np.random.default_rng(0), UNIT.bytes // np.dtype(dtype).itemsize
    for case in range(400):
        rows, columns, k, segments = map(int, rng.integers(1, (40, VECTORS * lanes + 1, 7, 6)))
        ldy, ldw = columns + int(rng.integers(3)), columns + int(rng.integers(3))
        x, w, y, bias = (rng.normal(size=n).astype(dtype) for n in (5000, 20000, rows * ldy + 5, columns + 3))
        steps = [int(rng.integers(1, most)) for most in (9, 5)]
        apart = [int(rng.integers(most)) for most in (50, 100)]
        found = []
        for function in (ours, loops):
            result = y.copy()
            begin = ((bias, 1, 0), (bias, -1, 0), (result, 2, ldy))[case % 3]
            function(rows, columns, result, 2, ldy, *begin, x, 3, *steps, w, 1, ldw, k, segments, *apart)
            found.append(result.tobytes())
        assert found[0] == found[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_folds_are_their_loops(dtype: str) -> None:
    ours, loops = caller(products.fold), compiled(products._fold)
    rng = np.random.default_rng(0)
    for columns in (1, 3, 8, 16, 21, 40):
        for count in (0, 1, 4):
            a = rng.normal(size=400).astype(dtype)
            found = [np.full(50, 7, dtype) for _ in range(2)]
            for function, y in zip((ours, loops), found, strict=True):
                function(y, 2, a, 3, 41, count, columns)
            assert found[0].tobytes() == found[1].tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 6, 16, 21])
@pytest.mark.parametrize("window", [(2, 2), (3, 2), (1, 1)])
def test_pools_are_their_loops(dtype: str, channels: int, window: tuple[int, int]) -> None:
    """With numbers that are equal, and NaN; gradients added, and put."""
    rng, count, width = np.random.default_rng(0), 4, 9
    step, row, down, across = 2 * channels, width * channels, *window
    x = np.round(rng.normal(size=4 * row), 1).astype(dtype)
    x[rng.integers(0, x.size, 3)] = np.nan
    dy = rng.normal(size=count * channels + 8).astype(dtype)
    run = (count, step, row, down, across, 5, channels)
    results: list[list[bytes]] = []
    for make, names in ((caller, "{}"), (compiled, "_{}")):
        y, winners = (np.full(count * channels + 8, 7, dtype) for _ in range(2))
        dx = [np.full(x.size, 1, dtype) for _ in range(4)]
        made = {name: make(getattr(pools, names.format(name))) for name in ("largest", "to_winners", "mean", "to_all")}
        made["largest"](y, 3, winners, 3, x, 2, *run)
        made["to_winners"](dx[0], 2, dy, 3, winners, 3, *run, True)
        made["to_winners"](dx[1], 2, dy, 3, winners, 3, *run, False)
        means = y.copy()
        made["mean"](means, 3, x, 2, down, across, *run)
        made["to_all"](dx[2], 2, dy, 3, down, across, *run, True)
        made["to_all"](dx[3], 2, dy, 3, down, across, *run, False)
        results.append([array.tobytes() for array in (y, winners, means, *dx)])
    assert results[0] == results[1]
