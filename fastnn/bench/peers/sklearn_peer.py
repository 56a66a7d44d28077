"""scikit-learn: MLPClassifier.partial_fit on a batch is a step, predict_proba the forward pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from fastnn.bench.peers.task import Task

Array = NDArray[Any]

# Its adam adds epsilon before the bias is corrected.
SOLVERS: dict[str, dict[str, Any]] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False},
    "adam": {"solver": "adam"},
}


class Model:
    """See fastnn.bench.peers.worker.Peer."""

    def __init__(self, task: Task) -> None:
        inputs, outputs = len(task.weights[0]), len(task.biases[-1])
        self.classifier = MLPClassifier(
            [len(bias) for bias in task.biases[:-1]], alpha=0.0, shuffle=False,
            batch_size=task.batch, learning_rate_init=task.learning_rate, **SOLVERS[task.optimizer],
        )  # fmt: skip
        # A first step makes the arrays, which then get the initial weights, and an optimizer, which then goes.
        zeros = np.zeros((task.batch, inputs), task.weights[0].dtype)
        self.classifier.partial_fit(zeros, np.arange(task.batch) % outputs, classes=np.arange(outputs))
        del self.classifier._optimizer
        made = self.classifier.coefs_ + self.classifier.intercepts_
        for own, given in zip(made, task.weights + task.biases, strict=True):
            own[...] = given

    def prepare(self, x: Array, y: Array) -> Any:
        return x.copy(), y.copy()

    def wait(self) -> None:
        """Every call has ended when it returns."""

    def forward(self, batch: Any) -> Array:
        return self.classifier.predict_proba(batch[0])  # type: ignore[no-any-return]

    def logits(self, output: Array) -> Array:
        """Logarithms of probabilities; of one that is 0, the least number."""
        logits: Array = np.log(np.maximum(output, np.finfo(output.dtype).tiny))
        return logits

    def step(self, batch: Any) -> float:
        return float(self.classifier.partial_fit(*batch).loss_)
