"""What threads bring to shared memory and make of it, for the geometry of a GPU: blocks of too many threads for the
simulator, which one after the other take a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from fastnn.cuda import product, staging, tensor
from fastnn.cuda.fused_product import staged_words
from fastnn.cuda.geometry import GPU, Tile
from fastnn.cuda.mma import numbers_of
from fastnn.cuda.product import Tiling, scalar_tiling
from fastnn.cuda.staging import Words, make_staging
from fastnn.cuda.target import SIMULATED
from fastnn.cuda.tensor import tensor_tiling

pytestmark = pytest.mark.skipif(not SIMULATED, reason="needs numba's CUDA simulator")

TILINGS = {"float32": None, "tf32": "tf32", "bf16": "bf16"}
FUSED = [
    staged_words(GPU, rows, columns, terms)
    for rows in GPU.fused_rows
    for columns, terms in zip(GPU.fused_columns, GPU.fused_terms, strict=True)
]


def tiling_of(name: str, tile: Tile) -> Tiling:
    precision = TILINGS[name]
    return tensor_tiling(GPU, tile, precision) if precision else scalar_tiling(numba.float32, GPU, tile)


SCALAR = [tiling_of("float32", tile).x for tile in GPU.tiles]


@contextmanager
def threads(count: int, across: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Iterator[int]]:
    """Each thread of a block in turn, for functions that ask which one they are."""
    index = SimpleNamespace(x=0, y=0)
    local = SimpleNamespace(array=lambda size, kind: np.full(size, np.nan if kind is numba.float32 else 0, str(kind)))
    with monkeypatch.context() as patched:
        for module in (staging, product, tensor):
            patched.setattr(module, "cuda", SimpleNamespace(threadIdx=index, local=local))

        def each() -> Iterator[int]:
            for thread in range(count):
                index.x, index.y = thread % across, thread // across
                yield thread

        yield each()


def staged(matrix: NDArray[Any], w: Words, by_terms: bool, corner: tuple[int, int], monkeypatch: Any) -> NDArray[Any]:
    """The words (w.words, w.size) that a block brings of a matrix (rows, terms) from a corner on."""
    load, store = make_staging(numba.float32, w, by_terms)
    lies = np.ascontiguousarray(matrix if by_terms else matrix.T)
    flat, (rows, terms) = np.concatenate([[np.nan], lies.ravel()]).astype(np.float32), matrix.shape
    found = np.full(w.half, 0xFFFFFFFF, np.uint32) if w.packed > 1 else np.full(w.half, np.nan, np.float32)
    written = np.zeros(w.half, int)
    with threads(w.threads, w.across, monkeypatch) as each:
        for _ in each:
            held = np.full(w.held, np.nan, np.float32)
            load(held, flat, 1, lies.shape[1], corner[0], rows, corner[1], terms)
            mine = np.full_like(found, found[-1])
            before = mine.copy()
            store(mine, 0, held)
            places = np.flatnonzero(mine.view(np.uint32) != before.view(np.uint32))
            assert len(places) == w.turns
            found[places] = mine[places]
            written[places] += 1
    assert written.reshape(w.words, w.row)[:, : w.size].min() == written.max() == 1
    return found.reshape(w.words, w.row)[:, : w.size]


@pytest.mark.parametrize("by_terms", [True, False])
@pytest.mark.parametrize("words", [*FUSED, *SCALAR], ids=lambda w: f"{w.size}x{w.threads}")
def test_every_number_is_brought_once_and_zeros_where_the_matrix_ends(
    words: Words, by_terms: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    matrix = 1.0 + np.arange(2.5 * words.size * 2 * words.terms).reshape(-1, 2 * words.terms)
    # Whole, and over both edges.
    for corner in ((words.size, words.terms), (2 * words.size, 2 * words.terms - 3)):
        expected = np.zeros((words.size, words.terms))
        part = matrix[corner[0] : corner[0] + words.size, corner[1] : corner[1] + words.terms]
        expected[: part.shape[0], : part.shape[1]] = part
        np.testing.assert_array_equal(staged(matrix, words, by_terms, corner, monkeypatch), expected.T)


@pytest.mark.parametrize("tile", GPU.tiles, ids=["large", "small"])
@pytest.mark.parametrize("by_terms", [True, False])
def test_two_terms_share_a_word(by_terms: bool, tile: Tile, monkeypatch: pytest.MonkeyPatch) -> None:
    words = tiling_of("bf16", tile).x
    matrix = np.random.default_rng(0).integers(-99, 99, (words.size, words.terms)).astype(float)
    found = staged(matrix, words, by_terms, (0, 0), monkeypatch)
    pairs = np.array([[numbers_of(word, "bf16") for word in row] for row in found])
    np.testing.assert_array_equal(pairs.transpose(1, 0, 2).reshape(matrix.shape), matrix)


@pytest.mark.parametrize("tile", GPU.tiles, ids=["large", "small"])
@pytest.mark.parametrize("name", TILINGS)
def test_threads_make_a_whole_tile(name: str, tile: Tile, monkeypatch: pytest.MonkeyPatch) -> None:
    tiling = tiling_of(name, tile)
    assert 2 * 4 * (tiling.x.half + tiling.w.half) <= GPU.shared_bytes
    rng = np.random.default_rng(0)
    x = rng.integers(-9, 9, (tiling.rows, tiling.x.terms)).astype(np.float32)
    w = rng.integers(-9, 9, (tiling.columns, tiling.w.terms)).astype(np.float32)
    kept_rows, kept_columns = tiling.kept
    found = np.full((tiling.rows, tiling.columns), np.nan)
    halves = []
    for matrix, words in ((x, tiling.x), (w, tiling.w)):
        half = np.zeros((words.words, words.row), np.float32 if name == "float32" else np.uint32)
        half[:, : words.size] = staged(matrix, words, True, (0, 0), monkeypatch)
        halves.append(half.ravel())
    with threads(tile.threads, tile.across, monkeypatch) as each:
        for _ in each:
            sums = np.zeros(kept_rows * kept_columns, np.float32)
            tiling.multiply(sums, halves[0], 0, halves[1], 0)
            for a in range(kept_rows):
                for b in range(kept_columns):
                    place = tiling.row_of(a), tiling.column_of(b)
                    assert np.isnan(found[place])
                    found[place] = sums[a * kept_columns + b]
    np.testing.assert_array_equal(found, x @ w.T)
