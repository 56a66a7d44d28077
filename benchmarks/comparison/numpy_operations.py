"""NumPy, with every output given and every intermediate in a buffer; erf from SciPy where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from comparison.operation import ELEMENTWISE, Array, Arrays, NotOffered, Operation, function_of, named
from fastnn.bench.peers.numpy_peer import Updater, cross_entropy

SQRT_HALF = 0.5**0.5


def _erf() -> Callable[..., Any]:
    if find_spec("scipy") is None:
        raise NotOffered("NumPy has no erf, and SciPy is not installed")
    from scipy.special import erf

    result: Callable[..., Any] = erf
    return result


def _sigmoid(z: Array, y: Array) -> Array:
    np.negative(z, out=y)
    np.exp(y, out=y)
    np.add(y, 1, out=y)
    return np.reciprocal(y, out=y)


def _gelu(erf: Callable[..., Any], z: Array, y: Array) -> Array:
    np.multiply(z, SQRT_HALF, out=y)
    erf(y, out=y)
    np.add(y, 1, out=y)
    np.multiply(y, z, out=y)
    return np.multiply(y, 0.5, out=y)


def elementwise(z: Array, name: str) -> Operation:
    y = np.empty_like(z)
    if name in ("exp", "log", "tanh"):
        return Operation(partial(getattr(np, name), z, out=y), named("y"))
    if name == "erf":
        return Operation(partial(_erf(), z, out=y), named("y"))
    return Operation(partial(_sigmoid, z, y) if name == "sigmoid" else partial(_gelu, _erf(), z, y), named("y"))


def product(inputs: Arrays, about: dict[str, Any]) -> Operation:
    x, w = inputs["x"], inputs["w"]
    x, w = x.T if about["form"] == "TN" else x, w.T if about["form"] == "NT" else w
    return Operation(partial(np.matmul, x, w, out=np.empty((len(x), w.shape[1]), x.dtype)), named("y"))


def softmax(inputs: Arrays, about: dict[str, Any]) -> Operation:
    logits = inputs["logits"]
    p, row = np.empty_like(logits), np.empty((len(logits), 1), logits.dtype)

    def call() -> Array:
        np.max(logits, axis=1, keepdims=True, out=row)
        np.subtract(logits, row, out=p)
        np.exp(p, out=p)
        np.sum(p, axis=1, keepdims=True, out=row)
        return np.divide(p, row, out=p)

    return Operation(call, named("p"))


def loss(inputs: Arrays, about: dict[str, Any]) -> Operation:
    logits, labels = inputs["logits"], inputs["target"]
    dlogits, row, rows = np.empty_like(logits), np.empty((len(logits), 1), logits.dtype), np.arange(len(logits))
    call = partial(cross_entropy, dlogits, row, rows, logits, labels)
    return Operation(call, lambda value: {"value": np.asarray(value), "dlogits": dlogits})


def update(inputs: Arrays, about: dict[str, Any]) -> Operation:
    updater = Updater(inputs["p"], inputs["g"], about["optimizer"], about["learning_rate"])
    return Operation(updater.update, lambda _: {"p": updater.p})


OPERATIONS = {"matmul": product, "softmax": softmax, "cross_entropy": loss, "update": update}


class Library:
    """See comparison.operation.Library."""

    def __init__(self, threads: int) -> None:
        """The environment has told OpenBLAS."""

    def operation(self, op: str, inputs: Arrays, about: dict[str, Any]) -> Operation:
        if op in ELEMENTWISE:
            return elementwise(inputs["z"], function_of(op, about))
        if op not in OPERATIONS:
            raise NotOffered(f"NumPy has no {op}")
        return OPERATIONS[op](inputs, about)
