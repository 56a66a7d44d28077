"""Convolution and recurrent layers as functions: the reference's values, states in and out, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fastnn import GRU, LSTM, RNN, Conv2d, Network, functional
from fastnn.reference import convolution, recurrent

Array = Any


def normal(*shape: int, dtype: str = "float64") -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 2, 2), ((1, 2), (0, 2), 1, 4)]
)
def test_conv2d_is_the_reference(stride: Any, padding: Any, dilation: Any, groups: int, dtype: str) -> None:
    x, w, b = normal(3, 9, 8, 4, dtype=dtype), normal(3, 2, 4 // groups, 8, dtype=dtype), normal(8, dtype=dtype)
    pairs = [value if isinstance(value, tuple) else (value, value) for value in (stride, padding, dilation)]
    right = convolution.conv2d(
        x.astype("f8"), w.astype("f8"), b.astype("f8"), pairs[0], tuple((p, p) for p in pairs[1]), pairs[2], groups
    )
    found = functional.conv2d(x, w, b, stride=stride, padding=padding, dilation=dilation, groups=groups)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, right, atol=1e-5 if dtype == "float32" else 1e-12)


STEPS = {
    "rnn": (recurrent.rnn_step, 1, {}), "relu": (recurrent.relu_step, 1, {"activation": "relu"}),
    "lstm": (recurrent.lstm_step, 4, {}), "gru": (recurrent.gru_step, 3, {}),
    "reset": (recurrent.reset_step, 3, {"reset_after": False}),
}  # fmt: skip
FUNCTIONS = {
    "rnn": functional.rnn, "relu": functional.rnn, "lstm": functional.lstm, "gru": functional.gru,
    "reset": functional.gru,
}  # fmt: skip


@pytest.mark.parametrize("name", STEPS)
def test_states_go_in_and_come_out(name: str) -> None:
    """The reference's from zeros; and a sequence in two parts has the states of the whole, to the bit."""
    (step, gates, options), function = STEPS[name], FUNCTIONS[name]
    x, v, w, b, c = normal(3, 7, 4), normal(4, 5 * gates), normal(5, 5 * gates), normal(5 * gates), -normal(5 * gates)
    p = {"ih.weight": v, "hh.weight": w, "ih.bias": b, "hh.bias": c}
    states, last = recurrent.direction(step, p, "", x)
    found, end = function(x, v, w, b, c, **options)
    np.testing.assert_allclose(found, states, atol=1e-12)
    np.testing.assert_allclose(end[0] if name == "lstm" else end, last, atol=1e-12)
    first, between = function(x[:, :3], v, w, b, c, **options)
    kept = [each.copy() for each in between] if name == "lstm" else between.copy()
    rest, after = function(x[:, 3:], v, w, b, c, between, **options)
    assert np.concatenate([first, rest], axis=1).tobytes() == found.tobytes()
    assert np.array_equal(after, end)
    assert np.array_equal(between, kept)  # what was given stays
    turned = tuple(map(np.asfortranarray, between)) if name == "lstm" else np.asfortranarray(between)
    assert np.array_equal(function(x[:, 3:], v, w, b, c, turned, **options)[1], end)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_function_has_the_bits_of_its_layer(dtype: str) -> None:
    x = normal(5, 7, 4, dtype=dtype)
    layers = {"rnn": RNN(6), "relu": RNN(6, activation="relu"), "lstm": LSTM(6), "gru": GRU(6)}
    for name, layer in (layers | {"reset": GRU(6, reset_after=False)}).items():
        net = Network((7, 4), [layer], loss="mse", dtype=dtype, seed=0)
        p = net.named_parameters
        own = [p[f"0.{of}_l0.{kind}"] for kind in ("weight", "bias") for of in ("ih", "hh")]
        assert FUNCTIONS[name](x, *own, **STEPS[name][2])[0].tobytes() == net(x).tobytes()
    net = Network((9, 8, 4), [Conv2d(5, 3, 2, 1)], loss="mse", dtype=dtype, seed=0)
    images, p = normal(2, 9, 8, 4, dtype=dtype), net.named_parameters
    assert functional.conv2d(images, p["0.weight"], p["0.bias"], stride=2, padding=1).tobytes() == net(images).tobytes()


def test_numbers_of_the_other_byte_order_are_as_wide() -> None:
    assert functional.conv2d(np.ones((1, 3, 3, 1), ">f8"), np.ones((2, 2, 1, 1), "f4")).dtype == np.float64
    assert (
        functional.rnn(np.ones((1, 3, 2), ">f8"), np.ones((2, 4), "f4"), np.ones((4, 4), "f4"))[0].dtype == np.float64
    )


def test_biases_may_be_left_out() -> None:
    x, v, w, none = normal(2, 3, 4), normal(4, 5), normal(5, 5), np.zeros(5)
    assert functional.rnn(x, v, w)[0].tobytes() == functional.rnn(x, v, w, none, none)[0].tobytes()
    images, weight = normal(1, 5, 5, 2), normal(3, 3, 2, 4)
    assert np.array_equal(functional.conv2d(images, weight), functional.conv2d(images, weight, np.zeros(4)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: functional.conv2d(np.ones((2, 5, 5)), np.ones((3, 3, 1, 2))), "x and weight have shapes"),
        (lambda: functional.conv2d(np.ones((2, 5, 5, 2)), np.ones((3, 3, 1, 2))), "weight and bias have shapes"),
        (lambda: functional.conv2d(np.ones((2, 5, 5, 2)), np.ones((6, 3, 2, 2))), "does not fit a side of 5"),
        (lambda: functional.lstm(np.ones((2, 3, 4)), np.ones((4, 15)), np.ones((5, 15))), r"expected .* \(H, 4 H\)"),
        (lambda: functional.gru(np.ones((2, 3, 4)), np.ones((3, 15)), np.ones((5, 15))), "weight_ih has shape"),
        (lambda: functional.rnn(np.ones((2, 3, 4)), np.ones((4, 5)), np.ones((5, 5)), np.ones(4)), "bias_ih has shape"),
        (lambda: functional.rnn(np.ones((2, 3, 4)), np.ones((4, 5)), np.ones((5, 5)), h=np.ones(5)), "the state has"),
        (lambda: functional.rnn(np.ones((2, 3, 4)), np.ones((4, 5)), np.ones((5, 5)), activation="gelu"), "activation"),
        (lambda: functional.lstm(np.ones((2, 3, 4)), np.ones((4, 20)), np.ones((5, 20)), state=(1,)), "expected two"),
        (lambda: functional.rnn(np.ones((2, 0, 4)), np.ones((4, 5)), np.ones((5, 5))), "expected"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
