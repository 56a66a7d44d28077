"""The process of scikit-learn's estimators: python benchmarks/estimator_peer.py sklearn THREADS

    {"do": "prepare", "case": ..., "dtype": ..., "seeds": n, "epochs": n}  -> {"scores": [...], "epochs": [...]}
    {"do": "time", "phase": "fit", "calls": n}                             -> {"seconds": ...}

See fastnn.bench.peers.worker. The same Worker fits fastnn's, in the process that asks.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_digits  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

from fastnn.bench.peers.worker import serve


def digits() -> tuple[Any, Any]:
    """Pixels in [0, 1] and their digit: 64-100-10."""
    x, y = load_digits(return_X_y=True)
    return x / 16, y


def diabetes() -> tuple[Any, Any]:
    """Ten measures of a patient and the progression, standardised: 10-100-1."""
    x, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(x), (y - y.mean()) / y.std()


# What is fitted to each, without a library's own beginning of the name.
CASES: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "digits": (digits, "MLPClassifier"),
    "diabetes": (diabetes, "MLPRegressor"),
}
LIBRARIES = {"sklearn": ("sklearn.neural_network", ""), "fastnn": ("fastnn.sklearn", "Fast")}


class Worker:
    """Fits one library's estimator, its settings as they come but for max_iter."""

    def __init__(self, name: str) -> None:
        module, self._beginning = LIBRARIES[name]
        self._module = import_module(module)
        warnings.simplefilter("ignore", ConvergenceWarning)

    def prepare(self, case: str, dtype: str, seeds: int, epochs: int) -> dict[str, list[float]]:
        """Scores on the quarter of the rows that each seed holds out, and the epochs that were made."""
        load, name = CASES[case]
        x, y = load()
        estimator = getattr(self._module, self._beginning + name)
        scores, made = [], []
        for seed in range(seeds):
            x_train, x_held, y_train, y_held = train_test_split(x.astype(dtype), y, random_state=seed)
            fitted = estimator(random_state=seed, max_iter=epochs).fit(x_train, y_train)
            scores.append(float(fitted.score(x_held, y_held)))
            made.append(fitted.n_iter_)
            if seed == 0:
                self._fit = partial(_fit, estimator, epochs, np.ascontiguousarray(x_train), y_train)
        return {"scores": scores, "epochs": made}

    def time(self, phase: str, calls: int) -> dict[str, float]:
        start = time.perf_counter()
        for _ in range(calls):
            getattr(self, f"_{phase}")()
        return {"seconds": time.perf_counter() - start}


def _fit(estimator: Any, epochs: int, x: Any, y: Any) -> None:
    estimator(random_state=0, max_iter=epochs).fit(x, y)


if __name__ == "__main__":
    serve(partial(Worker, sys.argv[1]))
