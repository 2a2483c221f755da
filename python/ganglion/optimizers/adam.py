"""Adam and its variants: momentum divided by the size of past gradients."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ganglion import ops
from ganglion.errors import check_boolean, check_fraction, check_positive, place
from ganglion.optimizers.base import CommonSettings, LearningRate, Optimizer, OptimizerSettings
from ganglion.optimizers.slots import Slots
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class MomentOptimizer(Optimizer, registered=False):
    """What Adam and its variants share: decaying moments of the gradient, and their settings."""

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        check_fraction(self, "beta_1", "beta_2")
        for name in ("beta_1", "beta_2"):
            if getattr(self, name) == 1:
                raise ValueError(f"{place(self)} {name} must be less than 1, got 1")
        check_positive(self, "epsilon")


class Adam(MomentOptimizer):
    """Momentum over the root of a moving mean of squared gradients (Kingma & Ba, 2015).

    `m = beta_1 m + (1 - beta_1) g; v = beta_2 v + (1 - beta_2) g^2`,
    `w -= r sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)` in update `t`: the form
    before section 2.1 of the paper, whose epsilon is not corrected for bias.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    beta_1 : float, default 0.9
        Decay of the mean of gradients, at least 0 and less than 1.
    beta_2 : float, default 0.999
        Decay of the mean of squares, at least 0 and less than 1.
    epsilon : float, default 1e-7
        Keeps the divisor from 0, positive.
    amsgrad : bool, default False
        Divide by the largest `v` so far (Reddi et al., 2018).
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Adam(1e-3, clipnorm=1.0)
    Adam(clipnorm=1.0)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **settings: Unpack[OptimizerSettings],
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **settings)
        self.amsgrad = amsgrad
        check_boolean(self, "amsgrad")

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        m, v = slot("momentum"), slot("velocity")
        m = ops.assign(m, m + (gradient - m) * (1.0 - self.beta_1))
        v = ops.assign(v, v + (ops.square(gradient) - v) * (1.0 - self.beta_2))
        if self.amsgrad:
            largest = slot("velocity_hat")
            v = ops.assign(largest, ops.maximum(largest, v))
        unbiased = ops.sqrt(bias(self.beta_2, iteration)) / bias(self.beta_1, iteration)
        return parameter - learning_rate * unbiased * m / (ops.sqrt(v) + self.epsilon)

    @classmethod
    def examples(cls) -> list[Any]:
        return [cls(), cls(amsgrad=True, beta_1=0.8, beta_2=0.99)]


class AdamW(Adam, name="adamw"):
    """Adam with weight decay (Loshchilov & Hutter, 2019).

    The same as `Adam(weight_decay=0.004)`.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    weight_decay : float, default 0.004
        Before each update, `weights -= learning_rate * weight_decay * weights`.
    beta_1, beta_2, epsilon, amsgrad
        As for `Adam`.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> AdamW(weight_decay=0.01)
    AdamW(weight_decay=0.01)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float | None = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **settings: Unpack[CommonSettings],
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **settings
        )


class Adamax(MomentOptimizer):
    """Adam with the largest gradient in the place of the mean square.

    `m = beta_1 m + (1 - beta_1) g; u = max(beta_2 u, |g|)`,
    `w -= r / (1 - beta_1^t) m / (u + epsilon)` (Kingma & Ba, 2015, section 7).

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    beta_1 : float, default 0.9
        Decay of the mean of gradients, at least 0 and less than 1.
    beta_2 : float, default 0.999
        Decay of the largest gradient, at least 0 and less than 1.
    epsilon : float, default 1e-7
        Keeps the divisor from 0, positive.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Adamax(0.002)
    Adamax(learning_rate=0.002)
    """

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        m, u = slot("momentum"), slot("norm")
        m = ops.assign(m, m + (gradient - m) * (1.0 - self.beta_1))
        u = ops.assign(u, ops.maximum(self.beta_2 * u, ops.absolute(gradient)))
        return parameter - learning_rate / bias(self.beta_1, iteration) * m / (u + self.epsilon)


class Nadam(MomentOptimizer):
    """Adam with Nesterov momentum (Dozat, 2016).

    With `m` and `v` as in Adam, `u_t = beta_1 (1 - 0.96^t / 2)` and `p_t = u_1 u_2 ... u_t`:
    `n = u_(t+1) m / (1 - p_(t+1)) + (1 - u_t) g / (1 - p_t)`,
    `w -= r n / (sqrt(v / (1 - beta_2^t)) + epsilon)`.

    Parameters
    ----------
    learning_rate : float, Schedule or callable, default 0.001
        Step size.
    beta_1 : float, default 0.9
        Decay of the mean of gradients, at least 0 and less than 1.
    beta_2 : float, default 0.999
        Decay of the mean of squares, at least 0 and less than 1.
    epsilon : float, default 1e-7
        Keeps the divisor from 0, positive.
    **settings
        Those of `Optimizer`.

    Examples
    --------
    >>> Nadam(0.002)
    Nadam(learning_rate=0.002)
    """

    def update(
        self,
        parameter: Value,
        gradient: Value,
        slot: Slots,
        learning_rate: Value,
        iteration: Value,
    ) -> Value:
        m, v, product = slot("momentum"), slot("velocity"), slot("u_product", (), initial=1.0)
        u, u_next = self._momentum(iteration), self._momentum(iteration + 1.0)
        product = ops.assign(product, product * u)
        m = ops.assign(m, m + (gradient - m) * (1.0 - self.beta_1))
        v = ops.assign(v, v + (ops.square(gradient) - v) * (1.0 - self.beta_2))
        m_ahead = u_next / (1.0 - product * u_next) * m + (1.0 - u) / (1.0 - product) * gradient
        v_unbiased = v / bias(self.beta_2, iteration)
        return parameter - learning_rate * m_ahead / (ops.sqrt(v_unbiased) + self.epsilon)

    def _momentum(self, iteration: Value) -> Value:
        return self.beta_1 * (1.0 - 0.5 * ops.exp(math.log(0.96) * iteration))


def bias(decay: float, iteration: Value) -> Value | float:
    """Return `1 - decay^iteration`, the weight that a mean started from 0 has gathered.

    As `-expm1(iteration log(decay))`, which keeps its digits in float32 when `decay` is near 1.
    """
    return -ops.expm1(math.log(decay) * iteration) if decay else 1.0
