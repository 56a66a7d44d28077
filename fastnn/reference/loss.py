"""Losses and their gradients in the prediction.

Each function returns (loss, gradient). Reduction "mean" and "sum" give a scalar loss and its gradient,
"none" the loss of each element (cross_entropy: of each row) and the gradient of their sum. The mean of an
elementwise loss divides by the number of elements. Semantics, clamps included, are those of
torch.nn.functional. The mean over nothing is NaN.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from .activation import sigmoid
from .softmax import log_softmax, shifted

Array = npt.NDArray[Any]
LossAndGradient = tuple[Any, Array]

# As torch: log p >= -100, and p (1 - p) >= 1e-12 where the gradient divides by it.
LOG_CLAMP = -100.0
VARIANCE_CLAMP = 1e-12


def cross_entropy(
    logits: Array,
    target: Array,
    class_weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> LossAndGradient:
    """Cross-entropy of logits (B, C) with class indices (B,) of an integer dtype, or probabilities (B, C).

    With indices, rows of `ignore_index` count nothing and the mean divides by the class weights of the
    rows that do; with probabilities `ignore_index` plays no part and the mean divides by B. Smoothing
    mixes each target with the uniform distribution before the class weights (C,) apply.
    """
    by_index = np.issubdtype(target.dtype, np.integer)
    if by_index and class_weight is None and label_smoothing == 0:
        return _cross_entropy_of_indices(logits, target, ignore_index, reduction)
    classes = logits.shape[1]
    weight = np.ones(classes) if class_weight is None else class_weight
    if by_index:
        kept = target != ignore_index
        label = np.where(kept, target, 0)
        probability = np.eye(classes)[label]
        row_weight = np.where(kept, 1.0, 0.0)
        divisor = np.sum(row_weight * weight[label])
    else:
        probability, row_weight, divisor = target, np.ones(len(target)), len(target)
    smoothed = (1.0 - label_smoothing) * probability + label_smoothing / classes
    q = row_weight[:, np.newaxis] * weight * smoothed
    return _cross_entropy_of_weights(logits, q, divisor, reduction)


def _cross_entropy_of_weights(logits: Array, q: Array, divisor: Any, reduction: str) -> LossAndGradient:
    """-sum_c q_c log p_c of each row, for any non-negative weights q (B, C); 0 log 0 = 0."""
    scale = _scale(divisor, reduction)
    log_p = log_softmax(logits)
    with np.errstate(invalid="ignore"):
        rows = -np.sum(np.where(q == 0, 0.0, q * log_p), axis=1)
    gradient = np.exp(log_p) * np.sum(q, axis=1, keepdims=True) - q
    return _reduced(rows, scale, reduction), gradient * scale


def _cross_entropy_of_indices(logits: Array, target: Array, ignore_index: int, reduction: str) -> LossAndGradient:
    """The plain case, by the operations of a fused kernel: what `fastnn.cost.cross_entropy` counts."""
    row = np.flatnonzero(target != ignore_index)
    label = target[row]
    scale = _scale(len(row), reduction)
    scaled = shifted(logits[row])
    weights = np.exp(scaled)
    total = np.sum(weights, axis=1, keepdims=True)
    losses = np.zeros_like(logits, shape=len(target))
    losses[row] = np.log(total)[:, 0] - scaled[np.arange(len(row)), label]
    gradient = np.zeros_like(logits)
    gradient[row] = weights * (scale / total)
    gradient[row, label] -= scale
    return _reduced(losses, scale, reduction), gradient


def binary_cross_entropy_with_logits(logits: Array, target: Array, reduction: str = "mean") -> LossAndGradient:
    """-t log p - (1 - t) log(1 - p) of p = sigmoid(logits), any shape, targets t in [0, 1] alike."""
    scale = _scale(logits.size, reduction)
    losses = np.maximum(logits, 0.0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    return _reduced(losses, scale, reduction), (sigmoid(logits) - target) * scale


def binary_cross_entropy(probability: Array, target: Array, reduction: str = "mean") -> LossAndGradient:
    """-t log p - (1 - t) log(1 - p) of probabilities p in [0, 1], any shape; logarithms clamped at -100."""
    p, scale = probability, _scale(probability.size, reduction)
    with np.errstate(divide="ignore"):
        log_p = np.maximum(np.log(p), LOG_CLAMP)
        log_q = np.maximum(np.log1p(-p), LOG_CLAMP)
    losses = (target - 1.0) * log_q - target * log_p
    gradient = (p - target) / np.maximum((1.0 - p) * p, VARIANCE_CLAMP)
    return _reduced(losses, scale, reduction), gradient * scale


def mse(prediction: Array, target: Array, reduction: str = "mean") -> LossAndGradient:
    """Squared error (prediction - target)^2, any shape."""
    scale = _scale(prediction.size, reduction)
    error = prediction - target
    return _reduced(error * error, scale, reduction), 2.0 * (prediction - target) * scale


def hinge(score: Array, target: Array, reduction: str = "mean") -> LossAndGradient:
    """max(0, 1 - t s) of scores s and targets t of -1 or +1, any shape; the gradient at the kink is 0."""
    scale = _scale(score.size, reduction)
    losses = np.maximum(1.0 - target * score, 0.0)
    return _reduced(losses, scale, reduction), np.where(target * score < 1, -target, 0.0) * scale


def perceptron(output: Array, target: Array, reduction: str = "mean") -> LossAndGradient:
    """|output - target| of step outputs and targets of 0 or 1, any shape: 1 for a wrong answer.

    In place of a gradient, output - target: the correction of the perceptron rule (Rosenblatt 1958).
    """
    scale = _scale(output.size, reduction)
    return _reduced(np.abs(output - target), scale, reduction), (output - target) * scale


def _scale(divisor: Any, reduction: str) -> Any:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"expected reduction mean, sum or none; got {reduction!r}")
    if reduction != "mean":
        return 1.0
    return 1.0 / divisor if divisor else np.nan


def _reduced(losses: Array, scale: Any, reduction: str) -> Any:
    return losses if reduction == "none" else np.sum(losses) * scale
