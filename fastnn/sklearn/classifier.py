"""FastMLPClassifier: scikit-learn's MLPClassifier on fastnn's kernels."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

from fastnn.functional import log_softmax
from fastnn.sklearn.mlp import Array, FastMLP, Rows
from fastnn.sklearn.solver import Objective, logistic_objective, softmax_objective


class FastMLPClassifier(ClassifierMixin, FastMLP):  # type: ignore[misc]
    """A multilayer perceptron that classifies: scikit-learn's MLPClassifier, on fastnn's kernels.

    y: classes (n_samples,), numbers or strings, or 0 and 1 (n_samples, n_labels) where a row may have several labels.
    Three classes or more make a softmax; two, or several labels, logistic outputs. Parameters and attributes: see
    fastnn.sklearn.mlp.FastMLP; beside them classes_.
    """

    # Targets -------------------------------------------------------------------------------------------------------

    def _as_target(self, y: Array, dtype: np.dtype[Any], go_on: bool, incremental: bool) -> tuple[Array, int]:
        if go_on or incremental:
            self._require_known_classes(y, all_of_them=not incremental)
        else:
            self._learn_classes(y)
        if self._is_multilabel:
            target = self._binarizer.transform(y).astype(dtype)
            return target, target.shape[1]
        labels = np.searchsorted(self.classes_, y)
        if self._binarizer.y_type_ == "multiclass":
            return labels, len(self.classes_)
        return labels.astype(dtype)[:, None], 1

    @property
    def _is_multilabel(self) -> bool:
        return bool(self._binarizer.y_type_.startswith("multilabel"))

    def _learn_classes(self, y: ArrayLike) -> None:
        self._binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._binarizer.classes_

    def _require_known_classes(self, y: Array, all_of_them: bool) -> None:
        if (y.ndim == 2) != self._is_multilabel:
            raise ValueError(f"y has shape {y.shape}, which is another kind of target than at the first call")
        classes = set(unique_labels(y))
        if all_of_them and classes != set(self.classes_) or not classes <= set(self.classes_):
            raise ValueError(f"y has the classes {sorted(classes)}; expected those of the first call, {self.classes_}")

    def _objective_for(self, outputs: int) -> Objective:
        return softmax_objective() if self._binarizer.y_type_ == "multiclass" else logistic_objective(outputs)

    def _held_out_score(self, held: Rows) -> float:
        if held.weights is None:
            return self._network.accuracy(held.x, held.y)
        predicted = self._network.predict(held.x)
        right = predicted == held.y if held.y.ndim == 1 else (predicted == held.y).all(axis=1)
        return float(np.average(right, weights=held.weights))

    # Fitting -------------------------------------------------------------------------------------------------------

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, classes: ArrayLike | None = None
    ) -> Self:
        """One epoch on X and y. classes: all that will ever come, for the first call; y need not hold them all.
        sample_weight as in fit."""
        if not hasattr(self, "classes_"):
            if classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit")
            self._learn_classes(y if type_of_target(y).startswith("multilabel") else classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(f"classes is {classes}; expected those of the first call, {self.classes_}")
        return self._fit(X, y, sample_weight, incremental=True)

    # Predicting ----------------------------------------------------------------------------------------------------

    def predict(self, X: ArrayLike) -> Array:
        """Classes (n_samples,), or 0 and 1 (n_samples, n_outputs) for several labels a row."""
        network, x = self._fitted(X)
        labels: Array = self._binarizer.inverse_transform(network.predict_proba(x))
        return labels

    def predict_proba(self, X: ArrayLike) -> Array:
        """Probabilities (n_samples, n_classes), in the order of classes_; each its own for several labels a row."""
        network, x = self._fitted(X)
        probabilities = network.predict_proba(x)
        return np.hstack([1 - probabilities, probabilities]) if self.n_outputs_ == 1 else probabilities

    def predict_log_proba(self, X: ArrayLike) -> Array:
        """The logarithm of predict_proba, from logits: finite where a probability is too small to be a number."""
        network, x = self._fitted(X)
        logits = network(x)
        if self.out_activation_ == "softmax":
            return log_softmax(logits)
        logs: Array = -np.logaddexp(0, -logits)
        return np.hstack([-np.logaddexp(0, logits), logs]) if self.n_outputs_ == 1 else logs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
