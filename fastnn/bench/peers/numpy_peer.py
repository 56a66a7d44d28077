"""A careful NumPy training step: all buffers preallocated, every operation in place, one flat parameter vector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.bench.peers.task import Task

Array = NDArray[Any]
Batch = tuple[Array, Array]

BETA1, BETA2, EPSILON, MOMENTUM, WEIGHT_DECAY = 0.9, 0.999, 1e-8, 0.9, 0.01


def cross_entropy(dlogits: Array, row: Array, rows: Array, logits: Array, labels: Array) -> float:
    """Mean cross-entropy; overwrites dlogits with its gradient. row (B, 1) is scratch, rows is arange(B)."""
    np.max(logits, axis=1, keepdims=True, out=row)
    np.subtract(logits, row, out=dlogits)
    of_label = dlogits[rows, labels]
    np.exp(dlogits, out=dlogits)
    np.sum(dlogits, axis=1, keepdims=True, out=row)
    np.divide(dlogits, row, out=dlogits)
    dlogits[rows, labels] -= 1
    np.multiply(dlogits, 1 / len(labels), out=dlogits)
    np.log(row, out=row)
    return float((row[:, 0] - of_label).mean())


class Updater:
    """Updates p by g in place, both flat."""

    def __init__(self, p: Array, g: Array, optimizer: str, learning_rate: float) -> None:
        self.p, self.g, self.scratch = p, g, np.empty_like(p)
        self.m, self.v = np.zeros_like(p), np.zeros_like(p)
        self.rate, self.steps, self._update = learning_rate, 0, getattr(self, f"_{optimizer}")

    def update(self) -> None:
        self.steps += 1
        self._update()

    def _sgd(self) -> None:
        np.multiply(self.g, self.rate, out=self.scratch)
        np.subtract(self.p, self.scratch, out=self.p)

    def _momentum(self) -> None:
        np.multiply(self.m, MOMENTUM, out=self.m)
        np.add(self.m, self.g, out=self.m)
        np.multiply(self.m, self.rate, out=self.scratch)
        np.subtract(self.p, self.scratch, out=self.p)

    def _adam(self) -> None:
        correction1, root2 = 1 - BETA1**self.steps, (1 - BETA2**self.steps) ** 0.5
        np.multiply(self.m, BETA1, out=self.m)
        np.multiply(self.g, 1 - BETA1, out=self.scratch)
        np.add(self.m, self.scratch, out=self.m)
        np.multiply(self.v, BETA2, out=self.v)
        np.multiply(self.g, self.g, out=self.scratch)
        np.multiply(self.scratch, 1 - BETA2, out=self.scratch)
        np.add(self.v, self.scratch, out=self.v)
        np.sqrt(self.v, out=self.scratch)
        np.add(self.scratch, EPSILON * root2, out=self.scratch)
        np.divide(self.m, self.scratch, out=self.scratch)
        np.multiply(self.scratch, self.rate * root2 / correction1, out=self.scratch)
        np.subtract(self.p, self.scratch, out=self.p)

    def _adamw(self) -> None:
        np.multiply(self.p, 1 - self.rate * WEIGHT_DECAY, out=self.p)
        self._adam()


class Model:
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        dtype = task.weights[0].dtype
        pieces = [piece for pair in zip(task.weights, task.biases, strict=True) for piece in pair]
        size = sum(piece.size for piece in pieces)
        self.p, self.g = np.empty(size, dtype), np.zeros(size, dtype)
        self.w, self.b = self._views(self.p, pieces)
        self.dw, self.db = self._views(self.g, pieces)
        for view, piece in zip([v for pair in zip(self.w, self.b, strict=True) for v in pair], pieces, strict=True):
            view[...] = piece
        self.z = [np.empty((task.batch, len(bias)), dtype) for bias in task.biases]
        self.dz = [np.empty_like(z) for z in self.z]
        self.positive = [np.empty(z.shape, bool) for z in self.z]
        self.row, self.rows = np.empty((task.batch, 1), dtype), np.arange(task.batch)
        self.update = Updater(self.p, self.g, task.optimizer, task.learning_rate).update

    @staticmethod
    def _views(vector: Array, pieces: list[Array]) -> tuple[list[Array], list[Array]]:
        ends = np.cumsum([piece.size for piece in pieces])
        views = [vector[end - piece.size : end].reshape(piece.shape) for end, piece in zip(ends, pieces, strict=True)]
        return views[::2], views[1::2]

    def prepare(self, x: Array, y: Array) -> Batch:
        return np.ascontiguousarray(x), np.ascontiguousarray(y)

    def wait(self) -> None:
        """Every call has ended when it returns."""

    def forward(self, batch: Batch) -> Array:
        y = batch[0]
        last = len(self.w) - 1
        for i, (w, b, z) in enumerate(zip(self.w, self.b, self.z, strict=True)):
            np.matmul(y, w, out=z)
            np.add(z, b, out=z)
            if i < last:
                np.maximum(z, 0, out=z)
            y = z
        return y

    def logits(self, output: Array) -> Array:
        return output

    def step(self, batch: Batch) -> float:
        x, labels = batch
        loss = cross_entropy(self.dz[-1], self.row, self.rows, self.forward(batch), labels)
        for i in range(len(self.w) - 1, -1, -1):
            np.matmul((self.z[i - 1] if i else x).T, self.dz[i], out=self.dw[i])
            np.sum(self.dz[i], axis=0, out=self.db[i])
            if i:
                np.matmul(self.dz[i], self.w[i].T, out=self.dz[i - 1])
                np.greater(self.z[i - 1], 0, out=self.positive[i - 1])
                np.multiply(self.dz[i - 1], self.positive[i - 1], out=self.dz[i - 1])
        self.update()
        return loss
