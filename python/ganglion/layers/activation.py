"""Activations as layers of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganglion import activations, initializers, regularizers
from ganglion.errors import as_tuple, check_axes
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Activation(Layer):
    """Apply an activation function.

    Parameters
    ----------
    activation : str, ganglion.activations.Activation or callable, optional
        The function; linear for None.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import ops
    >>> ops.evaluate(Activation("relu"), [[-1.0, 2.0]])
    array([[0., 2.]])
    """

    keeps_mask = True

    def __init__(
        self,
        activation: str | activations.Activation | Callable[[Value], Value] | None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.activation = activations.get(activation)

    @classmethod
    def examples(cls) -> list[Activation]:
        return [cls("gelu")]

    def build(self, x: Value) -> Value:
        return x if self.activation is None else self.activation(x)


class PReLU(Layer, aliases=("prelu",)):
    """``x`` above 0, ``alpha * x`` below, with a trained ``alpha`` for each feature.

    After He et al. (2015). Weights: ``alpha``, with the shape of a sample and 1 along
    ``shared_axes``. Keras's constraint is left out.

    Parameters
    ----------
    alpha_initializer : str or Initializer
        First values.
    alpha_regularizer : str or Regularizer, optional
        Penalty.
    shared_axes : int or sequence of int, optional
        Axes along which one alpha serves all, not the batch, which counts as 0: ``(1, 2)`` gives
        one for each channel of an image.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> from ganglion import initializers, ops
    >>> ops.evaluate(PReLU(initializers.Constant(0.5)), [[-2.0, 3.0]])
    array([[-1.,  3.]])
    """

    keeps_mask = True
    example_shape = (2, 3)

    def __init__(
        self,
        alpha_initializer: str | Initializer = "zeros",
        alpha_regularizer: str | Regularizer | None = None,
        shared_axes: int | Sequence[int] | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.shared_axes = as_tuple(shared_axes)
        check_axes(self, "shared_axes")

    @classmethod
    def examples(cls) -> list[PReLU]:
        alpha = initializers.Constant(0.3)
        return [cls(alpha), cls(alpha, "l2", shared_axes=(1,))]

    def build(self, x: Value) -> Value:
        prelu = activations.PReLU(self.alpha_initializer, self.alpha_regularizer, self.shared_axes)
        return prelu(x)
