"""Activations without corners, but where an ELU is given another slope."""

from __future__ import annotations

from math import sqrt

from ganglion import ops
from ganglion.activations.base import Activation
from ganglion.errors import check_boolean, check_integer, check_number
from ganglion.value import Value


class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``."""

    def build(self, x: Value) -> Value:
        return ops.sigmoid(x)


class Tanh(Activation):
    """Hyperbolic tangent."""

    def build(self, x: Value) -> Value:
        return ops.tanh(x)


def _elu(x: Value, alpha: float) -> Value:
    positive = x > 0.0
    # The inner where keeps exp from overflowing on the side that is not taken.
    return ops.where(positive, x, alpha * ops.expm1(ops.where(positive, 0.0, x)))


class ELU(Activation):
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float
        Minus the limit at -infinity.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha
        check_number(self, "alpha")

    @classmethod
    def examples(cls) -> list[ELU]:
        return [cls(), cls(alpha=0.5)]

    def build(self, x: Value) -> Value:
        return _elu(x, self.alpha)


class SELU(Activation):
    """ELU scaled so that activations keep mean 0 and variance 1 (Klambauer et al. 2017)."""

    ALPHA = 1.67326324235437728481
    SCALE = 1.05070098735548049342

    def build(self, x: Value) -> Value:
        return self.SCALE * _elu(x, self.ALPHA)


class GELU(Activation):
    """``x * P(X <= x)`` for a standard normal X (Hendrycks & Gimpel 2016).

    Parameters
    ----------
    approximate : bool
        Use ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x ** 3)))``, which differs by up to
        5e-4.
    """

    def __init__(self, approximate: bool = False) -> None:
        self.approximate = approximate
        check_boolean(self, "approximate")

    @classmethod
    def examples(cls) -> list[GELU]:
        return [cls(), cls(approximate=True)]

    def build(self, x: Value) -> Value:
        if self.approximate:
            scale = 0.79788456080286535588  # sqrt(2 / pi)
            return 0.5 * x * (1.0 + ops.tanh(scale * x * (1.0 + 0.044715 * x * x)))
        return 0.5 * x * (1.0 + ops.erf(x * (1.0 / sqrt(2.0))))


class Softplus(Activation):
    """``log(1 + exp(x))``."""

    def build(self, x: Value) -> Value:
        return ops.softplus(x)


class Softsign(Activation):
    """``x / (1 + |x|)``."""

    def build(self, x: Value) -> Value:
        return x / (1.0 + ops.absolute(x))


class SiLU(Activation, name="silu", aliases=("swish",)):
    """``x * sigmoid(x)`` (Ramachandran et al. 2017)."""

    def build(self, x: Value) -> Value:
        return x * ops.sigmoid(x)


class Mish(Activation):
    """``x * tanh(softplus(x))`` (Misra 2019)."""

    def build(self, x: Value) -> Value:
        return x * ops.tanh(ops.softplus(x))


class Exponential(Activation):
    """``exp(x)``."""

    def build(self, x: Value) -> Value:
        return ops.exp(x)


class Softmax(Activation):
    """``exp(x) / sum(exp(x))`` over an axis.

    Parameters
    ----------
    axis : int
        The axis, not the batch.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        check_integer(self, "axis")

    def build(self, x: Value) -> Value:
        return ops.softmax(x, self.axis)


class LogSoftmax(Activation):
    """Logarithm of :class:`Softmax`, exact at extreme ``x``.

    Parameters
    ----------
    axis : int
        The axis, not the batch.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis
        check_integer(self, "axis")

    def build(self, x: Value) -> Value:
        return ops.log_softmax(x, self.axis)


class Squash(Activation):
    """``x * |x| / (1 + |x|^2)`` along the last axis: the direction stays, the length is below 1.

    Long vectors end just short of 1, and of short ones the length is squared. It is what makes the
    length of a capsule the probability that what it stands for is there (Sabour et al. 2017).

    Examples
    --------
    >>> ops.evaluate(Squash(), [[3.0, 4.0], [0.0, 0.0]]).round(3)
    array([[0.577, 0.769],
           [0.   , 0.   ]])
    """

    def build(self, x: Value) -> Value:
        squared = ops.sum(ops.square(x), axis=-1, keepdims=True)
        # The root of 0 has no slope; of so little, none that counts.
        return x * (ops.sqrt(ops.maximum(squared, 1e-30)) / (1.0 + squared))
