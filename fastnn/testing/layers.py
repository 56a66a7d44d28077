"""The cases of fastnn's own layers: checked by the tests, and timed by pytest-benchmark."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fastnn.layers import Activation, Concatenate, Dense, Dropout, LayerNorm, Residual, RMSNorm
from fastnn.reference import activation
from fastnn.testing.case import Array, Case

# Of a row: features, and positions of features.
SHAPES = ((7,), (4, 6))


def _dense(p: Mapping[str, Array], x: Array) -> Array:
    return activation.value("gelu", x @ p["weight"] + p["bias"])


def _layer_norm(p: Mapping[str, Array], x: Array, ddof: int = 0) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    y: Array = centred / np.sqrt(x.var(axis=-1, keepdims=True, ddof=ddof) + 1e-5) * p["weight"] + p["bias"]
    return y


def _rms_norm(p: Mapping[str, Array], x: Array, outside: bool = False) -> Array:
    mean = (x * x).mean(axis=-1, keepdims=True)
    y: Array = x / (np.sqrt(mean) + 1e-6 if outside else np.sqrt(mean + 1e-6)) * p["weight"]
    return y


CASES = [
    Case(layer, shape, reference, wrong=wrong)
    for shape in SHAPES
    for layer, reference, wrong in (
        (Dense(5, "gelu"), _dense, [lambda p, x: _dense({"weight": p["weight"], "bias": 0 * p["bias"]}, x)]),
        (Activation("tanh"), lambda p, x: np.tanh(x), [lambda p, x: np.tanh(x) * (1 + 1e-10)]),
        (LayerNorm(), _layer_norm, [lambda p, x: _layer_norm(p, x, ddof=1)]),
        (RMSNorm(), _rms_norm, [lambda p, x: _rms_norm(p, x, outside=True)]),
        (Dropout(0.3), lambda p, x: x, []),
        (Residual(Activation("silu")), lambda p, x: x + x / (1 + np.exp(-x)), [lambda p, x: x / (1 + np.exp(-x))]),
        (
            Concatenate([], Activation("tanh")),
            lambda p, x: np.concatenate([x, np.tanh(x)], axis=-1),
            [lambda p, x: np.concatenate([np.tanh(x), x], axis=-1)],
        ),
    )
]  # fmt: skip
