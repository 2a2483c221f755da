"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ganglion import activations, initializers, ops, regularizers
from ganglion.activations import Activation
from ganglion.errors import check_boolean, check_count
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis.

    Weights: ``kernel`` (inputs, units), ``bias`` (units,). Keras's constraints, LoRA and
    quantization arguments are left out.

    Parameters
    ----------
    units : int
        Number of outputs.
    activation : str, Activation or callable, optional
        Linear by default.
    use_bias : bool
        Add a bias.
    kernel_initializer, bias_initializer : str or Initializer
        First values.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> Dense(10, activation="softmax", kernel_regularizer="l2")
    Dense(10, activation='softmax', kernel_regularizer='l2')
    """

    keeps_mask = True

    def __init__(
        self,
        units: int,
        activation: str | Activation | Callable[[Value], Value] | None = None,
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        check_count(self, "units")
        check_boolean(self, "use_bias")

    @classmethod
    def examples(cls) -> list[Dense]:
        return [
            cls(4, activation="tanh", bias_initializer="normal"),
            cls(3, use_bias=False, kernel_regularizer="l2", activity_regularizer="l1"),
        ]

    def build(self, x: Value) -> Value:
        """Return (None, ..., units) for ``x`` of (None, ..., inputs)."""
        if len(x.shape) < 2:
            raise ValueError(f"[Dense] needs an input of shape (None, ..., inputs), got {x.shape}")
        kernel = self.add_weight(
            "kernel",
            (x.shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        y = ops.matmul(x, kernel)
        if self.use_bias:
            y = y + self.add_weight(
                "bias",
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        return y if self.activation is None else self.activation(y)
