"""Gradient descent, with and without momentum, and by the sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_boolean, check_fraction
from ganglion.optimizers.base import LearningRate, Optimizer, OptimizerSettings
from ganglion.optimizers.slots import Slots
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SGD(Optimizer, name="sgd"):
    """Gradient descent.

    `w -= r g`; with momentum `m = momentum m - r g; w += m`; with Nesterov momentum
    `w += momentum m - r g` after the same `m` (Sutskever et al., 2013), where `w` are the weights,
    `g` the gradient and `r` the learning rate.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.01
        Step size.
    momentum : float, default 0.0
        How much of a step the next one keeps, between 0 and 1.
    nesterov : bool, default False
        Use Nesterov momentum.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> SGD(0.1, momentum=0.9)
    SGD(learning_rate=0.1, momentum=0.9)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.momentum = momentum
        self.nesterov = nesterov
        check_fraction(self, "momentum")
        check_boolean(self, "nesterov")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        step = learning_rate * gradient
        if not self.momentum:
            return parameter - step
        m = slot("momentum")
        m = ops.assign(m, self.momentum * m - step)
        return parameter + (self.momentum * m - step if self.nesterov else m)

    @classmethod
    def examples(cls) -> list[SGD]:
        return [cls(), cls(momentum=0.9), cls(momentum=0.9, nesterov=True)]


class Lion(Optimizer):
    """Descent by the sign of an interpolated momentum (Chen et al., 2023).

    `w -= r sign(beta_1 m + (1 - beta_1) g)`, then `m = beta_2 m + (1 - beta_2) g`. Every weight
    moves by the learning rate, so it should be 3 to 10 times smaller than Adam's.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    beta_1 : float, default 0.9
        Share of the momentum in the direction, between 0 and 1.
    beta_2 : float, default 0.99
        Decay of the momentum, between 0 and 1.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Lion(1e-4, weight_decay=0.1)
    Lion(learning_rate=0.0001, weight_decay=0.1)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        check_fraction(self, "beta_1", "beta_2")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        m = slot("momentum")
        direction = ops.sign(self.beta_1 * m + (1.0 - self.beta_1) * gradient)
        ops.assign(m, self.beta_2 * m + (1.0 - self.beta_2) * gradient)
        return parameter - learning_rate * direction
