"""Optimizers that divide by the size of past gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import check_at_least, check_boolean, check_fraction, check_positive
from ganglion.optimizers.base import LearningRate, Optimizer, OptimizerSettings
from ganglion.optimizers.slots import Slots
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients (Duchi et al., 2011).

    `a += g^2; w -= r g / sqrt(a + epsilon)`.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size. The paper's own examples use larger ones.
    initial_accumulator_value : float, default 0.1
        First value of `a`, at least 0.
    epsilon : float, default 1e-7
        Keeps the divisor from 0, positive.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Adagrad(0.01)
    Adagrad(learning_rate=0.01)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon
        check_at_least(self, 0, "initial_accumulator_value")
        check_positive(self, "epsilon")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        a = slot("accumulator", initial=self.initial_accumulator_value)
        a = ops.assign(a, a + ops.square(gradient))
        return parameter - learning_rate * gradient / ops.sqrt(a + self.epsilon)


class Adadelta(Optimizer):
    """Steps as large as the past steps were, relative to the past gradients (Zeiler, 2012).

    `a = rho a + (1 - rho) g^2`, `d = sqrt(b + epsilon) / sqrt(a + epsilon) g`,
    `b = rho b + (1 - rho) d^2`, `w -= r d`.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Factor of the steps; the paper has 1.0.
    rho : float, default 0.95
        Decay of the means, between 0 and 1.
    epsilon : float, default 1e-7
        Starts the steps and keeps the divisor from 0, positive.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Adadelta(1.0)
    Adadelta(learning_rate=1.0)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.rho = rho
        self.epsilon = epsilon
        check_fraction(self, "rho")
        check_positive(self, "epsilon")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        a, b = slot("accumulated_grad"), slot("accumulated_delta_var")
        a = ops.assign(a, self.rho * a + (1.0 - self.rho) * ops.square(gradient))
        step = ops.sqrt(b + self.epsilon) / ops.sqrt(a + self.epsilon) * gradient
        ops.assign(b, self.rho * b + (1.0 - self.rho) * ops.square(step))
        return parameter - learning_rate * step


class RMSprop(Optimizer, name="rmsprop"):
    """Steps divided by the root of a moving mean of squared gradients (Hinton, 2012).

    `v = rho v + (1 - rho) g^2; w -= r g / sqrt(v + epsilon)`. Centered, the square of a moving mean
    of gradients is subtracted from `v` in the divisor (Graves, 2013); where rounding makes the
    difference negative it counts as 0.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    rho : float, default 0.9
        Decay of the means, between 0 and 1.
    momentum : float, default 0.0
        How much of a step the next one keeps, between 0 and 1.
    epsilon : float, default 1e-7
        Keeps the divisor from 0, positive.
    centered : bool, default False
        Divide by the standard deviation and not the root mean square.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> RMSprop(centered=True)
    RMSprop(centered=True)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        check_fraction(self, "rho", "momentum")
        check_positive(self, "epsilon")
        check_boolean(self, "centered")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        v = slot("velocity")
        v = ops.assign(v, self.rho * v + (1.0 - self.rho) * ops.square(gradient))
        if self.centered:
            mean = slot("average_gradient")
            mean = ops.assign(mean, self.rho * mean + (1.0 - self.rho) * gradient)
            v = ops.relu(v - ops.square(mean))
        step = learning_rate * gradient / ops.sqrt(v + self.epsilon)
        if self.momentum:
            m = slot("momentum")
            step = ops.assign(m, self.momentum * m + step)
        return parameter - step

    @classmethod
    def examples(cls) -> list[RMSprop]:
        return [cls(), cls(centered=True), cls(momentum=0.9, centered=True)]
