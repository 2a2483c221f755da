"""Activation functions. Names, arguments, defaults and formulas are Keras's.

``Dense(64, activation="relu")`` takes one by its name, ``Dense(64, activation=LeakyReLU(0.1))``
with settings, and a function of `ganglion.ops` as it is. The core differentiates what ``build``
returns.
"""

from __future__ import annotations

from ganglion import spec
from ganglion.activations.base import Activation, FunctionActivation
from ganglion.activations.piecewise import (
    HardSigmoid,
    LeakyReLU,
    Linear,
    PReLU,
    ReLU,
    ReLU6,
)
from ganglion.activations.smooth import (
    ELU,
    GELU,
    SELU,
    Exponential,
    LogSoftmax,
    Mish,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Squash,
    Tanh,
)

__all__ = [
    "Activation",
    "ELU",
    "Exponential",
    "FunctionActivation",
    "GELU",
    "HardSigmoid",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Squash",
    "Tanh",
    "get",
]


def __dir__() -> list[str]:
    return __all__


def get(identifier: object) -> Activation | None:
    """Return the activation meant by a name, an instance, a config or a function of a value.

    None, for linear, stays None.

    Examples
    --------
    >>> get("swish")
    SiLU()
    """
    if identifier is None:
        return None
    if callable(identifier) and not isinstance(identifier, (Activation, type)):
        return FunctionActivation(identifier)
    activation: Activation = spec.get("activation", identifier)
    return activation
