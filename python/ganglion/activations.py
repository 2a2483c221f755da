"""Activation functions. Names, arguments, defaults and formulas are Keras's.

``Dense(64, activation="relu")`` takes one by its name, ``Dense(64, activation=LeakyReLU(0.1))``
with settings, and a function of `ganglion.ops` as it is. The core differentiates what ``build``
returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

from ganglion import initializers, ops, regularizers
from ganglion.errors import (
    as_tuple,
    check_at_least,
    check_axes,
    check_boolean,
    check_integer,
    check_number,
)
from ganglion.initializers import Initializer
from ganglion.regularizers import Regularizer
from ganglion.spec import Spec
from ganglion.spec import get as get_spec
from ganglion.tracing import current_trace
from ganglion.value import Value


class Activation(Spec, kind="activation"):
    """Base class: ``build(x)`` returns a value of the shape of ``x``.

    Examples
    --------
    An activation of your own, known as ``"bump"`` from then on:

    >>> class Bump(Activation):
    ...     def build(self, x):
    ...         return ops.exp(-x * x)
    >>> import numpy as np
    >>> ops.evaluate(Bump(), np.array([0.0, 30.0]))
    array([1., 0.])
    """

    def build(self, x: Value) -> Value:
        """Return the activation of ``x``, any shape."""
        raise NotImplementedError(f"[{type(self).__name__}] has no build method")

    def __call__(self, x: Value) -> Value:
        return self.build(x)


class FunctionActivation(Activation, registered=False):
    """An activation made from a function. It cannot be saved, as a class of your own can.

    Parameters
    ----------
    function : callable
        ``function(x)`` with `ganglion.ops`, of the shape of ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(get(lambda x: x * x), np.array([-2.0, 3.0]))
    array([4., 9.])
    """

    def __init__(self, function: Callable[[Value], Value]) -> None:
        self.function = function

    def build(self, x: Value) -> Value:
        return self.function(x)


class Linear(Activation):
    """``x`` as it is."""

    def build(self, x: Value) -> Value:
        return x


class Sigmoid(Activation):
    """``1 / (1 + exp(-x))``."""

    def build(self, x: Value) -> Value:
        return ops.sigmoid(x)


class HardSigmoid(Activation):
    """``x / 6 + 1 / 2``, kept between 0 and 1."""

    def build(self, x: Value) -> Value:
        return ops.minimum(ops.relu(x + 3.0), 6.0) / 6.0


class Tanh(Activation):
    """Hyperbolic tangent."""

    def build(self, x: Value) -> Value:
        return ops.tanh(x)


class ReLU(Activation, name="relu"):
    """``min(x, max_value)`` above the threshold, ``negative_slope * (x - threshold)`` below.

    Parameters
    ----------
    negative_slope : float
        Slope below the threshold.
    max_value : float, optional
        Largest result, non-negative.
    threshold : float
        Where it starts.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(ReLU(max_value=2.0), np.array([-1.0, 1.0, 3.0]))
    array([0., 1., 2.])
    """

    def __init__(
        self,
        negative_slope: float = 0.0,
        max_value: float | None = None,
        threshold: float = 0.0,
    ) -> None:
        self.negative_slope = negative_slope
        self.max_value = max_value
        self.threshold = threshold
        check_at_least(self, 0, "negative_slope")
        check_number(self, "threshold")
        if max_value is not None:
            check_at_least(self, 0, "max_value")

    @classmethod
    def examples(cls) -> list[ReLU]:
        return [cls(), cls(negative_slope=0.1, max_value=1.5, threshold=0.3)]

    def build(self, x: Value) -> Value:
        y = ops.relu(x) if self.threshold == 0 else ops.where(x > self.threshold, x, 0.0)
        if self.max_value is not None:
            y = ops.minimum(y, self.max_value)
        if self.negative_slope != 0:
            y = y - self.negative_slope * ops.relu(self.threshold - x)
        return y


class LeakyReLU(Activation, name="leaky_relu"):
    """``x`` above 0, ``negative_slope * x`` below.

    Parameters
    ----------
    negative_slope : float
        Slope below 0.
    """

    def __init__(self, negative_slope: float = 0.2) -> None:
        self.negative_slope = negative_slope
        check_number(self, "negative_slope")

    def build(self, x: Value) -> Value:
        return ops.where(x > 0.0, x, self.negative_slope * x)


class PReLU(Activation, name="prelu"):
    """``x`` above 0, ``alpha * x`` below, with a trained ``alpha`` for each feature.

    After He et al. (2015). It adds the weight ``alpha`` to the layer that uses it. In Keras it is a
    layer only, as it is here too: :class:`ganglion.layers.PReLU`.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        First values of alpha.
    alpha_regularizer : str or Regularizer, optional
        Penalty on alpha.
    shared_axes : int or sequence of int, optional
        Axes along which one alpha serves all, not the batch, which counts as 0.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(PReLU(alpha_initializer="ones"), np.array([[-2.0, 3.0]]))
    array([[-2.,  3.]])
    """

    def __init__(
        self,
        alpha_initializer: str | Initializer = "zeros",
        alpha_regularizer: str | Regularizer | None = None,
        shared_axes: int | Sequence[int] | None = None,
    ) -> None:
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.shared_axes = as_tuple(shared_axes)
        check_axes(self, "shared_axes")

    @classmethod
    def examples(cls) -> list[PReLU]:
        return [cls(alpha_initializer=initializers.Constant(0.3))]

    def build(self, x: Value) -> Value:
        shared = ops.feature_axes("PReLU", x, self.shared_axes)
        alpha = current_trace().add_weight(
            "alpha",
            [1 if axis in shared else size or 1 for axis, size in enumerate(x.shape)][1:],
            self.alpha_initializer,
            regularizer=self.alpha_regularizer,
        )
        return ops.where(x > 0.0, x, alpha * x)


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


class ReLU6(Activation, name="relu6"):
    """``x`` kept between 0 and 6."""

    def build(self, x: Value) -> Value:
        return ops.minimum(ops.relu(x), 6.0)


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
    activation: Activation = get_spec("activation", identifier)
    return activation
