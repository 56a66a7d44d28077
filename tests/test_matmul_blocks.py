"""Products by blocks: the bits of three plain loops on both sides of each size that settles how x and w are packed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise, product

import needs
import numba
import numpy as np
import pytest
from case import DTYPES
from processes import run_python
from test_matmul import FORMS, GUARD, Padded, assert_product, operands, plain

from fastnn.products.blocks import (
    GROUP_ROWS,
    PACKED_ROWS,
    PACKS_X,
    VECTOR_BYTES,
    WIDE_BYTES,
    WIDE_PANELS,
    WIDE_ROWS,
    X_COLUMNS,
    X_ROWS,
    X_TERMS,
    block_size,
    is_wide,
    packs_rows,
    rows_of_block,
)
from fastnn.products.matmul import PARALLEL_MACS, SHARED_ROWS, is_swapped, panel_of, rectangle, share
from fastnn.simd.host import PANEL_ROWS, TERMS, VECTORS

# Sizes of a product whose x is packed where the family packs it at all.
ROWS, COLUMNS, SUMMED = X_ROWS + 3, X_COLUMNS + 5, X_TERMS + 3
both = pytest.mark.parametrize(("form", "dtype"), list(product(FORMS, DTYPES)))


def lanes_of(dtype: str) -> int:
    return VECTOR_BYTES // np.dtype(dtype).itemsize


def height_of(dtype: str) -> int:
    return int(rows_of_block(np.dtype(dtype).itemsize))


def around(size: int, more: int) -> tuple[int, ...]:
    """Both sides of a size that may be 0, and some more."""
    return tuple(max(each, 1) for each in (size - 1, size, size + more))


@both
def test_rows_that_are_packed_and_that_are_not_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    regimes = set()
    for m, n, k in product(around(X_ROWS, PANEL_ROWS - 1), around(X_COLUMNS, 9), around(X_TERMS, 3)):
        regimes.add(bool(packs_rows(m, n, k)))
        assert_product(form, m, n, k, dtype, padding=k % 2, begin=form != "NT")
    assert regimes == {False, PACKS_X}


@both
def test_more_rows_than_are_packed_at_a_time_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    height = height_of(dtype)
    for m, k in product((height - 1, height, height + 1, 2 * height, 2 * height + 3), (SUMMED, TERMS + 1)):
        assert_product(form, m, COLUMNS, k, dtype, padding=m % 2, begin=form != "NT")


@both
def test_terms_around_those_of_a_panel_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    for panels, near in product((1, 2, 3), (-1, 0, 1)):
        assert_product(form, ROWS, COLUMNS, panels * TERMS + near, dtype, padding=panels % 2, begin=form != "NT")


@both
def test_columns_that_end_in_every_kind_of_stripe_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    for end in range(1, (VECTORS + 1) * lanes_of(dtype) + 1):
        assert_product(form, ROWS, X_COLUMNS + end, SUMMED, dtype, padding=end % 2)
        assert_product(form, PACKED_ROWS + end % 5, end, SUMMED, dtype, padding=1)


@both
def test_few_terms_by_groups_of_panels_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    width = VECTORS * lanes_of(dtype)
    for k in (1, 2, 5, TERMS // 3, TERMS // 2, TERMS // 2 + 1):
        group = TERMS // k * width  # columns whose panels L1 holds
        for m, n in product((GROUP_ROWS + PACKED_ROWS, 2 * GROUP_ROWS + ROWS), (group - 1, group + width + 1)):
            assert_product(form, m, n, k, dtype, padding=1, begin=form != "NT")


@both
def test_panels_that_first_tiles_copy_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    lanes = lanes_of(dtype)
    for m, vectors in product(range(PACKED_ROWS - 1, PACKED_ROWS + PANEL_ROWS + 1), range(2, 2 * VECTORS + 2)):
        for n, k in ((vectors * lanes, 9), (vectors * lanes, TERMS + 7), (vectors * lanes + 1, 9)):
            assert_product(form, m, n, k, dtype, padding=vectors % 2, begin=form != "NT")


@both
def test_panels_that_are_copied_together_give_the_bits_of_three_loops(form: str, dtype: str) -> None:
    """Where rows of w are wide, and end in every kind of stripe behind whole groups of panels."""
    lanes, width = lanes_of(dtype), VECTORS * lanes_of(dtype)
    group = WIDE_PANELS * width
    whole = (WIDE_BYTES // np.dtype(dtype).itemsize // group + 1) * group
    most, regimes = WIDE_ROWS or 20, set()
    for m, k in product((PACKED_ROWS, most, most + 1), (TERMS // 2 - 1, TERMS // 2 + 1, TERMS + 3)):
        for end in (0, 1, lanes, lanes + 1, width, width + lanes - 1, width + lanes + 1):
            regimes.add(bool(is_wide(FORMS[form], m, whole + end, k, np.dtype(dtype).itemsize)))
            assert_product(form, m, whole + end, k, dtype, padding=end % 2, begin=form != "NT")
    assert regimes == ({False, True} if form == "NN" and WIDE_ROWS else {False})


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrow_products_need_scratch_for_one_panel(dtype: str) -> None:
    """A call from Python takes it from the stack."""
    itemsize = np.dtype(dtype).itemsize
    assert 0 < panel_of(FORMS["NT"], 50, 100, 300, itemsize) <= TERMS * VECTORS * lanes_of(dtype) + 64


def cuts(form: str, m: int, n: int, lanes: int) -> Iterator[list[tuple[int, int, int, int]]]:
    """y in the shares of 1 to 4 threads, by rows and by columns, and in nine parts that meet anywhere."""
    for parts in (1, 2, 3, 4):
        yield [(*share(part, parts, m, SHARED_ROWS), 0, n) for part in range(parts)]
        yield [(0, m, *share(part, parts, n, lanes)) for part in range(parts)]
    rows, columns = ([0, size // 7 + 1, size // 2, size] for size in (m, n))
    yield [(*of_rows, *of_columns) for of_rows, of_columns in product(pairwise(rows), pairwise(columns))]


@both
def test_parts_of_a_product_give_its_bits_in_scratch_for_one_of_them(form: str, dtype: str) -> None:
    lanes, itemsize, height = lanes_of(dtype), np.dtype(dtype).itemsize, height_of(dtype)
    for m, n, k in ((2 * height + 5, COLUMNS, SUMMED), (ROWS + 60, COLUMNS + 80, TERMS + 9), (ROWS, 2 * COLUMNS, 40)):
        assert not is_swapped(m, n, k, itemsize)
        x, w = (Padded.of(operand, 1) for operand in operands(form, m, n, k, dtype))
        none = np.empty(0, dtype)
        expected = plain(form, x, w, none, m, n, k).tobytes()
        size = panel_of(FORMS[form], m, n, k, itemsize)
        for at, parts in enumerate(cuts(form, m, n, lanes)):
            y = Padded.of(np.full((m, n), np.nan, dtype), 3)
            surroundings, scratch = y.surroundings(), np.full(size + 2 * GUARD, np.nan, dtype)
            begin = GUARD + at  # anywhere in a line
            for part in parts:
                scratch[begin : begin + size] = np.nan
                own = scratch[begin : begin + size]
                rectangle(FORMS[form], *part, y.flat, y.ld, x.flat, x.ld, w.flat, w.ld, none, own, m, n, k)
            assert np.isnan(np.r_[scratch[:begin], scratch[begin + size :]]).all(), "wrote beyond its scratch"
            assert y.surroundings() == surroundings
            assert y.matrix.tobytes() == expected, (m, n, k, parts)


@pytest.mark.parametrize("itemsize", [4, 8])
def test_scratch_of_a_whole_is_never_less_than_that_of_a_part(itemsize: int) -> None:
    height, width = int(rows_of_block(itemsize)), VECTORS * VECTOR_BYTES // itemsize
    sides = (
        (1, PACKED_ROWS, *around(X_ROWS, 1), height - 1, height, height + 1, 4 * height),
        (1, width, 2 * width, *around(X_COLUMNS, 1), 1000),
        (0, 1, *around(X_TERMS, 1), TERMS // 2, TERMS - 1, TERMS, TERMS + 1, 5 * TERMS),
    )
    rows, columns, terms = (sorted(map(int, side)) for side in sides)
    sizes = [[[block_size(m, n, k, itemsize) for k in terms] for n in columns] for m in rows]
    for axis in range(3):
        assert (np.diff(sizes, axis=axis) >= 0).all(), "m n k"[2 * axis]


def in_four_threads() -> None:
    """Every form with 2, 3 and 4 threads, by blocks, against three loops; prints the most threads as JSON."""
    rows, columns = max(4 * ROWS, 60), max(3 * COLUMNS, 200)  # where the family packs no rows, ROWS and COLUMNS are few
    for threads, form, dtype in product((2, 3, 4), FORMS, DTYPES):
        numba.set_num_threads(threads)
        for m, n, k in ((2 * height_of(dtype) + columns, columns // 3, TERMS + 5), (rows, columns, 37)):
            assert m * n * k > PARALLEL_MACS
            assert_product(form, m, n, k, dtype, padding=1, begin=form != "NT")
    print(json.dumps(threads))


@needs.compiled_kernels
def test_threads_that_pack_their_own_rows_give_the_bits_of_three_loops() -> None:
    assert run_python("import test_matmul_blocks; test_matmul_blocks.in_four_threads()", NUMBA_NUM_THREADS="4") == 4
