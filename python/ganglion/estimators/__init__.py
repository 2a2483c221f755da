"""Networks as scikit-learn estimators: settings in the constructor, then fit and predict."""

from __future__ import annotations

from ganglion.optional import require

require("sklearn", "ganglion.estimators", extra="sklearn", distribution="scikit-learn")

from ganglion.estimators.capsules import CapsuleClassifier  # noqa: E402  after the check above
from ganglion.estimators.classifier import NeuralClassifier  # noqa: E402
from ganglion.estimators.forecasting import NeuralForecaster  # noqa: E402
from ganglion.estimators.generative import GAN, VAE, Autoencoder  # noqa: E402
from ganglion.estimators.mlp import MLPClassifier, MLPRegressor  # noqa: E402
from ganglion.estimators.regressor import NeuralRegressor  # noqa: E402
from ganglion.estimators.tabular import TabularPreprocessor  # noqa: E402
from ganglion.estimators.text import TextVectorization  # noqa: E402
from ganglion.estimators.transformer import NeuralTransformer  # noqa: E402

__all__ = [
    "GAN",
    "VAE",
    "Autoencoder",
    "CapsuleClassifier",
    "MLPClassifier",
    "MLPRegressor",
    "NeuralClassifier",
    "NeuralForecaster",
    "NeuralRegressor",
    "NeuralTransformer",
    "TabularPreprocessor",
    "TextVectorization",
]
