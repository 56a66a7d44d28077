"""Softmax and its logarithm along the last axis, with temperature.

p = exp(logits / T) / sum(exp(logits / T)), after subtracting each row's maximum, so that no finite logits
overflow. T = 0 is the limit T -> 0+ with ties broken to the first maximum: a one-hot row. A row with
+inf, or of -inf alone, is NaN.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Probabilities of the shape of `logits` (..., C). Temperature 0: one-hot of the first argmax."""
    if temperature == 0:
        return np.where(_is_first_argmax(logits), 1.0, 0.0)
    weights = np.exp(_scaled(logits, temperature))
    inverse_total: Array = 1.0 / np.sum(weights, axis=-1, keepdims=True)
    return weights * inverse_total


def log_softmax(logits: Array, temperature: float = 1.0) -> Array:
    """Log-probabilities of the shape of `logits`. Temperature 0: 0 at the first argmax, -inf elsewhere."""
    if temperature == 0:
        return np.where(_is_first_argmax(logits), 0.0, -np.inf)
    scaled = _scaled(logits, temperature)
    log_total: Array = np.log(np.sum(np.exp(scaled), axis=-1, keepdims=True))
    return scaled - log_total


def softmax_backward(dp: Array, p: Array, temperature: float = 1.0) -> Array:
    """Gradient in the logits from dp, the gradient in p = softmax(logits, temperature). Temperature 0:
    zeros."""
    if temperature == 0:
        return np.zeros_like(p)
    dlogits: Array = p * (dp - np.sum(dp * p, axis=-1, keepdims=True)) / temperature
    return dlogits


def log_softmax_backward(dlog_p: Array, log_p: Array, temperature: float = 1.0) -> Array:
    """Gradient in the logits from that in log_p = log_softmax(logits, temperature). Temperature 0: zeros."""
    if temperature == 0:
        return np.zeros_like(log_p)
    dlogits: Array = (dlog_p - np.exp(log_p) * np.sum(dlog_p, axis=-1, keepdims=True)) / temperature
    return dlogits


def shifted(logits: Array) -> Array:
    """logits - row maximum: at most 0, and 0 at the maximum."""
    with np.errstate(over="ignore", invalid="ignore"):
        below: Array = logits - np.max(logits, axis=-1, keepdims=True)
    return below


def _scaled(logits: Array, temperature: float) -> Array:
    # The shift comes first: logits / temperature would overflow for a small temperature.
    with np.errstate(over="ignore"):
        return shifted(logits) / temperature


def _is_first_argmax(logits: Array) -> Array:
    chosen: Array = np.arange(logits.shape[-1]) == np.argmax(logits, axis=-1)[..., np.newaxis]
    return chosen
