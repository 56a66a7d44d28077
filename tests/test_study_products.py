"""What the kernels are said to do for a product, against what they call, and loops that share nothing with it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from processes import run_python

from fastnn import cost
from fastnn.compiler import jit as _jit
from fastnn.edge.checks import aligned_zeros
from fastnn.kernels import dense
from fastnn.kernels.optimizer import SGD
from fastnn.products import blocks, matmul
from fastnn.products.blocks import ALWAYS_PACKED_ROWS, NN, NT, PACKED_ROWS, TN, WIDE_BYTES, WIDE_ROWS
from fastnn.products.matmul import (
    FAR_ROWS,
    FEW_ROWS_NN,
    FEW_ROWS_NT,
    FEW_SIDE,
    FEW_TERMS,
    ROW_SIDE,
    SWAPPED_SIDE,
    TINY_MACS,
)
from fastnn.simd.host import FAR_BYTES, PANEL_ROWS, TERMS, UNIT
from fastnn.study import products
from fastnn.study.products import Terms

LANES = {itemsize: UNIT.bytes // itemsize for itemsize in (4, 8)}
WIDEST = max(UNIT.tiles)
NAMES = {NN: "forward", TN: "weight", NT: "input"}
# The least product whose x is packed, or any where none is, and rows of it that are packed at a time.
X_ROWS, X_COLUMNS, X_TERMS = (blocks.X_ROWS, blocks.X_COLUMNS, blocks.X_TERMS) if blocks.PACKS_X else (32, 200, 16)
X_AT_ONCE = products.uncompiled(blocks.rows_of_block)(4)
# Rows, columns and terms of products that are made of tiles, in each form: even and odd ones, less than a vector, more
# than a block.
SHAPES = [
    (5, 7, 9), (8, 48, 16), (13, 33, 65), (40, 64, 100), (64, 112, 130), (127, 50, 3), (300, 10, 784),
    (PACKED_ROWS - 1, 33, 20), (PACKED_ROWS, 33, 20), (PACKED_ROWS, 64, 20),
    (ALWAYS_PACKED_ROWS - 1, 64, 20), (ALWAYS_PACKED_ROWS, 64, 20), (ALWAYS_PACKED_ROWS + 8, 64, TERMS),
    (ALWAYS_PACKED_ROWS + 41, 112, TERMS // 2), (ALWAYS_PACKED_ROWS + 41, 112, TERMS // 2 + 1),
    (X_ROWS - 1, X_COLUMNS, X_TERMS), (X_ROWS, X_COLUMNS - 1, X_TERMS), (X_ROWS, X_COLUMNS, X_TERMS - 1),
    (X_ROWS, X_COLUMNS, X_TERMS), (X_AT_ONCE + 5, X_COLUMNS + 3, TERMS + 1),
    (2 * X_AT_ONCE + 33, X_COLUMNS + 3, 2 * TERMS + 3),
]  # fmt: skip
# Rows of w that are copied to several panels at once, or not.
WIDE = [(rows, WIDE_BYTES // 4 + more, TERMS - 10) for rows in (20, WIDE_ROWS, WIDE_ROWS + 1) for more in (0, 41)]
FEW_AND_SWAPPED = [
    (1, 200, 130), (1, ROW_SIDE, ROW_SIDE + 3), (1, ROW_SIDE - 1, 200),
    (FEW_ROWS_NN, 130, 200), (FEW_ROWS_NN + 1, 130, 200),
    (FEW_ROWS_NT, 50, 40), (FEW_ROWS_NT + 1, 50, 40), (70, FEW_SIDE, FEW_TERMS), (70, FEW_SIDE, FEW_TERMS + 1),
    (16, 130, 140), (40, 200, 300), (17, 130, 140), *WIDE,
    # Where w may be too large for L2.
    (FEW_ROWS_NN + 1, 700, 1500), (FAR_ROWS or 12, 700, 1500), ((FAR_ROWS or 12) + 1, 700, 1500), (7, 130, 520),
]  # fmt: skip
# Batch, inputs and outputs of dense layers, whose gradients are made a block and a chunk at a time.
TALL_BATCH, (_, TALL_COLUMNS) = min(UNIT.tall_batch, 64), UNIT.tall_chunk
LAYERS = [
    (1, 70, 50), (1, 70, 300), (2, 70, 50), (2, 70, dense.NEAR_ELEMENTS + 9), (3, 70, 300), (8, 100, 50),
    (TALL_BATCH - 1, 150, 500), (TALL_BATCH, 150, 500), (TALL_BATCH, 210, 2 * TALL_COLUMNS + 7), (40, 300, 10),
    (16, 130, 140), (16, 300, 200), (100, 250, 300), (300, 33, 65),
]  # fmt: skip


def tiles(m: int, n: int, itemsize: int, packed: bool = False, copies: bool = False) -> Iterator[tuple[int, int]]:
    """Height in rows and width in vectors of each tile of y (m, n), as they follow one another. packed: x is. copies:
    the first tile of a stripe does, to a panel."""
    column = 0
    while column < n:
        vectors = -(-(n - column) // LANES[itemsize])
        width = 2 if vectors == 4 else min(vectors, WIDEST)
        row = 0
        while row < m:
            most = PANEL_ROWS if packed or (copies and row == 0) else m
            height = next(height for height in UNIT.tiles[width] if height <= min(most, m - row))
            yield height, width
            row += height
        column += width * LANES[itemsize]


def assert_tiled(found: Terms, name: str, m: int, n: int, k: int, itemsize: int, straddles: bool) -> None:
    shapes = list(tiles(m, n, itemsize))
    assert found[f"{name}, multiply-adds"] == sum(height * width for height, width in shapes) * k
    assert found[f"{name}, loads"] == sum(height + width for height, width in shapes) * k
    assert found[f"{name}, loads, straddling"] == straddles * sum(width for _, width in shapes) * k
    assert found[f"{name}, steps of tiles"] == len(shapes) * k
    assert found[f"{name}, tiles"] == len(shapes) * len(range(0, k, TERMS))


def test_the_widest_tile_is_of_three_vectors() -> None:
    """What `tiles` above takes for granted where it makes two and two of four."""
    assert WIDEST == 3


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize(("m", "n", "k"), [shape for shape in SHAPES if shape[1] < FEW_SIDE or shape[2] > FEW_TERMS])
def test_a_product_without_scratch_is_made_of_tiles_of_falling_width_and_height(
    m: int, n: int, k: int, itemsize: int
) -> None:
    found = products.weight_gradient_of_rows(m, n, k, itemsize)
    assert_tiled(found, "weight", m, n, k, itemsize, straddles=n % LANES[itemsize] > 0)
    assert found["weight, packed"] == found["weight, rows packed"] == 0
    assert set(found) == {f"weight, {each}" for each in (
        "multiply-adds", "loads", "loads, straddling", "steps of tiles", "tiles", "packed", "rows packed")}  # fmt: skip


def test_one_tile_of_each_width_by_hand() -> None:
    for width, heights in UNIT.tiles.items():
        found = products.product(NN, heights[0], width * LANES[4], 100, 4)
        assert found == {
            "forward, multiply-adds": 100 * heights[0] * width, "forward, loads": 100 * (heights[0] + width),
            "forward, loads, straddling": 0, "forward, steps of tiles": 100, "forward, tiles": 1, "forward, packed": 0,
            "forward, rows packed": 0,
        }  # fmt: skip


@pytest.mark.parametrize("itemsize", [4, 8])
@pytest.mark.parametrize("form", [NN, TN, NT])
def test_vectors_hold_no_fewer_multiply_adds_than_the_mathematics_and_as_many_where_they_are_full(
    form: int, itemsize: int
) -> None:
    lanes = LANES[itemsize]
    full = [(m, vectors * lanes, k) for m in (4, 17, 130) for vectors in (1, 2, 3, 4, 5, 7) for k in (30, 600)]
    for m, n, k in [*SHAPES, *full]:
        found = products.product(form, m, n, k, itemsize)
        macs = found[f"{NAMES[form]}, multiply-adds"] * lanes
        exact = cost.product(m, n, k, itemsize).macs
        swapped = f"{NAMES[form]}, swapped" in found
        assert macs == exact if (m if swapped else n) % lanes == 0 else macs > exact


# In plain Python ------------------------------------------------------------------------------------------------------

DONE = (
    "multiply-adds", "loads", "loads, straddling", "steps of tiles", "tiles", "packed", "rows packed", "passing by",
)  # fmt: skip


class Watch:
    """Stands in for what the kernels call, and counts; no product is made. w: what products read where it lies."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.w: NDArray[Any] = np.empty(0)
        for module, (name, replacement) in product((blocks, matmul, dense), self.replacements().items()):
            if hasattr(module, name):
                setattr(module, name, replacement)

    def replacements(self) -> dict[str, Callable[..., None]]:
        return {
            "stripe": self.stripe, "copy_block": self.counts("packed", 2), "transpose_block": self.counts("packed", 2),
            "pack_rows": self.counts("rows packed", 2), "pack_columns": self.counts("rows packed", 2),
            "grow": self.grow, "dots": self.counts("passing by", 2), "outer": self.counts("passing by", 3),
            "_descend_row": lambda p, *_: self.done.update({"passing by": p.size}), "update_part": lambda *_: None,
        }  # fmt: skip

    def counts(self, name: str, sizes: int) -> Callable[..., None]:
        """Of a call whose last arguments are sizes."""
        return lambda *arguments: self.done.update({name: math.prod(arguments[-sizes:])})

    def grow(self, *arguments: Any) -> None:
        """w passes by for every four rows, for the two that are left, and for the one."""
        rows, k, n = arguments[-3:]
        self.done["passing by"] += (rows // 4 + rows % 4 // 2 + rows % 2) * k * n

    def stripe(self, rows: int, columns: int, *operands: Any) -> None:
        column_x, w, _, ldw, _, panel_at, terms = operands[9:]
        itemsize = w.itemsize
        straddles = panel_at < 0 and ldw % LANES[itemsize] > 0 and np.may_share_memory(w, self.w)
        for height, width in tiles(rows, columns, itemsize, packed=column_x < 0, copies=panel_at >= 0):
            self.done["multiply-adds"] += terms * height * width
            self.done["loads"] += terms * (height + width)
            self.done["loads, straddling"] += straddles * terms * width
            self.done["steps of tiles"] += terms
            self.done["tiles"] += 1
        self.done["packed"] += terms * columns * (panel_at >= 0)

    def of(self, w: NDArray[Any], run: Callable[[], object]) -> dict[str, int]:
        self.done.clear()
        self.w = w
        run()
        return {name: self.done[name] for name in DONE}


def told_of(found: Terms) -> dict[str, float]:
    """The same of what is counted, of any form. Both operands of a swapped product are transposed."""
    told = {name: sum(found.get(f"{form}, {name}", 0) for form in NAMES.values()) for name in DONE}
    told["packed"] += found.get("input, swapped", 0)
    return told


def zeros(itemsize: int, *shape: int) -> NDArray[Any]:
    return aligned_zeros(math.prod(shape), np.dtype(f"f{itemsize}")).reshape(shape)


def compared_products(watch: Watch) -> Iterator[Any]:
    """What is counted of products and what is done for them."""
    for form, (m, n, k), itemsize in product(NAMES, [*SHAPES, *FEW_AND_SWAPPED], LANES):
        x = zeros(itemsize, *((k, m) if form == TN else (m, k)))
        w = zeros(itemsize, *((n, k) if form == NT else (k, n)))
        y = zeros(itemsize, m, n)
        scratch = np.zeros(matmul.scratch_size(form, m, n, k, itemsize, 1), y.dtype)
        # No start, as gradients have none, or TN would not pass by.
        run = (y.ravel(), n, x.ravel(), x.shape[1], w.ravel(), w.shape[1], scratch[:0], scratch, form, m, n, k)
        done = watch.of(w, lambda run=run: matmul.matmul(*run))  # type: ignore[misc]
        yield [form, m, n, k, itemsize], told_of(products.product(form, m, n, k, itemsize)), done


def compared_layers(watch: Watch) -> Iterator[Any]:
    """The same of the gradients of dense layers."""
    for (batch, inputs, outputs), itemsize, wants_dx in product(LAYERS, LANES, (False, True)):
        x, dz = zeros(itemsize, batch, inputs).ravel(), zeros(itemsize, batch, outputs).ravel()
        dx, w = zeros(itemsize, batch, inputs).ravel(), zeros(itemsize, inputs * outputs)
        scratch = zeros(itemsize, dense.dense_scratch(batch, inputs, outputs, itemsize, 1))
        sizes, rule = (batch, inputs, outputs), np.zeros(9)
        run = (0, inputs, 0, outputs, dx, w[:0], w, w, 0, x, dz, scratch, wants_dx, *sizes, SGD, rule, False)
        found = products.weight_gradient(inputs, outputs, batch, itemsize)
        if wants_dx:
            found |= products.input_gradient(batch, inputs, outputs, itemsize)
        done = watch.of(dz, lambda run=run: dense._backward_part(*run))  # type: ignore[misc]
        yield [batch, inputs, outputs, itemsize, wants_dx], told_of(found), done


def in_plain_python() -> None:
    """What the kernels call, and what is counted of it; prints both."""
    assert _jit.DISABLED
    watch = Watch()
    compared = [*compared_products(watch), *compared_layers(watch)]
    print(json.dumps({"unit": UNIT.name, "packs rows": blocks.PACKS_X, "compared": compared}))


# A processor's name and features that a family is chosen by; it need not run here. Of this one, none.
PROCESSORS = [
    ("", "", UNIT.name), ("znver4", "+avx512f", "avx512"), ("sapphirerapids", "+avx512f", "avx512"),
    ("generic", "+avx2,+fma", "avx2"), ("generic", "+none", ""),
]  # fmt: skip


@pytest.mark.parametrize(("cpu", "features", "unit"), PROCESSORS)
def test_what_is_counted_is_what_the_kernels_do(cpu: str, features: str, unit: str) -> None:
    """Their own way through blocks, panels and stripes, in plain Python, where each of their calls can be seen."""
    other = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features} if cpu else {}
    source = "import test_study_products; test_study_products.in_plain_python()"
    found = run_python(source, NUMBA_DISABLE_JIT="1", **other)
    assert not unit or found["unit"] == unit
    assert len(found["compared"]) == 2 * (3 * len([*SHAPES, *FEW_AND_SWAPPED]) + 2 * len(LAYERS))
    for case, told, done in found["compared"]:
        assert told == done, case
    for name in DONE:
        assert any(done[name] for _, _, done in found["compared"]) == (name != "rows packed" or found["packs rows"])


