"""FastMLPRegressor: scikit-learn's MLPRegressor on fastnn's kernels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from fastnn.sklearn.mlp import Array, FastMLP, Rows
from fastnn.sklearn.solver import Objective, squared_error_objective


class FastMLPRegressor(RegressorMixin, FastMLP):  # type: ignore[misc]
    """A multilayer perceptron that predicts numbers: scikit-learn's MLPRegressor with loss="squared_error".

    y: numbers (n_samples,) or (n_samples, n_outputs). Parameters and attributes: see fastnn.sklearn.mlp.FastMLP. As
    there, loss_ is half the mean square of the errors (of several outputs too, while the gradient is that of half their
    sum), and penalty.
    """

    _y_is = {"y_numeric": True}

    def _as_target(self, y: Array, dtype: np.dtype[Any], go_on: bool, incremental: bool) -> tuple[Array, int]:
        target = y.reshape(len(y), -1).astype(dtype, copy=False)
        return target, target.shape[1]

    def _objective_for(self, outputs: int) -> Objective:
        return squared_error_objective(outputs)

    def _held_out_score(self, held: Rows) -> float:
        prediction = self._network(held.x)
        if not np.isfinite(prediction).all():
            raise ValueError(
                f"predictions are not finite after epoch {self.n_iter_}; scale X and y, or lower learning_rate_init"
            )
        return float(r2_score(held.y, prediction, sample_weight=held.weights))

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """One epoch on X and y; sample_weight as in fit."""
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: ArrayLike) -> Array:
        """Numbers (n_samples,), or (n_samples, n_outputs) for several outputs."""
        network, x = self._fitted(X)
        prediction = network(x)
        return prediction.ravel() if self.n_outputs_ == 1 else prediction

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
