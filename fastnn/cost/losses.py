"""Losses with their gradients, and softmax. B batch, C classes, O outputs, s bytes of a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastnn.cost.counts import Cost, Formula, joined, times, whole_sizes

# Rows, outputs and bytes of a number.
LossCost = Callable[[int, int, int], Cost]

LABEL_BYTES = 8  # class indices are int64

# A row: maximum C - 1, subtract C, temperature C, exp C, sum C - 1, one division, scale C.
SOFTMAX = Formula(flops_elementwise="5·B·C - B", transcendentals="B·C", bytes="2·s·B·C")
# A row: maximum C - 1, subtract C, exp C, sum C - 1; loss: log 1, subtract 1; gradient: one division, 1/B by the sum,
# scale C, subtract 1 at the label. Then the mean over rows.
CROSS_ENTROPY = Formula(
    flops_elementwise="4·B·C + B + B", transcendentals="B·C + B", bytes=f"2·s·B·C + {LABEL_BYTES}·B"
)


def softmax(batch: int, classes: int, itemsize: int = 4) -> Cost:
    """Probabilities of logits (B, C), with a temperature."""
    batch, itemsize = whole_sizes(batch=batch, itemsize=itemsize)
    (classes,) = whole_sizes(1, classes=classes)
    return SOFTMAX.cost(B=batch, C=classes, s=itemsize)


def cross_entropy(batch: int, classes: int, itemsize: int = 4) -> Cost:
    """Mean cross-entropy of logits (B, C) fused with its gradient; int64 class indices, no weights, no
    smoothing."""
    batch, itemsize = whole_sizes(batch=batch, itemsize=itemsize)
    (classes,) = whole_sizes(1, classes=classes)
    return CROSS_ENTROPY.cost(B=batch, C=classes, s=itemsize)


def binary_cross_entropy_with_logits(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss max(z, 0) - z t + log1p(exp(-|z|)), gradient (sigmoid(z) - t) / n."""
    return _elementwise_loss(batch, outputs, itemsize, flops=8, transcendentals=3)


def binary_cross_entropy(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss (t - 1) max(log1p(-p), -100) - t max(log p, -100), gradient (p - t) / max((1 - p) p, 1e-12) /
    n."""
    return _elementwise_loss(batch, outputs, itemsize, flops=12, transcendentals=2)


def mse(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss d d with d = prediction - target, gradient 2 (prediction - target) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=5, transcendentals=0)


def hinge(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss max(1 - t s, 0), gradient select(t s < 1, -t, 0) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=6, transcendentals=0)


def perceptron(batch: int, outputs: int, itemsize: int = 4) -> Cost:
    """Loss |y - t|, correction (y - t) / n, in a second pass."""
    return _elementwise_loss(batch, outputs, itemsize, flops=3, transcendentals=0)


def _elementwise_loss(batch: int, outputs: int, itemsize: int, flops: int, transcendentals: int) -> Cost:
    """Mean loss and gradient of n = B O elements: reads prediction and target, writes the gradient. The mean is n - 1
    additions and one multiplication by 1/n."""
    batch, outputs, itemsize = whole_sizes(batch=batch, outputs=outputs, itemsize=itemsize)
    formula = Formula("", joined(times(flops, "B·O"), "B·O"), times(transcendentals, "B·O"), "3·s·B·O")
    return formula.cost(B=batch, O=outputs, s=itemsize)


LOSSES: Mapping[str, LossCost] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": mse,
    "hinge": hinge,
    "perceptron": perceptron,
}
