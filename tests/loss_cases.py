"""Cases of softmax and losses.

B rows   C classes or outputs
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
from case import Case, draw, unwritten
from limits import MEAN_LOSS, Array, Arrays, least, unit

from fastnn import cost
from fastnn.kernels import loss as losses
from fastnn.kernels import softmax
from fastnn.reference import activation as reference_activation
from fastnn.reference import loss as reference_loss
from fastnn.reference import softmax as reference_softmax

IGNORE = -100


@dataclass(frozen=True, kw_only=True)
class Rows(Case):
    """What cases over rows share."""

    rows: int
    classes: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.classes

    @property
    def sum_error(self) -> float:
        """Roundings of a sum of float64 numbers: none beside a float32."""
        return 0 if self.dtype == "float32" else self.classes

    @property
    def underflow(self) -> float:
        """Error of a few subnormal numbers, as those that exp gives."""
        return 8 * least(self.dtype)

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize


@dataclass(frozen=True, kw_only=True)
class Softmax(Rows):
    op: ClassVar[str] = "softmax"
    temperature: float = 1.0

    def make(self, rng: np.random.Generator) -> Arrays:
        return {"logits": draw(self.data, self.shape, self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"p": unwritten(self.shape, self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(softmax.softmax, outputs["p"], inputs["logits"], self.temperature)

    def reference(self, inputs: Arrays) -> Arrays:
        return {"p": reference_softmax.softmax(inputs["logits"], self.temperature)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {"p": np.full(self.shape, 4 * unit(self.dtype))}

    def cost(self) -> cost.Cost:
        return cost.softmax(self.rows, self.classes, self.itemsize)


@dataclass(frozen=True, kw_only=True)
class LogSoftmax(Softmax):
    op: ClassVar[str] = "log_softmax"

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(softmax.log_softmax, outputs["p"], inputs["logits"], self.temperature)

    def reference(self, inputs: Arrays) -> Arrays:
        return {"p": reference_softmax.log_softmax(inputs["logits"], self.temperature)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        # d - log(total): of each 4 u, and of the total, whose exponentials are within 2 ulp, 4 u again.
        log_total = -expected["p"].max(axis=1, keepdims=True, initial=-np.inf)
        below = np.abs(expected["p"] + log_total)
        return {"p": 4 * unit(self.dtype) * (1 + below + log_total)}


@dataclass(frozen=True, kw_only=True)
class SoftmaxBackward(Softmax):
    op: ClassVar[str] = "softmax_backward"
    gradients: ClassVar[dict[str, str]] = {"logits": "dlogits"}

    def make(self, rng: np.random.Generator) -> Arrays:
        logits = super().make(rng)
        p = self.forward(logits["logits"])
        return logits | {"p": p, "dp": draw("normal", self.shape, self.dtype, rng)}

    def forward(self, logits: Array) -> Array:
        p = unwritten(self.shape, self.dtype)
        softmax.softmax(p, logits, self.temperature)
        return p

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"dlogits": unwritten(self.shape, self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(softmax.softmax_backward, outputs["dlogits"], inputs["dp"], inputs["p"], self.temperature)

    def reference(self, inputs: Arrays) -> Arrays:
        return {"dlogits": reference_softmax.softmax_backward(inputs["dp"], inputs["p"], self.temperature)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        p, dp = inputs["p"], np.abs(inputs["dp"])
        terms = p * (dp + (p * dp).sum(axis=1, keepdims=True)) / (self.temperature or np.inf)
        return {"dlogits": (8 + self.sum_error) * unit(self.dtype) * terms + self.underflow}

    def objective(self, inputs: Arrays) -> float:
        return float(np.sum(inputs["dp"] * self.forward(inputs["logits"])))


@dataclass(frozen=True, kw_only=True)
class LogSoftmaxBackward(SoftmaxBackward):
    op: ClassVar[str] = "log_softmax_backward"

    def forward(self, logits: Array) -> Array:
        log_p = unwritten(self.shape, self.dtype)
        softmax.log_softmax(log_p, logits, self.temperature)
        return log_p

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(softmax.log_softmax_backward, outputs["dlogits"], inputs["dp"], inputs["p"], self.temperature)

    def reference(self, inputs: Arrays) -> Arrays:
        return {"dlogits": reference_softmax.log_softmax_backward(inputs["dp"], inputs["p"], self.temperature)}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        dlog_p = np.abs(inputs["dp"])
        terms = (dlog_p + np.exp(inputs["p"]) * dlog_p.sum(axis=1, keepdims=True)) / (self.temperature or np.inf)
        return {"dlogits": (8 + self.sum_error) * unit(self.dtype) * terms + self.underflow}


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Rows):
    op: ClassVar[str] = "cross_entropy"
    gradients: ClassVar[dict[str, str]] = {"logits": "dlogits"}
    reduction: str = "mean"
    smoothing: float = 0.0
    weighted: bool = False
    ignored: bool = False

    def make(self, rng: np.random.Generator) -> Arrays:
        logits = draw(self.data, self.shape, self.dtype, rng)
        weight = rng.uniform(0.2, 3.0, self.classes if self.weighted else 0)
        return {"logits": logits, "target": self.target(rng), "weight": weight}

    def target(self, rng: np.random.Generator) -> Array:
        labels = rng.integers(0, self.classes, self.rows)
        return np.where(rng.random(self.rows) < 0.3, IGNORE, labels) if self.ignored else labels

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"losses": unwritten((self.rows,), self.dtype), "dlogits": unwritten(self.shape, self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        logits, labels, weight = (inputs[name] for name in ("logits", "target", "weight"))
        return partial(losses.cross_entropy, outputs["losses"], outputs["dlogits"], logits, labels, weight, IGNORE,
                       self.smoothing, self.reduction == "mean")  # fmt: skip

    def _reference(self, inputs: Arrays, reduction: str) -> tuple[Any, Array]:
        weight = inputs["weight"] if self.weighted else None
        return reference_loss.cross_entropy(
            inputs["logits"], inputs["target"], weight, IGNORE, self.smoothing, reduction
        )

    def reference(self, inputs: Arrays) -> Arrays:
        value, dlogits = self._reference(inputs, self.reduction)
        losses, _ = self._reference(inputs, "none")
        return {"value": np.asarray(value), "losses": losses, "dlogits": dlogits}

    def _shares(self, inputs: Arrays) -> Array:
        """q (B, C): what each class of each row counts."""
        weight = inputs["weight"] if self.weighted else np.ones(self.classes)
        target = inputs["target"]
        if target.ndim == 1:
            kept = (target != IGNORE)[:, np.newaxis]
            target = np.eye(self.classes)[np.where(target == IGNORE, 0, target)]
            weight = weight * kept
        shares: Array = weight * ((1 - self.smoothing) * target + self.smoothing / self.classes)
        return shares

    def _scale(self, inputs: Arrays) -> float:
        if self.reduction != "mean":
            return 1.0
        target, weight = inputs["target"], inputs["weight"]
        if target.ndim == 2:
            return 1 / self.rows
        kept = target[target != IGNORE]
        return float(1 / (weight[kept].sum() if self.weighted else len(kept)))

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        # lse - z_j = log(total) + (top - z_j). The difference is rounded, u of it; exp is within 2 ulp (4 u) and feels
        # that u times the difference; sum and logarithm, and the sum over classes, in float64; the cast u.
        u, double, scale = unit(self.dtype), unit("float64"), self._scale(inputs)
        below = np.abs(reference_softmax.shifted(inputs["logits"]))
        p = np.exp(reference_softmax.log_softmax(inputs["logits"]))
        log_total = -np.log(p.max(axis=1, keepdims=True))
        q = self._shares(inputs)
        exponentials = u * np.sum(p * np.where(below > 0, 4 + below, 0.0), axis=1, keepdims=True)
        exponentials += (self.classes + 4) * double * (1 + log_total)
        each = np.sum(q * (exponentials + (u + self.classes * double) * np.where(q > 0, below, 0.0)), axis=1)
        terms = (8 + self.sum_error + below) * p * q.sum(axis=1, keepdims=True) + 8 * q
        return {
            "losses": each + u * np.abs(expected["losses"]),
            "value": mean_limit(self, expected["value"], each, scale),
            "dlogits": u * scale * terms + self.underflow,
        }

    def cost(self) -> cost.Cost:
        return cost.cross_entropy(self.rows, self.classes, self.itemsize)

    def objective(self, inputs: Arrays) -> float:
        return float(self.bind(inputs, self.outputs(inputs))())


def mean_limit(case: Case, value: Array, element_limits: Array, scale: float) -> Array:
    """The limit of means over 32 and more losses of one size; else each element's error, added up."""
    if case.data == "normal" and element_limits.size >= 32:
        return MEAN_LOSS[case.dtype] * np.abs(value)
    return np.asarray(element_limits.sum() * scale + MEAN_LOSS["float64"] * np.abs(value))


