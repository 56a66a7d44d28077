"""What a step takes on this machine at this moment."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastnn.learning.optimizers import SGD
from fastnn.networks.network import Network

# Timed for so long, in seconds.
TIMED = 0.02
DTYPE = "float32"


def seconds_of_a_step(network: Network, batch: int) -> float:
    """Called from Python, on numbers that are drawn."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, *network.input_shape)).astype(DTYPE)
    y = rng.integers(2, size=(batch, 1)) if network.outputs == 1 else rng.integers(network.outputs, size=batch)
    trainer: Any = network.trainer(SGD(1e-6), batch)
    trainer.step(x, y)  # loads what it takes
    steps, took = 1, 0.0
    while took < TIMED:
        start = time.perf_counter()
        for _ in range(steps):
            trainer.step(x, y)
        took = time.perf_counter() - start
        steps *= 2
    return took / (steps // 2)
