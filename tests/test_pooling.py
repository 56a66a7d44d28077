"""Pooling and flattening: their edges, their gradients, their cost, and a network of them. fastnn.reference.pooling has
the cases of their values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from case import DTYPES
from counting import Tally

import fastnn
from fastnn import Activation, AvgPool2d, Dense, Flatten, MaxPool2d, Network
from fastnn.cost import Cost
from fastnn.kernels.images.pooling import avg_pool2d, avg_pool2d_inward, max_pool2d, max_pool2d_inward
from fastnn.reference import pooling as reference

# (B, H, W, C), window, stride, padding
GEOMETRIES: list[Any] = [
    ((2, 4, 4, 3), (2, 2), (2, 2), (0, 0)),
    ((2, 5, 7, 1), (2, 2), (2, 2), (0, 0)),
    ((3, 5, 7, 17), (3, 2), (1, 2), (1, 0)),
    ((1, 6, 5, 8), (3, 3), (2, 2), (1, 1)),
    ((1, 7, 7, 2), (2, 3), (3, 4), (1, 1)),
    ((2, 3, 3, 5), (3, 3), (1, 1), (0, 0)),
    ((1, 1, 1, 1), (1, 1), (1, 1), (0, 0)),
    ((2, 2, 9, 33), (1, 4), (1, 4), (0, 2)),
]


def normal(*shape: int, dtype: str = "float64", seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def maximum(x: Any, *geometry: Any) -> tuple[Any, Any]:
    """y and winners."""
    y = np.full_like(reference.max_pool2d(x, *geometry), 7.0)
    winners = np.full_like(y, np.nan)
    max_pool2d(y, winners, x, *geometry)
    return y, winners


def average(x: Any, *geometry: Any) -> Any:
    y = np.full_like(reference.avg_pool2d(x, *geometry), np.nan)
    avg_pool2d(y, x, *geometry, True)
    return y


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_a_maximum_and_its_gradient_are_the_references(case: Any, dtype: str) -> None:
    shape, *geometry = case
    # Few values, so that many are equal.
    x = np.round(normal(*shape, dtype=dtype))
    y, winners = maximum(x, *geometry)
    assert np.array_equal(y, reference.max_pool2d(x, *geometry))
    dy, dx = normal(*y.shape, dtype=dtype, seed=1), np.full_like(x, np.nan)
    max_pool2d_inward(dx, dy, winners, *geometry)
    assert np.array_equal(dx, reference.max_pool2d_backward(dy, x, *geometry))


@pytest.mark.parametrize("count_padding", [True, False])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_an_average_and_its_gradient_are_the_references(case: Any, dtype: str, count_padding: bool) -> None:
    """To the bit: the sums are in the same order."""
    shape, *geometry = case
    x = normal(*shape, dtype=dtype)
    right = reference.avg_pool2d(x, *geometry, count_padding)
    y, dx = np.full_like(right, np.nan), np.full_like(x, np.nan)
    avg_pool2d(y, x, *geometry, count_padding)
    assert np.array_equal(y, right)
    dy = normal(*y.shape, dtype=dtype, seed=1)
    avg_pool2d_inward(dx, dy, *geometry, count_padding)
    assert np.array_equal(dx, reference.avg_pool2d_backward(dy, x.shape, *geometry, count_padding))


def test_a_window_with_nan_is_nan_and_others_are_not() -> None:
    x = np.zeros((1, 4, 4, 2))
    x[0, 1, 0, 0] = np.nan
    x[0, 2:, 2:, 1] = -np.inf
    y, winners = maximum(x, (2, 2), (2, 2), (0, 0))
    assert np.argwhere(np.isnan(y)).tolist() == [[0, 0, 0, 0]]
    assert winners[0, 0, 0, 0] == 4, "a row of four pixels below"
    assert np.isfinite(average(np.ones((1, 2, 2, 1)), (2**40, 2**40), (2**40, 2**40), (2**39, 2**39))).all()
    assert y[0, 1, 1, 1] == -np.inf
    dx = np.empty_like(x)
    max_pool2d_inward(dx, np.full_like(y, np.nan), winners, (2, 2), (2, 2), (0, 0))
    assert np.count_nonzero(np.isnan(dx)) == y.size, "NaN stays with the winners"


def test_kernels_are_for_code_of_the_users_own() -> None:
    @numba.njit
    def simulate(y: Any, winners: Any, x: Any) -> None:
        max_pool2d(y, winners, x, (2, 2), (2, 2), (0, 0))

    x = normal(2, 4, 6, 3)
    y, winners = np.empty((2, 2, 3, 3)), np.empty((2, 2, 3, 3))
    simulate(y, winners, x)
    assert np.array_equal(y, reference.max_pool2d(x, (2, 2), (2, 2)))


@pytest.mark.parametrize("case", GEOMETRIES, ids=str)
def test_costs_are_those_counted(case: Any) -> None:
    (batch, *row), window, stride, padding = case
    shape, tally = (row[0], row[1], row[2]), Tally()
    x = tally.array(normal(batch, *shape))
    for layer, forward in (
        (MaxPool2d(window, stride, padding), reference.max_pool2d),
        (AvgPool2d(window, stride, padding), reference.avg_pool2d),
    ):
        tally.clear()
        y = forward(x, window, stride, padding)
        assert layer.output_shape(shape) == y.shape[1:]
        counted = layer.forward_cost(batch, 4, shape)
        assert (tally.flops, counted.transcendentals, counted.macs) == (counted.flops, 0, 0)
        moved = x.size + y.size * (2 if isinstance(layer, MaxPool2d) else 1)
        assert counted.bytes == layer.backward_cost(batch, 4, True, shape).bytes == 4 * moved
        tally.clear()
        dy = tally.array(normal(*y.shape))
        if isinstance(layer, MaxPool2d):
            reference.max_pool2d_backward(dy, x, window, stride, padding)  # and compares, to know the winners again
            found = tally.adds
        else:
            reference.avg_pool2d_backward(dy, x.shape, window, stride, padding)
            found = tally.flops
        assert found == layer.backward_cost(batch, 4, True, shape).flops
        assert layer.backward_cost(batch, 4, False, shape) == Cost()


def test_flattening_moves_each_number_once_and_computes_nothing() -> None:
    assert Flatten().forward_cost(2, 8, (3, 4, 5)) == Cost(bytes=2 * 8 * 120)
    assert Flatten().backward_cost(2, 8, True, (3, 4, 5)) == Cost()


SHAPES: list[Any] = [
    (MaxPool2d(2), (4, 6, 3), (2, 3, 3)),
    (MaxPool2d(3, 2), (28, 28, 1), (13, 13, 1)),
    (MaxPool2d((2, 1), stride=1), (4, 6, 3), (3, 6, 3)),
    (AvgPool2d(3, 2, 1), (5, 5, 2), (3, 3, 2)),
    (Flatten(), (4, 6, 3), (72,)),
    (Flatten(), (4, 6), (24,)),
    (Flatten(), (5,), (5,)),
]


@pytest.mark.parametrize(("layer", "shape", "after"), SHAPES, ids=str)
def test_shapes(layer: Any, shape: Any, after: Any) -> None:
    net = Network(shape, [layer], loss="mse")
    assert net.output_shape == layer.output_shape(shape) == after
    assert net(np.zeros((2, *shape))).shape == (2, *after)


REFUSED: list[Any] = [
    (lambda: MaxPool2d(0), ValueError, "kernel_size is 0; expected at least 1"),
    (lambda: MaxPool2d(2.0), TypeError, "kernel_size is 2.0; expected a whole number"),
    (lambda: MaxPool2d((2, 2, 2)), ValueError, r"kernel_size is \(2, 2, 2\); expected a number, or two"),
    (lambda: MaxPool2d(2, 0), ValueError, "stride is 0"),
    (lambda: MaxPool2d(2, 2**70), ValueError, "stride is 1180591620717411303424; expected at most"),
    (lambda: MaxPool2d((5000, 1)).output_shape((5000, 5000, 1)), ValueError, "a window of 5000 rows of an image spans"),
    (lambda: AvgPool2d(2, padding=-1), ValueError, "padding is -1"),
    (lambda: AvgPool2d(3, padding=2), ValueError, r"padding is 2; expected at most half of kernel_size"),
    (lambda: AvgPool2d(2, count_include_pad=1), TypeError, "count_include_pad is 1; expected True or False"),
    (lambda: Network(784, [MaxPool2d(2)]), ValueError, r"layer 0: MaxPool2d takes images \(H, W, C\); \(784,\) comes"),
    (lambda: Network((4, 6), [AvgPool2d(2)]), ValueError, r"layer 0: AvgPool2d takes images"),
    (lambda: Network((4, 4, 1), [MaxPool2d(5)]), ValueError, "layer 0: a window of 5 with stride 5 does not fit"),
]


@pytest.mark.parametrize(("make", "error", "message"), REFUSED)
def test_what_is_no_pooling_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def network(dtype: str = "float32") -> Network:
    layers = [MaxPool2d(2), Activation("tanh"), AvgPool2d(3, 1, 1), Flatten(), Dense(9, "relu"), Dense(3)]
    return Network((8, 8, 2), layers, dtype=dtype, seed=0)


def test_a_network_trains_on_images_and_comes_back_from_a_file(tmp_path: Path) -> None:
    """Of two classes: where the brighter half is."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 8, 8, 2)), np.arange(200) % 2
    x[y == 0, :, :4] += 1
    x[y == 1, :, 4:] += 1
    net = network()
    net.fit(x, y, epochs=30, batch=20, optimizer=fastnn.Adam(0.01), seed=0)
    assert np.mean(net.predict(x) == y) > 0.95
    fastnn.save(net, tmp_path / "net.safetensors")
    again = fastnn.load(tmp_path / "net.safetensors")
    assert again.layers == net.layers
    assert again(x).tobytes() == net(x).tobytes()


def test_a_summary_and_a_cost_name_them() -> None:
    net = network()
    assert net.cost(4).total.flops > 0
    assert all(name in str(net.summary()) for name in ("maxpool2d", "avgpool2d", "flatten"))
