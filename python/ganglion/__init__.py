"""Neural networks: Keras's layers, scikit-learn's manners, a compiled core.

>>> from ganglion import Sequential, layers
>>> net = Sequential([layers.Dense(8, activation="relu"), layers.Dense(1)], loss="mse")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganglion import (
    activations,
    callbacks,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    regularizers,
    schedules,
    sequences,
)
from ganglion._core import __version__
from ganglion.decorators import activation, loss, metric
from ganglion.errors import DivergenceWarning, NotFittedError
from ganglion.gradient_check import check_gradient
from ganglion.joint import Joint, Objective
from ganglion.model import Model
from ganglion.sequential import Sequential
from ganglion.source import Source
from ganglion.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from ganglion import applications, attribution, datasets, examples, plot, reports
    from ganglion.estimators import (
        GAN,
        VAE,
        Autoencoder,
        CapsuleClassifier,
        MLPClassifier,
        MLPRegressor,
        NeuralClassifier,
        NeuralForecaster,
        NeuralRegressor,
        NeuralTransformer,
        TabularPreprocessor,
        TextVectorization,
    )
    from ganglion.images import ImageFolder
    from ganglion.range_test import find_learning_rate
    from ganglion.reports import inspect_data, metrics_by_group

# What needs more than NumPy is loaded when it is first asked for.
_LAZY_MODULES = frozenset(
    {"applications", "attribution", "datasets", "estimators", "examples", "plot", "reports"}
)
_LAZY_NAMES = {
    "Autoencoder": "ganglion.estimators",
    "CapsuleClassifier": "ganglion.estimators",
    "GAN": "ganglion.estimators",
    "VAE": "ganglion.estimators",
    "ImageFolder": "ganglion.images",
    "MLPClassifier": "ganglion.estimators",
    "MLPRegressor": "ganglion.estimators",
    "NeuralClassifier": "ganglion.estimators",
    "NeuralForecaster": "ganglion.estimators",
    "NeuralRegressor": "ganglion.estimators",
    "find_learning_rate": "ganglion.range_test",
    "NeuralTransformer": "ganglion.estimators",
    "TabularPreprocessor": "ganglion.estimators",
    "TextVectorization": "ganglion.estimators",
    "inspect_data": "ganglion.reports",
    "metrics_by_group": "ganglion.reports",
}

__all__ = [
    "GAN",
    "VAE",
    "Autoencoder",
    "CapsuleClassifier",
    "DivergenceWarning",
    "ImageFolder",
    "Joint",
    "MLPClassifier",
    "MLPRegressor",
    "Model",
    "NeuralClassifier",
    "NeuralForecaster",
    "NeuralRegressor",
    "NeuralTransformer",
    "NotFittedError",
    "Objective",
    "Sequential",
    "Source",
    "TabularPreprocessor",
    "TextVectorization",
    "__version__",
    "activation",
    "activations",
    "applications",
    "attribution",
    "callbacks",
    "check_gradient",
    "datasets",
    "examples",
    "find_learning_rate",
    "get_num_threads",
    "initializers",
    "inspect_data",
    "layers",
    "loss",
    "losses",
    "metric",
    "metrics",
    "metrics_by_group",
    "ops",
    "optimizers",
    "plot",
    "regularizers",
    "reports",
    "schedules",
    "sequences",
    "set_num_threads",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _LAZY_NAMES:
        return getattr(importlib.import_module(_LAZY_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
