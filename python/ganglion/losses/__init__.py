"""Losses: how far predictions are from targets. Formulas, names and defaults are Keras 3's."""

from __future__ import annotations

from typing import Any

from ganglion import spec
from ganglion.losses.base import FunctionLoss, Loss
from ganglion.losses.binary import BinaryCrossentropy, BinaryFocalCrossentropy
from ganglion.losses.categorical import (
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from ganglion.losses.hinge import CategoricalHinge, Hinge, SquaredHinge
from ganglion.losses.likelihood import BernoulliNLL, GaussianNLL
from ganglion.losses.margin import Margin
from ganglion.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
)

__all__ = [
    "BernoulliNLL",
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FunctionLoss",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "Margin",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "get",
]


def __dir__() -> list[str]:
    return __all__


def get(identifier: Any) -> Loss:
    """Return the loss that a user meant.

    Parameters
    ----------
    identifier : str, Loss, type, dict or callable
        A name such as "mse", an instance, a class, a configuration, or a function of target and
        prediction.

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        An unknown name; the nearest right one is suggested.
    TypeError
        Something else.

    Examples
    --------
    >>> get("categorical_crossentropy")
    CategoricalCrossentropy()
    """
    if callable(identifier) and not isinstance(identifier, (Loss, type)):
        return FunctionLoss(identifier)
    loss: Loss = spec.get("loss", identifier)
    return loss
