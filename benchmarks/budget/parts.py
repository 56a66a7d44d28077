"""The parts of a training step as kernels on their own, and a nopython walk over them that reads the clock in between.

    forward    product (its bias begins the sums), activation          of each layer
    loss       cross-entropy with its gradient
    backward   slope of the activation, bias gradient, dW, dx           of each layer, last first
    update     sgd, of all parameters

A program is an int64 array, a row a part; values and their gradients lie in two flat arrays at the same places.
"""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from fastnn.bench.case import Case
from fastnn.bench.measuring import Run
from fastnn.kernels.activation import RELU, activation_backward, activation_forward
from fastnn.kernels.loss import cross_entropy
from fastnn.kernels.optimizer import SGD, update
from fastnn.products.blocks import NN, NT, TN
from fastnn.products.matmul import matmul, scratch_size
from fastnn.simd.views import matrix, vector

PARTS = ("clock", "product", "activation", "loss", "slope", "bias gradient", "dW", "dx", "update")
CLOCK, PRODUCT, ACTIVATION, LOSS, SLOPE, BIAS_GRADIENT, WEIGHT_GRADIENT, INPUT_GRADIENT, UPDATE = range(len(PARTS))
# Columns of a program. LAYER counts from 0; X_AT, Y_AT, WEIGHT_AT, BIAS_AT say where its arrays begin.
KIND, LAYER, INPUTS, OUTPUTS, X_AT, Y_AT, WEIGHT_AT, BIAS_AT = range(8)

IGNORE_INDEX = -100

# libc's clock costs 30 ns; the one of ctypes.pythonapi wants the GIL.
_clock = ctypes.CDLL(None).clock_gettime
_clock.argtypes, _clock.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_int
_MONOTONIC = time.CLOCK_MONOTONIC


@numba.njit(nogil=True)
def _now(stamp):
    _clock(_MONOTONIC, stamp.ctypes)
    return stamp[0] * 1e9 + stamp[1]


@numba.njit(nogil=True)
def _column_sums(db, dz):
    db[:] = 0
    for i in range(dz.shape[0]):
        for j in range(dz.shape[1]):
            db[j] += dz[i, j]


@numba.njit(nogil=True)
def make(part, batch, labels, params, grads, state, values, dvalues, losses, scratch, nothing, no_weights):
    """One part, by its row of the program."""
    kind, inputs, outputs = part[KIND], part[INPUTS], part[OUTPUTS]
    x, y = vector(values, part[X_AT], batch * inputs), vector(values, part[Y_AT], batch * outputs)
    dx, dy = vector(dvalues, part[X_AT], batch * inputs), vector(dvalues, part[Y_AT], batch * outputs)
    w, dw = vector(params, part[WEIGHT_AT], inputs * outputs), vector(grads, part[WEIGHT_AT], inputs * outputs)
    if kind == PRODUCT:
        bias = vector(params, part[BIAS_AT], outputs)
        matmul(y, outputs, x, inputs, w, outputs, bias, scratch, NN, batch, outputs, inputs)
    elif kind == ACTIVATION:
        activation_forward(y, y, RELU, 0.0)
    elif kind == LOSS:
        logits, dlogits = matrix(y, 0, batch, outputs), matrix(dy, 0, batch, outputs)
        cross_entropy(losses, dlogits, logits, labels, no_weights, IGNORE_INDEX, 0.0, True)
    elif kind == SLOPE:
        activation_backward(dy, dy, y, y, RELU, 0.0)
    elif kind == BIAS_GRADIENT:
        _column_sums(vector(grads, part[BIAS_AT], outputs), matrix(dy, 0, batch, outputs))
    elif kind == WEIGHT_GRADIENT:
        matmul(dw, outputs, x, inputs, dy, outputs, nothing, scratch, TN, inputs, outputs, batch)
    elif kind == INPUT_GRADIENT:
        matmul(dx, inputs, dy, outputs, w, outputs, nothing, scratch, NT, batch, inputs, outputs)
    elif kind == UPDATE:
        # A rate of 0 costs the same and leaves every step the first.
        update(params, grads, state, SGD, 1, 0.0, 0.0, 0.0, 0.0, 0.0)


@numba.njit(nogil=True)
def walk(seconds, steps, program, *arrays):
    """All parts in the order of the step, `steps` times; seconds = the mean of each, the clock's included."""
    stamp = np.empty(2, np.int64)
    seconds[:] = 0
    for _ in range(steps):
        for index in range(len(program)):
            start = _now(stamp)
            make(program[index], *arrays)
            seconds[index] += (_now(stamp) - start) / (1e9 * steps)


@numba.njit(nogil=True)
def repeat(calls, part, *arrays):
    """One part again and again, its arrays as near as they can be."""
    for _ in range(calls):
        make(part, *arrays)


def program_of(case: Case) -> NDArray[np.int64]:
    """The parts of a step of the case, the clock alone first."""
    layers = [_layer(case, index) for index in range(len(case.network.layers))]
    last = len(layers) - 1
    rows = [(CLOCK, *layers[0])]
    for index, layer in enumerate(layers):
        rows += [(PRODUCT, *layer)] + [(ACTIVATION, *layer)] * (index < last)
    rows += [(LOSS, *layers[-1])]
    for index, layer in reversed(list(enumerate(layers))):
        rows += [(SLOPE, *layer)] * (index < last)
        rows += [(BIAS_GRADIENT, *layer), (WEIGHT_GRADIENT, *layer)] + [(INPUT_GRADIENT, *layer)] * (index > 0)
    return np.array([*rows, (UPDATE, *layers[0])], np.int64)


def _layer(case: Case, index: int) -> tuple[int, ...]:
    """Columns of a program from LAYER on."""
    sizes, blocks = case.rung.sizes, case.network.layout.blocks
    at = case.batch * sum(sizes[:index])
    weight, bias = blocks[f"{index}.weight"].offset, blocks[f"{index}.bias"].offset
    return index, sizes[index], sizes[index + 1], at, at + case.batch * sizes[index], weight, bias


class Step:
    """The parts of a step on the first batch of a case, with arrays of their own."""

    def __init__(self, case: Case) -> None:
        self.program = program_of(case)
        sizes, batch, dtype = case.rung.sizes, case.batch, case.network.dtype
        x, labels = case.batches[0]
        values, dvalues = (np.zeros(batch * sum(sizes), dtype) for _ in range(2))
        values[: x.size] = x.reshape(-1)
        pairs = list(zip(sizes, sizes[1:], strict=False))
        scratch = np.empty(
            max(scratch_size(NT, batch, inputs, outputs, dtype.itemsize, 1) for inputs, outputs in pairs), dtype
        )
        self.grads = np.zeros_like(case.trainer.grads)
        self._arrays: tuple[Any, ...] = (
            batch, labels, case.initial.copy(), self.grads, np.empty(0, dtype), values, dvalues,
            np.empty(batch, dtype), scratch, np.empty(0, dtype), np.empty(0),
        )  # fmt: skip
        self.walk(1)

    def walk(self, steps: int) -> NDArray[np.float64]:
        """Mean seconds of each part in that many steps."""
        seconds = np.empty(len(self.program))
        walk(seconds, steps, self.program, *self._arrays)
        return seconds

    def repeated(self, index: int) -> Run:
        return lambda calls: repeat(calls, self.program[index], *self._arrays)
