"""THE case table: every kernel on its shapes, options, dtypes and kinds of data.

It drives the tests of values and of gradients, the wrong twins, the plain-Python run and the benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from block_cases import Addition, Dropout, NormBackward, NormForward
from case import DATA, DTYPES, Case
from layer_cases import ActivationBackward, ActivationForward, DenseBackward, DenseForward, Product
from loss_cases import (
    CrossEntropy,
    CrossEntropyProbabilities,
    ElementwiseLoss,
    LogSoftmax,
    LogSoftmaxBackward,
    Softmax,
    SoftmaxBackward,
)
from update_cases import Clip, Update

from fastnn.kernels import activation, loss, optimizer

BATCH_SHAPES = ((1, 3, 4), (5, 17, 33), (32, 65, 10), (0, 3, 2), (3, 0, 2), (2, 3, 0))  # (B, I, O)
NORM_SHAPES = ((1, 1), (1, 7), (5, 2), (33, 10), (3, 1000), (12, 65), (0, 4))  # (B, I)
ROW_SHAPES = ((1, 1), (5, 2), (33, 10), (3, 1000), (0, 4))  # (B, C)
ALPHA = {"leaky_relu": 0.01, "elu": 0.7}

Make = Callable[..., Case]


def _products() -> Iterator[Case]:
    shapes = ((1, 4, 3), (33, 10, 65), (5, 50, 130), (130, 49, 17), (0, 3, 2), (3, 0, 2), (2, 3, 0))  # (M, N, K)
    for form, (m, n, k), dtype, data in product(("NN", "NT", "TN"), shapes, DTYPES, DATA):
        yield Product(form=form, m=m, n=n, k=k, start=form == "NN", dtype=dtype, data=data)


def _activations() -> Iterator[Case]:
    kinds: tuple[Make, Make] = (ActivationForward, ActivationBackward)
    for make, name, n, dtype, data in product(kinds, activation.NAMES, (0, 1, 333), DTYPES, DATA):
        yield make(activation=name, alpha=ALPHA.get(name, 0.0), n=n, dtype=dtype, data=data)


def _dense() -> Iterator[Case]:
    kinds: tuple[Make, Make] = (DenseForward, DenseBackward)
    for make, name, dtype, data in product(kinds, activation.NAMES, DTYPES, ("normal", "positive", "constant")):
        for b, i, o in BATCH_SHAPES if name in ("relu", "gelu") else BATCH_SHAPES[1:2]:
            yield make(activation=name, alpha=ALPHA.get(name, 0.0), b=b, i=i, o=o, bias=o != 10, dtype=dtype, data=data)


def _softmaxes() -> Iterator[Case]:
    kinds: tuple[Make, ...] = (Softmax, LogSoftmax, SoftmaxBackward, LogSoftmaxBackward)
    for make, (rows, classes), dtype, data in product(kinds, ROW_SHAPES, DTYPES, DATA):
        for temperature in (1.0, 0.25, 3.0, 0.0):
            yield make(rows=rows, classes=classes, temperature=temperature, dtype=dtype, data=data)


def _cross_entropies() -> Iterator[Case]:
    options: dict[str, tuple[Any, ...]] = {
        "reduction": ("mean", "sum"), "smoothing": (0.0, 0.1, 1.0), "weighted": (False, True),
    }  # fmt: skip
    for values in product(*options.values()):
        chosen = dict(zip(options, values, strict=True))
        for (rows, classes), dtype, data in product(((1, 3), (33, 10), (2, 1000)), DTYPES, DATA):
            size: dict[str, Any] = {"rows": rows, "classes": classes, "dtype": dtype, "data": data}
            yield CrossEntropy(**size, **chosen, ignored=rows == 33 and data == "normal")
            yield CrossEntropyProbabilities(**size, **chosen)


def _elementwise_losses() -> Iterator[Case]:
    for name, (rows, outputs), dtype, data in product(loss.NAMES[1:], ((1, 1), (5, 3), (33, 10)), DTYPES, DATA):
        for reduction in ("mean", "sum"):
            yield ElementwiseLoss(loss=name, rows=rows, classes=outputs, reduction=reduction, dtype=dtype, data=data)


def _updates() -> Iterator[Case]:
    for name, n, dtype, data in product(optimizer.NAMES, (0, 1, 501), DTYPES, DATA):
        for decay, step in ((0.0, 1), (0.1, 3)):
            yield Update(optimizer=name, n=n, decay=decay, step=step, dtype=dtype, data=data)


def _clips() -> Iterator[Case]:
    for n, maximum, dtype, data in product((0, 1, 1001), (0.3, 1e6), DTYPES, DATA):
        yield Clip(n=n, maximum=maximum, dtype=dtype, data=data)


def _norms() -> Iterator[Case]:
    kinds: tuple[Make, Make] = (NormForward, NormBackward)
    for make, centred, (b, i), dtype, data in product(kinds, (True, False), NORM_SHAPES, DTYPES, DATA):
        if make is NormForward and centred and (dtype, data) == ("float64", "constant"):
            continue  # gives 0 exactly, and the reference not quite; see test_norm.py
        yield make(b=b, i=i, centred=centred, epsilon=1e-5 if centred else 1e-6, dtype=dtype, data=data)


def _dropouts() -> Iterator[Case]:
    for n, rate, dtype, data in product((0, 1, 333), (0.0, 0.1, 0.5, 0.9), DTYPES, DATA[:2]):
        yield Dropout(n=n, rate=rate, dtype=dtype, data=data)


def _additions() -> Iterator[Case]:
    for n, dtype, data in product((0, 1, 333), DTYPES, DATA):
        yield Addition(n=n, dtype=dtype, data=data)


TABLE: tuple[Case, ...] = tuple(
    case
    for make in (
        _products,
        _activations,
        _dense,
        _softmaxes,
        _cross_entropies,
        _elementwise_losses,
        _norms,
        _dropouts,
        _additions,
        _updates,
        _clips,
    )  # fmt: skip
    for case in make()
)


def of(*ops: str) -> list[Case]:
    """The cases of these kernels."""
    return [case for case in TABLE if case.op in ops]


def benchmarks() -> Iterator[Case]:
    """The kernels at the sizes of the ladder's networks, batch 32."""
    for (i, o), form in product(((4, 4), (64, 128), (784, 512), (512, 512)), ("NN", "NT", "TN")):
        m, n, k = {"NN": (32, o, i), "NT": (32, i, o), "TN": (i, o, 32)}[form]
        yield Product(form=form, m=m, n=n, k=k)
    for i, o in ((4, 4), (64, 128), (784, 512)):
        yield DenseForward(activation="relu", b=32, i=i, o=o)
        yield DenseBackward(activation="relu", b=32, i=i, o=o)
    for name, make in product(activation.NAMES[1:], (ActivationForward, ActivationBackward)):
        yield make(activation=name, alpha=ALPHA.get(name, 0.0), n=32 * 512)
    for classes in (10, 1000):
        yield Softmax(rows=32, classes=classes)
        yield CrossEntropy(rows=32, classes=classes)
    for centred, i in product((True, False), (64, 1024)):
        yield NormForward(b=32, i=i, centred=centred)
        yield NormBackward(b=32, i=i, centred=centred)
    yield Dropout(n=32 * 512, rate=0.1)
    yield Addition(n=32 * 512)
    for name in loss.NAMES[1:]:
        yield ElementwiseLoss(loss=name, rows=32, classes=10)
    for name, n in product(optimizer.NAMES, (1_210, 669_706)):
        yield Update(optimizer=name, n=n)
