"""Copies of blocks: as they are, transposed, in panels; and what packs vectors by registers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES
from limits import Array
from numba.extending import intrinsic

from fastnn.compiler.jit import kernel
from fastnn.edge.checks import aligned_zeros
from fastnn.simd import pack
from fastnn.simd.emit import VectorBuilder, lanes_of, pointers
from fastnn.simd.host import PANEL_ROWS
from fastnn.simd.views import LINE_BYTES, to_line

pytestmark = needs.compiled_kernels

LANES = sorted({lanes_of(itemsize) for itemsize in (4, 8)})
SIZES = sorted({0, 1, *(unit + near for unit in (*LANES, PANEL_ROWS, 2 * PANEL_ROWS, 29) for near in (-1, 0, 1))})
# Where in its array each block begins: not with a vector.
TARGET_AT, SOURCE_AT = 5, 3


@kernel
def copied(t, ldt, a, lda, rows, columns):  # type: ignore[no-untyped-def]
    pack.copy_block(t, TARGET_AT, ldt, a, SOURCE_AT, lda, rows, columns)


@kernel
def transposed(t, ldt, a, lda, rows, columns):  # type: ignore[no-untyped-def]
    pack.transpose_block(t, TARGET_AT, ldt, a, SOURCE_AT, lda, rows, columns)


@kernel
def packed_rows(t, terms, a, lda, rows, columns):  # type: ignore[no-untyped-def]
    pack.pack_rows(t, TARGET_AT, terms, a, SOURCE_AT, lda, rows, columns)


@kernel
def packed_columns(t, terms, a, lda, rows, columns):  # type: ignore[no-untyped-def]
    pack.pack_columns(t, TARGET_AT, terms, a, SOURCE_AT, lda, rows, columns)


def source(rows: int, columns: int, dtype: str) -> tuple[Array, Array, int]:
    """A block, the array that it stands in, and how far apart its rows are there."""
    lda = columns + rows % 3
    a = np.random.default_rng([rows, columns]).normal(size=SOURCE_AT + max(rows * lda, 1)).astype(dtype)
    return a[SOURCE_AT : SOURCE_AT + rows * lda].reshape(rows, lda)[:, :columns], a, lda


def unwritten(size: int, dtype: str) -> Array:
    return np.full(TARGET_AT + size + 16, np.nan, dtype)


def panels(x: Array, terms: int) -> Array:
    """Rows of x as panels of so many terms, from TARGET_AT on; NaN where nothing belongs."""
    rows, columns = x.shape
    count = -(-rows // PANEL_ROWS)
    t = unwritten(count * terms * PANEL_ROWS, str(x.dtype))
    inside = t[TARGET_AT : t.size - 16].reshape(count, terms, PANEL_ROWS)
    row = np.arange(rows)
    inside[row // PANEL_ROWS, :columns, row % PANEL_ROWS] = x
    return t


def assert_packed() -> None:
    """Of every size and type, by rows and by columns, with more terms behind and without."""
    for rows, columns, dtype, more in product(SIZES, SIZES, DTYPES, (0, 3)):
        block, a, lda = source(rows, columns, dtype)
        for packed, x in ((packed_rows, block), (packed_columns, block.T)):
            terms = x.shape[1] + more
            expected = panels(x, terms)
            t = np.full_like(expected, np.nan)
            packed(t, terms, a, lda, rows, columns)
            assert t.tobytes() == expected.tobytes(), (packed.__name__, rows, columns, dtype, more)


def test_rows_and_columns_are_packed_in_panels_and_nothing_else_is_written() -> None:
    assert_packed()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("copy", [copied, transposed], ids=["copied", "transposed"])
def test_blocks_are_copied_and_transposed_and_nothing_else_is_written(copy: Callable[..., None], dtype: str) -> None:
    for rows, columns, more in product(SIZES, SIZES, (0, 3)):
        block, a, lda = source(rows, columns, dtype)
        moved = block if copy is copied else block.T
        expected = unwritten(moved.shape[0] * (moved.shape[1] + more), dtype)
        t = expected.copy()
        inside = expected[TARGET_AT : expected.size - 16].reshape(moved.shape[0], moved.shape[1] + more)
        inside[:, : moved.shape[1]] = moved
        copy(t, moved.shape[1] + more, a, lda, rows, columns)
        assert t.tobytes() == expected.tobytes(), (rows, columns, more)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def interleaved(typingctx: Any, t: Any, t_at: Any, a: Any, a_at: Any, count: Any) -> Any:
    """t[t_at:] = so many vectors, a literal number, from a[a_at:] on, in turn."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emitter = VectorBuilder(builder, t.dtype.bitwidth // 8)
        to, of = pointers(context, builder, signature, args, 0, 2)
        rows = [emitter.load(emitter.at(of, r * emitter.lanes)) for r in range(count.literal_value)]
        for r, vector in enumerate(emitter.interleave(rows)):
            emitter.store(vector, emitter.at(to, r * emitter.lanes))
        return context.get_dummy_value()

    return numba.types.void(t, t_at, a, a_at, count), codegen


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_vectors_are_interleaved_element_by_element(count: int, dtype: str) -> None:
    lanes = lanes_of(np.dtype(dtype).itemsize)
    a = np.arange(count * lanes, dtype=dtype)
    t = np.full_like(a, np.nan)
    numba.njit(lambda t, a: interleaved(t, 0, a, 0, count))(t, a)
    assert np.array_equal(t, a.reshape(count, lanes).T.reshape(-1))


def test_the_next_line_is_as_far_as_an_address_says() -> None:
    skipped = numba.njit(lambda array: to_line(array))
    for dtype in DTYPES:
        per_line = LINE_BYTES // np.dtype(dtype).itemsize
        lines = aligned_zeros(3 * per_line, np.dtype(dtype))
        begins = -lines.ctypes.data % LINE_BYTES // lines.itemsize
        found = [skipped(lines[begins + at :]) for at in range(per_line + 1)]
        assert found == [0, *range(per_line - 1, 0, -1), 0]
