"""What is compared: cases as those of tests/case.py, in groups, at the sizes of networks and around those of tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, product
from typing import Any, ClassVar

import numpy as np
from case import DTYPES, Case, draw, unwritten
from layer_cases import ActivationForward, Product
from limits import Array, Arrays, spacing
from loss_cases import CrossEntropy, Softmax
from update_cases import Update
from window_cases import PRODUCTS, Convolution

from fastnn import cost
from fastnn.compiler.jit import kernel
from fastnn.reference.activation import erf as reference_erf
from fastnn.simd.vecmath import erf, exp, log

# One below and one above the sizes that blocks and vectors like.
SQUARES = (8, 16, 32, 63, 64, 65, 127, 128, 129, 255, 256, 257, 512, 1000, 1024, 2048)
TRANSPOSED_SQUARES = range(64, 1025)
# M, N, K: the narrow layers, and the widest of the small networks.
NARROW = ((32, 10, 784), (32, 784, 10), (32, 128, 784))
# Inputs and outputs of the ladder's layers.
LAYERS = ((784, 128), (784, 512), (512, 512), (784, 1024), (1024, 1024), (784, 2048), (2048, 2048), (512, 10))
BATCHES = (1, 8, 32, 256)
# One vector of a cache, and one of memory.
VECTORS = (4096, 10_000_000)
SOFTMAX = ((10_000, 10), (1000, 1000), (10, 100_000))
CROSS_ENTROPY = ((32, 10), (256, 10), (256, 1000))
PARAMETERS = (10_000, 1_000_000, 10_000_000)
# Images, side, channels, filters, window, stride, padding: of LeNet-5, Keras' convnet, ResNets, and AlexNet.
CONVOLUTIONS = (
    (32, 32, 1, 6, 5, 1, 0), (32, 14, 6, 16, 5, 1, 0), (128, 28, 1, 32, 3, 1, 0), (128, 13, 32, 64, 3, 1, 0),
    (32, 28, 16, 16, 3, 1, 1), (32, 28, 16, 32, 3, 2, 1), (32, 14, 32, 32, 3, 1, 1), (32, 7, 64, 64, 3, 1, 1),
    (8, 56, 64, 64, 3, 1, 1), (8, 28, 128, 128, 3, 1, 1), (8, 56, 64, 256, 1, 1, 0), (4, 224, 3, 64, 11, 4, 2),
    (4, 13, 384, 256, 3, 1, 1), (1, 56, 64, 64, 3, 1, 1),
)  # fmt: skip
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")


@kernel
def exp_of(y, z):
    for i in range(y.size):
        y[i] = exp(z[i])


@kernel
def log_of(y, z):
    for i in range(y.size):
        y[i] = log(z[i])


@kernel
def erf_of(y, z):
    for i in range(y.size):
        y[i] = erf(z[i])


@dataclass(frozen=True, kw_only=True)
class Function(Case):
    """A function of fastnn.simd.vecmath in a loop, as a user writes it."""

    op: ClassVar[str] = "function"
    LOOPS: ClassVar[Mapping[str, Any]] = {"exp": exp_of, "log": log_of, "erf": erf_of}
    REFERENCES: ClassVar[Mapping[str, Any]] = {"exp": np.exp, "log": np.log, "erf": reference_erf}
    # As asserted in tests/test_vecmath.py.
    ULPS: ClassVar[float] = 2.0
    name: str
    n: int

    def make(self, rng: np.random.Generator) -> Arrays:
        return {"z": draw(self.data, (self.n,), self.dtype, rng)}

    def outputs(self, inputs: Arrays) -> Arrays:
        return {"y": unwritten((self.n,), self.dtype)}

    def bind(self, inputs: Arrays, outputs: Arrays) -> Callable[[], Any]:
        return partial(self.LOOPS[self.name], outputs["y"], inputs["z"])

    def reference(self, inputs: Arrays) -> Arrays:
        return {"y": self.REFERENCES[self.name](inputs["z"])}

    def limits(self, inputs: Arrays, expected: Arrays) -> Arrays:
        return {"y": self.ULPS * spacing(expected["y"], self.dtype)}

    def cost(self) -> cost.Cost:
        return cost.Cost(transcendentals=self.n, bytes=2 * self.n * np.dtype(self.dtype).itemsize)


@dataclass(frozen=True, kw_only=True)
class FirstUpdate(Update):
    """The first update of a training: moments of 0."""

    step: int = 1

    def make(self, rng: np.random.Generator) -> Arrays:
        inputs = super().make(rng)
        state: Array = np.zeros_like(inputs["state"])
        return inputs | {"state": state}


def products() -> Iterator[Case]:
    for dtype in DTYPES:
        for size in SQUARES:
            yield from _forms(dtype, size, size, size, transposed=size in TRANSPOSED_SQUARES)
        for m, n, k in NARROW:
            yield Product(form="NN", m=m, n=n, k=k, dtype=dtype)
        # The forms of float64 show at the squares; its layers would take two minutes more.
        for (inputs, outputs), batch in product(LAYERS, BATCHES):
            yield from _layer(dtype, batch, inputs, outputs, backward=dtype == "float32")


def _forms(dtype: str, m: int, n: int, k: int, transposed: bool) -> Iterator[Case]:
    for form in ("NN", "NT", "TN") if transposed else ("NN",):
        yield Product(form=form, m=m, n=n, k=k, dtype=dtype)


def _layer(dtype: str, batch: int, inputs: int, outputs: int, backward: bool) -> Iterator[Case]:
    """The product of a layer's forward pass, and those of its two gradients."""
    yield Product(form="NN", m=batch, n=outputs, k=inputs, dtype=dtype)
    if backward:
        yield Product(form="NT", m=batch, n=inputs, k=outputs, dtype=dtype)
        yield Product(form="TN", m=inputs, n=outputs, k=batch, dtype=dtype)


