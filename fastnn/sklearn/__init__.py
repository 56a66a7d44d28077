"""Estimators for scikit-learn: MLPClassifier and MLPRegressor, their settings and attributes, on fastnn's kernels.

FastMLPClassifier and FastMLPRegressor draw the same weights and batches from the same random_state and follow the same
rules, so that in float64 their loss curves are those of scikit-learn's own to rounding. Importing this package imports
scikit-learn; nothing else in fastnn does.
"""

from fastnn.sklearn.classifier import FastMLPClassifier
from fastnn.sklearn.regressor import FastMLPRegressor

__all__ = ["FastMLPClassifier", "FastMLPRegressor"]
