"""A first-order running error analysis of networks: how far rounding may take values and gradients, layer by layer.

u is the unit roundoff. A sum of K products is off by at most K u (|x| |w| + |b|), a value of an activation by 8 u, a
normalised value by a few u, and what comes in passes on by the slopes of the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from limits import Array

from fastnn.reference import activation, dense, norm
from fastnn.reference.network import AnyLayer, Dropout, Layer, Norm, Residual

# No activation is steeper, or bends more, at the default alpha or below.
SLOPE, BEND = 1.13, 1.2
# Value and error of what comes in, and what the backward pass wants besides.
Trace = list[tuple[AnyLayer, Array, Array, Any]]
Result = tuple[Array, Array, list[tuple[Array, Array]], list[tuple[Array, Array]]]


def forward(layers: Sequence[AnyLayer], x: Array, error: Array, u: float) -> tuple[Array, Array, Trace]:
    """The output of layers, its error, and a trace for `backward`."""
    trace: Trace = []
    for layer in layers:
        source, source_error = x, error
        kept: Any = None
        match layer:
            case Layer():
                x, error, kept = _dense(layer, x, error, u)
            case Norm():
                x, error, kept = _norm(layer, x, error, u)
            case Residual():
                inner, inner_error, kept = forward(layer.layers, x, error, u)
                x, error = x + inner, error + inner_error + u * np.abs(x + inner)
            case Dropout():
                assert layer.draws is None, "an analysis of what is dropped is not here"
        trace.append((layer, source, source_error, kept))
    return x, error, trace


def _dense(layer: Layer, x: Array, error: Array, u: float) -> tuple[Array, Array, Any]:
    magnitude = np.abs(x) @ np.abs(layer.w) + (0.0 if layer.b is None else np.abs(layer.b))
    z, y = dense.forward(x, layer.w, layer.b, layer.activation, layer.alpha)
    error = error @ np.abs(layer.w) + (len(layer.w) + 2) * u * magnitude
    kept = z, y, error
    if layer.activation == "step":
        assert np.all(np.abs(z) > error), "a step function jumps within the rounding error"
        return y, np.zeros_like(z), kept
    if layer.activation != "identity":
        error = SLOPE * error + 8 * u * np.maximum(np.abs(z), np.abs(y))
    return y, error, kept


def _mean(x: Array) -> Array:
    mean: Array = np.mean(x, axis=1, keepdims=True)
    return mean


def _norm(layer: Norm, x: Array, error: Array, u: float) -> tuple[Array, Array, Any]:
    y, normal, inverse = norm.forward(x, layer.w, layer.b, layer.epsilon, layer.centred)
    of_centre = error + _mean(error) if layer.centred else error
    # Of the inverse, relative: half that of the mean square.
    of_inverse = _mean(np.abs(normal) * of_centre) * inverse + 4 * u
    of_normal = inverse * of_centre + np.abs(normal) * of_inverse + 4 * u * np.maximum(1.0, np.abs(normal))
    of_y = np.abs(layer.w) * of_normal + 2 * u * (np.abs(normal * layer.w) + np.abs(y))
    return y, of_y, (normal, inverse, of_normal, of_inverse)


def backward(trace: Trace, dy: Array, error: Array, u: float) -> Result:
    """Gradient of the input and its error, then those of the parameters, a pair a layer."""
    gradients: list[tuple[Array, Array]] = []
    errors: list[tuple[Array, Array]] = []
    for layer, x, x_error, kept in reversed(trace):
        match layer:
            case Layer():
                dy, error, pair, off = _dense_back(layer, x, x_error, kept, dy, error, u)
                gradients, errors = [pair, *gradients], [off, *errors]
            case Norm():
                dy, error, pair, off = _norm_back(layer, kept, dy, error, u)
                gradients, errors = [pair, *gradients], [off, *errors]
            case Residual():
                inner, inner_error, pairs, offs = backward(kept, dy, error, u)
                dy, error = dy + inner, error + inner_error + u * np.abs(dy + inner)
                gradients, errors = pairs + gradients, offs + errors
    return dy, error, gradients, errors


def _dense_back(layer: Layer, x: Array, x_error: Array, kept: Any, dy: Array, error: Array, u: float) -> Any:
    z, y, z_error = kept
    dz, dz_error = dy, error
    if layer.activation not in ("identity", "step"):
        dz = dy * activation.derivative(layer.activation, z, y, layer.alpha)
        # Within the error of a kink either slope is right.
        kink = np.where(np.abs(z) <= z_error, 1 + abs(layer.alpha or 0), 0)
        dz_error = SLOPE * error + np.abs(dy) * (BEND * z_error + 16 * u + kink)
    size, outputs = np.abs(dz), layer.w.shape[1]
    dw_error = np.abs(x).T @ dz_error + x_error.T @ size + (len(x) + 2) * u * (np.abs(x).T @ size)
    db_error = dz_error.sum(axis=0) + (len(x) + 2) * u * size.sum(axis=0)
    dx_error = dz_error @ np.abs(layer.w).T + (outputs + 2) * u * (size @ np.abs(layer.w).T)
    return dz @ layer.w.T, dx_error, (x.T @ dz, dz.sum(axis=0)), (dw_error, db_error)


def _norm_back(layer: Norm, kept: Any, dy: Array, error: Array, u: float) -> Any:
    normal, inverse, of_normal, of_inverse = kept
    dx, dw, db = norm.backward(dy, normal, inverse, layer.w, layer.centred)
    assert dx is not None
    size, rows = np.abs(dy), len(dy) + 2
    g, of_g = size * np.abs(layer.w), error * np.abs(layer.w)
    slope = _mean(g * np.abs(normal))
    of_slope = _mean(of_g * np.abs(normal) + g * of_normal)
    off = of_g + np.abs(normal) * of_slope + of_normal * slope + 6 * u * (g + np.abs(normal) * slope)
    if layer.centred:
        off = off + _mean(of_g) + 6 * u * _mean(g)
    dw_error = (error * np.abs(normal) + size * of_normal + rows * u * size * np.abs(normal)).sum(axis=0)
    db_error = (error + rows * u * size).sum(axis=0)
    return dx, inverse * off + np.abs(dx) * of_inverse, (dw, db), (dw_error, db_error)
