"""Convolutions whose weight goes by panels have the bits of those whose weight does not: a filter of theirs, a channel,
is that of a convolution of a few."""

from __future__ import annotations

from typing import Any

import needs
import numba
import numpy as np
import pytest
from case import DTYPES

from fastnn.compiler.jit import most_threads
from fastnn.kernels.convolution.forward import convolution_forward
from fastnn.kernels.convolution.gradient import convolution_gradient, gradient_scratch
from fastnn.kernels.convolution.inward import convolution_inward, inward_scratch
from fastnn.kernels.convolution.panels import LEAST_WEIGHT, PANEL_TERMS, is_large, rows_together
from fastnn.layers import Conv2d

Array = Any
# A number of channels that fills no vectors, and as many filters as make a large weight of them.
CHANNELS, FEW = 67, 5
SETTINGS = [
    (3, (7, 6), {"padding": 1}), (1, (9, 40), {"padding": (0, 2)}), (2, (11, 9), {"stride": 2, "padding": 2}),
    (1, (12, 12), {"stride": (3, 1)}), (1, (10, 7), {"dilation": (2, 1), "stride": (4, 1), "padding": (4, 0)}),
]  # fmt: skip


def many() -> int:
    return -(-LEAST_WEIGHT // (9 * CHANNELS)) + 3


class Products:
    """The three of a convolution, made by the kernels."""

    def __init__(self, layer: Conv2d, x: Array, w: Array, dy: Array) -> None:
        """x (B, H, W, C) without its border."""
        images, sides = len(x), x.shape[1:3]
        of, begins = layer.sizes(images, x.shape[1:]), layer.begins(x.shape[1:])
        self.of = of
        bordered = np.zeros((images, of.height, of.width, x.shape[3]), x.dtype)
        bordered[:, begins[0] : begins[0] + sides[0], begins[1] : begins[1] + sides[1]] = x
        self.y, self.dx, self.dw = (np.full(each.shape, np.nan, x.dtype) for each in (dy, x, w))
        x, w, dy = (np.ascontiguousarray(each).reshape(-1) for each in (bordered, w, dy))
        bias = np.arange(of.filters).astype(x.dtype)
        size = max(inward_scratch(of, most_threads()), gradient_scratch(of))
        scratch = np.full(size, np.nan, x.dtype)
        convolution_forward(self.y.reshape(-1), x, w, bias, of)
        convolution_inward(self.dx.reshape(-1), dy, w, scratch, of, sides, begins)
        convolution_gradient(self.dw.reshape(-1), bias[:0], dy, x, scratch, of)


def drawn(dtype: str, images: int, sides: tuple[int, int], settings: dict[str, Any]) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(images, *sides, CHANNELS)), rng.normal(size=(3, 3, CHANNELS, many()))
    dy = rng.normal(size=(images, *Conv2d(many(), 3, **settings).output_shape(x.shape[1:])))
    return x.astype(dtype), w.astype(dtype), dy.astype(dtype)


@needs.compiled_kernels
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("images", "sides", "settings"), SETTINGS)
def test_a_large_weight_changes_no_bit(dtype: str, images: int, sides: Any, settings: dict[str, Any]) -> None:
    x, w, dy = drawn(dtype, images, sides, settings)
    found = Products(Conv2d(many(), 3, **settings), x, w, dy)
    few = Products(Conv2d(FEW, 3, **settings), x, w[..., :FEW], dy[..., :FEW])
    assert is_large(found.of)
    assert not is_large(few.of)
    assert found.y[..., :FEW].tobytes() == few.y.tobytes()
    assert found.dw[..., :FEW].tobytes() == few.dw.tobytes()
    last = Products(Conv2d(many(), 3, **settings), x[..., -FEW:], w[:, :, -FEW:], dy)
    assert not is_large(last.of)
    assert found.dx[..., -FEW:].tobytes() == last.dx.tobytes()
    for name in ("y", "dx", "dw"):
        assert np.isfinite(getattr(found, name)).all()


@needs.compiled_kernels
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_more_places_than_a_panel_has_terms(dtype: str) -> None:
    """Of more filters than a stripe has columns."""
    rng, sides, filters = np.random.default_rng(0), (3, 2 * PANEL_TERMS + 35), 97
    x, w = rng.normal(size=(2, *sides, 4)).astype(dtype), rng.normal(size=(2, 3, 4, filters)).astype(dtype)
    dy = rng.normal(size=(2, *Conv2d(filters, (2, 3)).output_shape((*sides, 4)))).astype(dtype)
    found = Products(Conv2d(filters, (2, 3)), x, w, dy).dw
    for first in range(0, filters, FEW):
        part = slice(first, first + FEW)
        few = Products(Conv2d(len(w[0, 0, 0, part]), (2, 3)), x, w[..., part], dy[..., part])
        assert found[..., part].tobytes() == few.dw.tobytes()


@needs.two_cores
@needs.compiled_kernels
def test_threads_change_no_bit_of_it() -> None:
    """Who take rows, and stripes of the gradient."""
    arrays, bits = drawn("float32", 2, (30, 30), {"padding": 1}), set()
    assert 2 * rows_together(30) < 2 * 30  # several times each
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found = Products(Conv2d(many(), 3, padding=1), *arrays)
        bits.add(found.y.tobytes() + found.dx.tobytes() + found.dw.tobytes())
    assert len(bits) == 1
