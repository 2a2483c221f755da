"""scikit-learn's multi-layer perceptron, with its settings, attributes and numbers, in the core."""

from __future__ import annotations

from ganglion.estimators.mlp.classifier import MLPClassifier
from ganglion.estimators.mlp.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
