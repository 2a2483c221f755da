"""Activations made of straight pieces."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import initializers, ops, regularizers
from ganglion.activations.base import Activation
from ganglion.errors import as_tuple, check_at_least, check_axes, check_number
from ganglion.initializers import Initializer
from ganglion.regularizers import Regularizer
from ganglion.tracing import current_trace
from ganglion.value import Value


class Linear(Activation):
    """``x`` as it is."""

    def build(self, x: Value) -> Value:
        return x


class HardSigmoid(Activation):
    """``x / 6 + 1 / 2``, kept between 0 and 1."""

    def build(self, x: Value) -> Value:
        return ops.minimum(ops.relu(x + 3.0), 6.0) / 6.0


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


class ReLU6(Activation, name="relu6"):
    """``x`` kept between 0 and 6."""

    def build(self, x: Value) -> Value:
        return ops.minimum(ops.relu(x), 6.0)
