"""Networks on the CPU and the same ones on the device, and rows for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastnn import Network, mlp

# Sums on the device have their own order; float64 leaves errors of the code and nothing else to be seen.
TOLERANCE = {"float32": 2e-5, "float64": 1e-12}
ROWS = 7


def data(inputs: int, outputs: int, loss: str, rows: int = ROWS, dtype: str = "float64") -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((rows, inputs)).astype(dtype)
    labels = rng.integers(0, outputs, rows)
    if loss == "cross_entropy":
        return x, labels
    if loss == "hinge":
        return x, np.where(rng.random((rows, outputs)) < 0.5, -1.0, 1.0).astype(dtype)
    if loss == "mse":
        return x, rng.standard_normal((rows, outputs)).astype(dtype)
    return x, (rng.random((rows, outputs)) < 0.5).astype(dtype)


def pair(*sizes: int, **options: Any) -> tuple[Network, Network]:
    """The same network on the CPU and on the device."""
    host = mlp(*sizes, seed=1, **options)
    return host, host.to("cuda")


def assert_close(found: Any, expected: Any, dtype: str = "float64") -> None:
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
