"""Activations as Keras has them as layers: settings of `Activation` under a name of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganglion import activations
from ganglion.errors import check_at_least, check_integer, check_number
from ganglion.layers.base import Layer, LayerSettings
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class ReLU(Layer, name="relu"):
    """``min(x, max_value)`` above the threshold, ``negative_slope * (x - threshold)`` below.

    Parameters
    ----------
    max_value : float, optional
        Largest result, non-negative.
    negative_slope : float
        Slope below the threshold, non-negative.
    threshold : float
        Where it begins, non-negative.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import ops
    >>> ops.evaluate(ReLU(max_value=6.0), [[-1.0, 2.0, 9.0]])
    array([[0., 2., 6.]])
    """

    keeps_mask = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.max_value = max_value
        self.negative_slope = negative_slope
        self.threshold = threshold
        check_at_least(self, 0, "negative_slope", "threshold")
        if max_value is not None:
            check_at_least(self, 0, "max_value")

    @classmethod
    def examples(cls) -> list[ReLU]:
        return [cls(), cls(6.0, negative_slope=0.1, threshold=0.5)]

    @property
    def activation(self) -> activations.Activation:
        """The function."""
        return activations.ReLU(self.negative_slope, self.max_value, self.threshold)

    def build(self, x: Value) -> Value:
        return self.activation(x)


class LeakyReLU(Layer, name="leaky_relu"):
    """``x`` above 0, ``negative_slope * x`` below.

    Parameters
    ----------
    negative_slope : float
        Slope below 0. As in Keras it is 0.3 here, and 0.2 in the activation of this name.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import ops
    >>> ops.evaluate(LeakyReLU(0.5), [[-1.0, 2.0]])
    array([[-0.5,  2. ]])
    """

    keeps_mask = True

    def __init__(self, negative_slope: float = 0.3, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.negative_slope = negative_slope
        check_number(self, "negative_slope")

    @property
    def activation(self) -> activations.Activation:
        """The function."""
        return activations.LeakyReLU(self.negative_slope)

    def build(self, x: Value) -> Value:
        return self.activation(x)


class ELU(Layer, name="elu"):
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float
        Minus the limit at -infinity.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import ops
    >>> ops.evaluate(ELU(), [[0.0, 2.0]])
    array([[0., 2.]])
    """

    keeps_mask = True

    def __init__(self, alpha: float = 1.0, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.alpha = alpha
        check_number(self, "alpha")

    @property
    def activation(self) -> activations.Activation:
        """The function."""
        return activations.ELU(self.alpha)

    def build(self, x: Value) -> Value:
        return self.activation(x)


class Softmax(Layer):
    """``exp(x) / sum(exp(x))`` over an axis. Keras's mask is left out.

    Parameters
    ----------
    axis : int
        The axis, not the batch.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import ops
    >>> ops.evaluate(Softmax(), [[1.0, 1.0]])
    array([[0.5, 0.5]])
    """

    keeps_mask = True

    def __init__(self, axis: int = -1, **settings: Unpack[LayerSettings]) -> None:
        super().__init__(**settings)
        self.axis = axis
        check_integer(self, "axis")

    @property
    def activation(self) -> activations.Activation:
        """The function."""
        return activations.Softmax(self.axis)

    def build(self, x: Value) -> Value:
        return self.activation(x)
