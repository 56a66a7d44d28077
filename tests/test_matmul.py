"""Products: the bits of three plain loops, for any form, size, leading dimension and number of threads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from math import isqrt
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES, Case, verify
from cases import of
from limits import Array, unit
from processes import run_python

from fastnn.compiler.jit import kernel
from fastnn.edge.checks import aligned_zeros
from fastnn.products.blocks import (
    ALWAYS_PACKED_ROWS,
    NN,
    NT,
    PACKED_ROWS,
    TN,
    VECTOR_BYTES,
)
from fastnn.products.matmul import (
    FAR_ROWS,
    FEW_ROWS_NN,
    FEW_ROWS_NT,
    FEW_SIDE,
    FEW_TERMS,
    PARALLEL_MACS,
    ROW_SIDE,
    SWAPPED_SIDE,
    TINY_MACS,
    few_rows,
    is_swapped,
    matmul,
    scratch_size,
)
from fastnn.simd.dots import CONFLICT_BYTES, LAG
from fastnn.simd.few_rows import ABREAST, TOGETHER
from fastnn.simd.host import FAR_BYTES, TERMS, UNIT, VECTORS
from fastnn.simd.scalar import fma
from fastnn.simd.views import LINE_BYTES, begins_inside

FORMS = {"NN": NN, "NT": NT, "TN": TN}
WIDTHS = tuple(VECTORS * VECTOR_BYTES // itemsize for itemsize in (4, 8))
LANES = tuple(VECTOR_BYTES // itemsize for itemsize in (4, 8))
HEIGHTS = sorted({height for heights in UNIT.tiles.values() for height in heights})
CONSTANTS = (*HEIGHTS, *WIDTHS, *LANES, FEW_ROWS_NN)
SIZES = sorted(
    {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 130}
    | {constant + near for constant in CONSTANTS for near in (-1, 0, 1)}
)
GUARD = 64


@kernel
def three_loops(y, ldy, x, row_x, column_x, w, row_w, column_w, start, m, n, k):  # type: ignore[no-untyped-def]
    """y = start + x @ w, element by element one chain of fused multiply-adds in the order of k."""
    for i in range(m):
        for j in range(n):
            total = start[j] if start.size > 0 else y.dtype.type(0)
            for p in range(k):
                total = fma(x[i * row_x + p * column_x], w[p * row_w + j * column_w], total)
            y[i * ldy + j] = total


@dataclass
class Padded:
    """A matrix whose rows lie `padding` elements apart, inside a buffer whose other bytes must stay what they are."""

    buffer: Array
    rows: int
    columns: int
    padding: int

    @classmethod
    def of(cls, matrix: Array, padding: int) -> Padded:
        rows, columns = matrix.shape
        size = rows * (columns + padding) + 2 * GUARD
        padded = cls(np.full(size, 1e9 + padding, matrix.dtype), rows, columns, padding)
        padded.matrix[...] = matrix
        return padded

    @property
    def ld(self) -> int:
        return self.columns + self.padding

    @property
    def flat(self) -> Array:
        return self.buffer[GUARD : self.buffer.size - GUARD]

    @property
    def matrix(self) -> Array:
        return self.flat.reshape(self.rows, self.ld)[:, : self.columns]

    def surroundings(self) -> bytes:
        around = self.buffer.copy()
        Padded(around, self.rows, self.columns, self.padding).matrix[...] = 0
        return around.tobytes()


def operands(form: str, m: int, n: int, k: int, dtype: str, seed: int = 0) -> tuple[Array, Array]:
    """x and w of a product, stored as its form wants them; negative zeros and subnormal numbers among them."""
    rng = np.random.default_rng([m, n, k, seed])
    x = rng.normal(size=(k, m) if form == "TN" else (m, k)).astype(dtype)
    w = rng.normal(size=(n, k) if form == "NT" else (k, n)).astype(dtype)
    x[rng.random(x.shape) < 0.05] = -0.0
    w[rng.random(w.shape) < 0.02] = 3 * np.finfo(dtype).smallest_subnormal
    return x, w


def plain(form: str, x: Padded, w: Padded, start: Array, m: int, n: int, k: int) -> Array:
    y = np.full((m, n), np.nan, x.buffer.dtype)
    row_x, column_x = (1, x.ld) if form == "TN" else (x.ld, 1)
    row_w, column_w = (1, w.ld) if form == "NT" else (w.ld, 1)
    three_loops(y.reshape(-1), n, x.flat, row_x, column_x, w.flat, row_w, column_w, start, m, n, k)
    return y


def assert_product(form: str, m: int, n: int, k: int, dtype: str, padding: int = 0, begin: bool = False) -> None:
    """The bits of three loops; nothing written but y and the scratch it is promised."""
    x, w = (Padded.of(operand, 3 * padding + i) for i, operand in enumerate(operands(form, m, n, k, dtype)))
    start = np.random.default_rng(n).normal(size=n if begin else 0).astype(dtype)
    y = Padded.of(np.full((m, n), np.nan, dtype), padding)
    size = scratch_size(FORMS[form], m, n, k, y.buffer.itemsize, numba.get_num_threads())
    scratch = np.full(size + GUARD, np.nan, dtype)
    before = [a.tobytes() for a in (x.buffer, w.buffer, start)] + [y.surroundings()]
    matmul(y.flat, y.ld, x.flat, x.ld, w.flat, w.ld, start, scratch, FORMS[form], m, n, k)
    assert [a.tobytes() for a in (x.buffer, w.buffer, start)] + [y.surroundings()] == before
    assert np.isnan(scratch[size:]).all(), "wrote beyond its scratch"
    assert y.matrix.tobytes() == plain(form, x, w, start, m, n, k).tobytes(), (form, m, n, k, dtype)


@pytest.mark.parametrize("case", of("matmul"), ids=str)
def test_product_agrees_with_the_reference(case: Case) -> None:
    verify(case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_every_size_gives_the_bits_of_three_loops(form: str, dtype: str) -> None:
    others = ((1, 1), (5, 70), (70, 5), (2 * HEIGHTS[-1] + 1, 130))
    for size, (a, b) in product(SIZES, others):
        for m, n, k in ((size, a, b), (a, size, b), (a, b, size)):
            assert_product(form, m, n, k, dtype)
    for m, n, k in np.random.default_rng(1).choice(SIZES, (100, 3)).tolist():
        assert_product(form, m, n, k, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_leading_dimensions_and_a_start_row_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    for m, n, k in np.random.default_rng(2).choice(SIZES, (60, 3)).tolist():
        assert_product(form, m, n, k, dtype, padding=1 + n % 7, begin=form != "NT")
        assert_product(form, m, n, k, dtype, padding=n % 2, begin=form != "NT")


def near_cube(macs: int) -> tuple[int, int, int]:
    """Three factors of a number, as near each other as its divisors allow."""
    a = max(d for d in range(1, round(macs ** (1 / 3)) + 1) if macs % d == 0)
    b = max(d for d in range(1, isqrt(macs // a) + 1) if macs // a % d == 0)
    return a, b, macs // a // b


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("macs", [limit + near for limit in (TINY_MACS, PARALLEL_MACS) for near in (-1, 0, 1)])
def test_both_sides_of_each_threshold_give_the_bits_of_three_loops(macs: int, form: str, dtype: str) -> None:
    a, b, c = near_cube(macs)
    assert a * b * c == macs
    for m, n, k in ((a, b, c), (c, b, a), (b, c, a), (1, c, a * b)):
        assert_product(form, m, n, k, dtype, begin=form != "NT")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_blocks_of_terms_and_panels_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    for m, n, k in (
        (PACKED_ROWS - 1, 50, 7), (PACKED_ROWS, 50, 7), (PACKED_ROWS + 1, 17, 33), (9, 50, TERMS - 1),
        (9, 50, TERMS), (9, 50, TERMS + 1), (1, 7, 2 * TERMS + 1), (PACKED_ROWS, 3, TERMS + 5),
        (ALWAYS_PACKED_ROWS, 50, 7), (ALWAYS_PACKED_ROWS - 1, 64, 9), (ALWAYS_PACKED_ROWS, 64, 9),
    ):  # fmt: skip
        for padding in (0, 1):
            assert_product(form, m, n, k, dtype, padding=padding, begin=form != "NT")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_a_few_rows_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    for m in range(1, FEW_ROWS_NN + 2):
        for n, k in (
            (FEW_SIDE, FEW_SIDE),
            (FEW_SIDE - 1, FEW_SIDE),
            (FEW_SIDE + 9, FEW_SIDE + 3),
            (ROW_SIDE, ROW_SIDE + 1),
            (ROW_SIDE + 1, ROW_SIDE - 1),
            (33, 300),
            (300, 33),
        ):
            assert_product(form, m, n, k, dtype, padding=2, begin=form != "NT")


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_a_far_matrix_passes_by_give_the_bits_of_three_loops(dtype: str) -> None:
    far = FAR_BYTES // (np.dtype(dtype).itemsize * FEW_SIDE) + 1
    for m in (FEW_ROWS_NN + 1, 7, FAR_ROWS or 12, (FAR_ROWS or 12) + 1):
        for n, k in ((FEW_SIDE + 5, max(far, FEW_SIDE)), (max(far, FEW_SIDE), FEW_SIDE + 3)):
            assert_product("NN", m, n, k, dtype, padding=2, begin=m % 2 == 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_that_pass_by_alone_and_together_give_the_bits_of_three_loops(dtype: str) -> None:
    lanes = UNIT.bytes // np.dtype(dtype).itemsize
    for m, k in product((*range(9), 13), (0, 1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 3)):
        for n in (1, lanes, ABREAST * lanes - 1, ABREAST * lanes, 3 * ABREAST * lanes + lanes + 1):
            x, w = (Padded.of(operand, 3) for operand in operands("NN", m, n, k, dtype))
            start = np.random.default_rng(n).normal(size=n).astype(dtype)
            y = Padded.of(np.full((m, n), np.nan, dtype), 2)
            before = y.surroundings()
            few_rows(NN, 0, m, 0, n, y.flat, y.ld, x.flat, x.ld, w.flat, w.ld, start, k)
            assert y.matrix.tobytes() == plain("NN", x, w, start, m, n, k).tobytes()
            assert y.surroundings() == before


@pytest.mark.parametrize("dtype", DTYPES)
def test_few_terms_and_rows_a_page_apart_give_the_bits_of_three_loops(dtype: str) -> None:
    for k, m, n in product(range(FEW_TERMS + 2), (1, 50), (FEW_SIDE - 1, FEW_SIDE, FEW_SIDE + 9)):
        assert_product("TN", m, n, k, dtype, padding=2)
        assert_product("TN", m, n, k, dtype, begin=True)
    page = CONFLICT_BYTES // np.dtype(dtype).itemsize
    for n, (k, padding) in product((1, 15, 16, 31, 33, 65, 70), ((page, 0), (page - 5, 5), (page - 5, 0))):
        assert_product("NT", 1, n, k, dtype, padding=padding)
    lag = LAG * LINE_BYTES // np.dtype(dtype).itemsize
    for k in (1, 16, 17, lag - 1, lag, lag + 1, 2 * lag + 5):
        assert_product("NT", 1, 37, k, dtype, padding=page - k)


@pytest.mark.parametrize("dtype", DTYPES)
def test_swapped_products_give_the_bits_of_three_loops(dtype: str) -> None:
    lanes = UNIT.bytes // np.dtype(dtype).itemsize
    itemsize = np.dtype(dtype).itemsize
    sides = (SWAPPED_SIDE - 1, SWAPPED_SIDE), (SWAPPED_SIDE, SWAPPED_SIDE), (SWAPPED_SIDE + 5, TERMS + 3), (300, 130)
    regimes = set()
    for m, (n, k) in product((lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes, 3 * lanes, 3 * lanes + 1), sides):
        regimes.add(bool(is_swapped(m, n, k, itemsize)))
        assert_product("NT", m, n, k, dtype, padding=m % 2)
    assert regimes == {False, True}


def test_products_of_all_regimes_are_among_those_tested() -> None:
    needs = {
        form: {m: scratch_size(FORMS[form], m, 50, 70, 4, 1) > 0 for m in (1, 2, 3, PACKED_ROWS)} for form in FORMS
    }
    assert needs["NT"] == {m: m > FEW_ROWS_NT for m in needs["NT"]}
    assert list(needs["NN"].values()) == [False, False, False, True]
    assert scratch_size(NT, 512, 512, 512, 4, 4) == 4 * scratch_size(NT, 512, 512, 512, 4, 1)


def test_where_an_array_begins_is_seen() -> None:
    lanes = UNIT.bytes // 4
    aligned = aligned_zeros(2 * lanes, np.dtype("f4"))
    inside = numba.njit(lambda array: begins_inside(array, VECTOR_BYTES))
    assert [bool(inside(aligned[at:])) for at in (0, 1, lanes - 1, lanes)] == [False, True, True, False]


def test_with_scratch_for_fewer_threads_the_bits_are_the_same() -> None:
    m, n, k = 80, 90, 100
    x, w = operands("NT", m, n, k, "float32")
    found = set()
    for threads in (1, 2, 4):
        y, scratch = np.empty((m, n), "f4"), np.empty(scratch_size(NT, m, n, k, 4, threads), "f4")
        matmul(y.reshape(-1), n, x.reshape(-1), k, w.reshape(-1), k, np.empty(0, "f4"), scratch, NT, m, n, k)
        found.add(y.tobytes())
    assert len(found) == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_whole_numbers_give_whole_numbers_exactly(form: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    for m, n, k in [(1, 1, 1), (3, 4, 2), (33, 65, 130), (130, 49, 17), (8, 48, 128), (64, 100, 127)]:
        x = rng.integers(-9, 10, (k, m) if form == "TN" else (m, k))
        w = 2 ** rng.integers(0, 5, (n, k) if form == "NT" else (k, n)) - 3
        expected = (x.T if form == "TN" else x) @ (w.T if form == "NT" else w)
        y = np.full((m, n), np.nan, dtype)
        scratch = np.full(scratch_size(FORMS[form], m, n, k, np.dtype(dtype).itemsize, 1), np.nan, dtype)
        arguments: tuple[Any, ...] = (x.astype(dtype).reshape(-1), x.shape[1], w.astype(dtype).reshape(-1), w.shape[1])
        matmul(y.reshape(-1), n, *arguments, np.empty(0, dtype), scratch, FORMS[form], m, n, k)
        assert np.array_equal(y, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_large_products_pass_a_checksum(form: str, dtype: str) -> None:
    # C t = A (B t) costs n^2 and sees any wrong element.
    m, n, k = 613, 509, 407
    x, w = operands(form, m, n, k, dtype)
    y = np.full((m, n), np.nan, dtype)
    scratch = np.full(scratch_size(FORMS[form], m, n, k, np.dtype(dtype).itemsize, 1), np.nan, dtype)
    matmul(
        y.reshape(-1), n, x.reshape(-1), x.shape[1], w.reshape(-1), w.shape[1], np.empty(0, dtype), scratch,
        FORMS[form], m, n, k,
    )  # fmt: skip
    a = (x.T if form == "TN" else x).astype(np.longdouble)
    b = (w.T if form == "NT" else w).astype(np.longdouble)
    t = np.random.default_rng(7).choice([-1.0, 1.0], (n, 3))
    error = np.abs(y.astype(np.longdouble) @ t - a @ (b @ t))
    assert (error <= 16 * unit(dtype) * (np.abs(a) @ (np.abs(b) @ np.abs(t)))).all()


def in_four_threads() -> None:
    """Every form with 1, 2, 3 and 4 threads, against three loops; prints what was done as JSON."""
    for threads, form, dtype in product((1, 2, 3, 4), FORMS, DTYPES):
        numba.set_num_threads(threads)
        for m, n, k in ((97, 89, 83), (3, 517, 301), (517, 3, 301), (1, 1031, 409), (1031, 1, 409), (33, 129, 2000)):
            assert m * n * k > PARALLEL_MACS
            assert_product(form, m, n, k, dtype, padding=1, begin=form != "NT")
    print(json.dumps({"threads": threads, "layer": numba.threading_layer()}))


@needs.compiled_kernels
def test_one_two_three_and_four_threads_give_the_bits_of_three_loops() -> None:
    report = run_python("import test_matmul; test_matmul.in_four_threads()", NUMBA_NUM_THREADS="4")
    assert report["threads"] == 4
    assert report["layer"] in ("tbb", "omp", "workqueue")  # a parallel twin ran