def vector() -> Iterator[Case]:
    for n in VECTORS:
        yield Function(name="exp", n=n)
        yield Function(name="log", n=n, data="positive")
        yield Function(name="erf", n=n)
        for name in ("tanh", "gelu", "sigmoid"):
            yield ActivationForward(activation=name, n=n)


def softmax() -> Iterator[Case]:
    yield from (Softmax(rows=rows, classes=classes) for rows, classes in SOFTMAX)
    yield from (CrossEntropy(rows=rows, classes=classes) for rows, classes in CROSS_ENTROPY)


def optimizers() -> Iterator[Case]:
    for n, name in product(PARAMETERS, OPTIMIZERS):
        yield FirstUpdate(optimizer=name, n=n, decay=0.01 if name == "adamw" else 0.0)


def convolutions() -> Iterator[Case]:
    for (images, side, channels, filters, window, stride, padding), each in product(CONVOLUTIONS, PRODUCTS):
        yield Convolution(product=each, images=images, side=side, channels=channels, filters=filters, window=window,
                          stride=stride, padding=padding)  # fmt: skip


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "products": products, "vector": vector, "softmax": softmax, "optimizers": optimizers,
    "convolutions": convolutions,
}  # fmt: skip


def select(names: tuple[str, ...] | list[str]) -> list[tuple[str, Case]]:
    """Group and case of each in those groups, in order, each once."""
    return list(dict.fromkeys(chain.from_iterable(((name, case) for case in GROUPS[name]()) for name in names)))


def title(case: Case) -> str:
    """A row's name: the operation and its sizes."""
    if isinstance(case, Product):
        return f"{case.form} {case.m}x{case.n}x{case.k}"
    if isinstance(case, Convolution):
        step, border = f" /{case.stride}" * (case.stride > 1), f" +{case.padding}" * (case.padding > 0)
        sides = f"{case.side}x{case.side}x{case.channels}>{case.filters}"
        return f"{case.product} {case.images} of {sides} {case.window}x{case.window}{step}{border}"
    if isinstance(case, (Function, ActivationForward)):
        return f"{case.name if isinstance(case, Function) else case.activation} {case.n:,}"
    if isinstance(case, Update):
        return f"{case.optimizer} {case.n:,}"
    assert isinstance(case, (Softmax, CrossEntropy))
    return f"{case.op.replace('_', ' ')} {case.rows}x{case.classes}"