# By hand --------------------------------------------------------------------------------------------------------------


def test_tiny_products_are_counted_by_the_scalar() -> None:
    assert products.product(NN, 5, 4, TINY_MACS // 20, 4) == {
        "forward, scalar multiply-adds": TINY_MACS // 20 * 20,
        "forward, scalar outputs": 20,
    }
    assert "forward, multiply-adds" in products.product(NN, 5, 4, TINY_MACS // 20 + 1, 4)
    assert set(products.weight_gradient(5, 4, 1, 4)) == {"weight, scalar multiply-adds", "weight, scalar outputs"}
    assert set(products.input_gradient(1, 5, 4, 4)) == {"input, scalar multiply-adds", "input, scalar outputs"}


@pytest.mark.parametrize(
    ("form", "m", "n", "k", "rows", "elements"),
    [
        # Rows of w, each once for every two rows of y and for the third; with NT rows of w are columns of y.
        (NN, FEW_ROWS_NN, FEW_SIDE + 1, FEW_SIDE, 2 * FEW_SIDE, 2 * FEW_SIDE * (FEW_SIDE + 1)),
        (NT, FEW_ROWS_NT, 50, 40, FEW_ROWS_NT * 50, FEW_ROWS_NT * 50 * 40),
        # Rows of y, each once for every term.
        (TN, 70, FEW_SIDE + 1, FEW_TERMS, 70 * FEW_TERMS, 70 * FEW_TERMS * (FEW_SIDE + 1)),
    ],
)
def test_a_few_rows_pass_by(form: int, m: int, n: int, k: int, rows: int, elements: int) -> None:
    found = products.product(form, m, n, k, 4)
    assert found == {
        f"{NAMES[form]}, passing by": elements,
        f"{NAMES[form]}, passing by, rows": rows,
        f"{NAMES[form]}, passing by, straddling": 0 if form == NT else elements,
    } | ({"forward, passing by, multiply-adds": m * n * k} if form == NN else {})
    more = (m, n, k + 1) if form == TN else (m + 1, n, k)
    assert f"{NAMES[form]}, passing by" not in products.product(form, *more, 4)


def test_more_rows_let_w_pass_by_where_it_is_far() -> None:
    rows, n = max(FAR_ROWS, FEW_ROWS_NN + 1), 2 * FEW_SIDE
    k = max(FAR_BYTES // (4 * n), FEW_SIDE)
    far = products.product(NN, rows, n, k + 1, 4)
    assert far.get("forward, passing by") == (rows // 4 * n * (k + 1) if FAR_ROWS else None)
    assert "forward, passing by" not in products.product(NN, rows, n, k, 4)
    assert "forward, passing by" not in products.product(NN, rows + 1, n, k + 1, 4)


def test_a_gradient_of_the_input_is_swapped_where_its_rows_fill_vectors() -> None:
    m, n, k = LANES[4], SWAPPED_SIDE + 5, SWAPPED_SIDE
    found = products.product(NT, m, n, k, 4)
    assert_tiled(found, "input", n, m, k, 4, straddles=False)
    assert found["input, swapped"] == m * k + m * n
    assert "input, packed" not in found
    assert "input, swapped" not in products.product(NT, m, n, SWAPPED_SIDE - 1, 4)


@pytest.mark.parametrize("itemsize", [4, 8])
def test_rows_are_packed_once_for_each_chunk_of_columns(itemsize: int) -> None:
    """And w, here the gradient of the outputs, once for each chunk of rows, of which the last is too low for either."""
    (rows, columns), batch = UNIT.tall_chunk, 50
    found = products.weight_gradient(2 * rows + 3, 2 * columns, batch, itemsize)
    packs = blocks.PACKS_X
    assert found["weight, rows packed"] == packs * 2 * (2 * rows) * batch
    assert found["weight, packed"] == (rows >= ALWAYS_PACKED_ROWS) * 2 * (2 * columns) * batch
