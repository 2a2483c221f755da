"""Optimizers: how a gradient changes the weights. Formulas, names and defaults are Keras 3's."""

from __future__ import annotations

from typing import Any

from ganglion import spec
from ganglion.optimizers.adagrad import Adadelta, Adagrad, RMSprop
from ganglion.optimizers.adam import Adam, Adamax, AdamW, Nadam
from ganglion.optimizers.base import LearningRate, Optimizer
from ganglion.optimizers.sgd import SGD, Lion
from ganglion.optimizers.slots import Slot, Slots

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LearningRate",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "Slot",
    "Slots",
    "get",
]


def __dir__() -> list[str]:
    return __all__


def get(identifier: Any) -> Optimizer:
    """Return the optimizer that a user meant.

    Parameters
    ----------
    identifier : str, Optimizer, type or dict
        A name such as "adam", an instance, a class or a configuration.

    Returns
    -------
    Optimizer

    Raises
    ------
    ValueError
        An unknown name; the nearest right one is suggested.
    TypeError
        Something else.

    Examples
    --------
    >>> get("rmsprop")
    RMSprop()
    """
    optimizer: Optimizer = spec.get("optimizer", identifier)
    return optimizer