@dataclass(frozen=True, kw_only=True)
class CrossEntropyProbabilities(CrossEntropy):
    op: ClassVar[str] = "cross_entropy_probabilities"

    def target(self, rng: np.random.Generator) -> Array:
        return np.ascontiguousarray(rng.dirichlet(np.full(self.classes, 0.5), self.rows), self.dtype)

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        logits, target, weight = (inputs[name] for name in ("logits", "target", "weight"))
        return partial(losses.cross_entropy_probabilities, outputs["losses"], outputs["dlogits"], logits, target,
                       weight, self.smoothing, self.reduction == "mean")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ElementwiseLoss(Rows):
    op: ClassVar[str] = "elementwise_loss"
    gradients: ClassVar[dict[str, str]] = {"prediction": "dprediction"}
    loss: str
    reduction: str = "mean"

    @property
    def kind(self) -> int:
        return losses.NAMES.index(self.loss)

    def make(self, rng: np.random.Generator) -> Arrays:
        prediction = draw(self.data, self.shape, self.dtype, rng)
        target = draw(self.data, self.shape, self.dtype, rng)
        if self.loss == "binary_cross_entropy":
            certain = rng.integers(0, 2, self.shape)
            prediction = (certain if self.data == "whole" else rng.uniform(0.02, 0.98, self.shape)).astype(self.dtype)
        if self.loss == "perceptron":
            prediction = rng.integers(0, 2, self.shape).astype(self.dtype)
        if self.loss in ("binary_cross_entropy", "binary_cross_entropy_with_logits", "perceptron"):
            target = rng.choice([0.0, 0.25, 1.0], self.shape).astype(self.dtype)
        if self.loss == "hinge":
            target = rng.choice([-1.0, 1.0], self.shape).astype(self.dtype)
        return {"prediction": prediction, "target": target}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"dprediction": unwritten(self.shape, self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        prediction, target, mean = inputs["prediction"], inputs["target"], self.reduction == "mean"
        return partial(losses.elementwise_loss, outputs["dprediction"], prediction, target, self.kind, mean)

    def run(self, inputs: Arrays) -> Arrays:
        each = unwritten((self.rows * self.classes,), self.dtype)
        prediction, target = inputs["prediction"].reshape(-1), inputs["target"].reshape(-1)
        losses.elementwise_losses(each, prediction, target, self.kind)
        return super().run(inputs) | {"losses": each.reshape(self.shape)}

    def reference(self, inputs: Arrays) -> Arrays:
        function: Callable[..., tuple[Any, Array]] = getattr(reference_loss, self.loss)
        value, gradient = function(inputs["prediction"], inputs["target"], self.reduction)
        each, _ = function(inputs["prediction"], inputs["target"], "none")
        return {"value": np.asarray(value), "losses": each, "dprediction": gradient}

    def _terms(self, y: Array, t: Array) -> tuple[Array, Array]:
        """Magnitudes of the terms of value and slope, times the roundings of each."""
        if self.loss == "mse":
            return 3 * (y - t) ** 2, 2 * np.abs(y - t)
        if self.loss == "hinge":
            return 2 * (1 + np.abs(t * y)), np.zeros_like(y)
        if self.loss == "perceptron":
            return np.abs(y - t), np.abs(y - t)
        if self.loss == "binary_cross_entropy":
            slope = np.abs(y - t) / np.maximum(y * (1 - y), reference_loss.VARIANCE_CLAMP)
            with np.errstate(divide="ignore"):
                log_p, log_q = (np.maximum(log, reference_loss.LOG_CLAMP) for log in (np.log(y), np.log1p(-y)))
            return 8 * (np.abs((1 - t) * log_q) + np.abs(t * log_p)), 5 * slope
        value = 3 * (np.maximum(y, 0) + np.abs(y * t)) + 8 * np.log1p(np.exp(-np.abs(y)))
        return value, 8 * reference_activation.sigmoid(y) + np.abs(t)

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        u, scale = unit(self.dtype), 1 / expected["losses"].size if self.reduction == "mean" else 1.0
        value, slope = self._terms(inputs["prediction"], inputs["target"])
        # Of the gradient also 1/n, its cast and the product: 3 u.
        gradient = u * (scale * slope + 3 * np.abs(expected["dprediction"])) + self.underflow
        total = mean_limit(self, expected["value"], u * value, scale)
        return {"losses": u * value + self.underflow, "dprediction": gradient, "value": total}

    def cost(self) -> cost.Cost:
        return cost.LOSSES[self.loss](self.rows, self.classes, self.itemsize)

    def objective(self, inputs: Arrays) -> float:
        return float(self.bind(inputs, self.outputs(inputs))())

    def kinks(self, inputs: Arrays) -> Array:
        return 1 - inputs["target"] * inputs["prediction"] if self.loss == "hinge" else np.empty(0)
