"""Metrics, computed in the core while training and evaluating. Names and defaults are Keras 3's."""

from __future__ import annotations

from typing import Any

from ganglion import spec
from ganglion.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from ganglion.metrics.auc import AUC
from ganglion.metrics.base import FunctionMetric, Metric
from ganglion.metrics.confusion import F1Score, Precision, Recall
from ganglion.metrics.regression import (
    MeanAbsoluteError,
    MeanSquaredError,
    R2Score,
    RootMeanSquaredError,
)

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "F1Score",
    "FunctionMetric",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "get",
]


def __dir__() -> list[str]:
    return __all__


def get(identifier: Any) -> Metric:
    """Return the metric that a user meant.

    Parameters
    ----------
    identifier : str, Metric, type, dict or callable
        A name such as "accuracy", which then is the key in the history, an instance, a class, a
        configuration, or a function of target and prediction whose mean is taken.

    Returns
    -------
    Metric

    Raises
    ------
    ValueError
        An unknown name; the nearest right one is suggested.
    TypeError
        Something else.

    Examples
    --------
    >>> get("mae")
    MeanAbsoluteError(name='mae')
    """
    if callable(identifier) and not isinstance(identifier, (Metric, type)):
        return FunctionMetric(identifier)
    metric: Metric = spec.get("metric", identifier)
    if isinstance(identifier, str) and identifier != metric.label:
        metric.name = identifier
    return metric
