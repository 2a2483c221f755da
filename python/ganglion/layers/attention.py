"""Attention of the steps of a sequence to each other."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

from ganglion import initializers, ops, regularizers
from ganglion.errors import (
    as_tuple,
    check_boolean,
    check_count,
    check_fraction,
    check_seed,
    check_sizes,
)
from ganglion.initializers import Initializer
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.dropout import Dropout
from ganglion.layers.sequences import check_sequences
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# Added to the score of a step that is not to be seen: its exponential is exactly 0.
_HIDDEN = -1e9


class MultiHeadAttention(Layer):
    """Self-attention: each step becomes a weighted mean of the values of all steps.

    After Vaswani et al. (2017). For each head, ``softmax(query @ key.T / sqrt(key_dim)) @ value``,
    all three products of the input with a kernel; the heads' results, side by side, are multiplied
    by one more. Keras's layer, called with a sequence as query, value and key. A step that is
    masked is seen by no other, and sees none itself: its result is the last bias. Keras's
    ``attention_axes``, ``sliding_window``, ``flash_attention``, ``use_gate`` and constraints are
    left out.

    Weights: ``query/kernel``, ``key/kernel`` (features, num_heads, key_dim), ``value/kernel``
    (features, num_heads, value_dim), ``attention_output/kernel`` (num_heads, value_dim, outputs),
    and for each a ``bias``.

    Parameters
    ----------
    num_heads : int
        How many attentions stand beside each other.
    key_dim : int
        Width of a head's query and key.
    value_dim : int, optional
        Width of a head's value, by default ``key_dim``.
    dropout : float, default=0.0
        Share of the attention weights that are set to 0 in training, in [0, 1].
    use_bias : bool, default=True
        Add biases.
    output_shape : int or tuple of int, optional
        Shape of a step of the result, by default as many features as the input has.
    causal : bool, default=False
        Whether a step sees only itself and those before it; Keras has this as an argument of the
        call, ``use_causal_mask``.
    kernel_initializer, bias_initializer : str or Initializer
        First values.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties.
    seed : int, optional
        Sets apart layers that would drop the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input that is no sequence (None, steps, features).

    Examples
    --------
    >>> x = np.ones((2, 5, 8))
    >>> ops.evaluate(MultiHeadAttention(num_heads=2, key_dim=4), x).shape
    (2, 5, 8)

    An encoder block of a Transformer:

    >>> from ganglion.layers import Dense, LayerNormalization, Residual
    >>> block = [
    ...     Residual([LayerNormalization(), MultiHeadAttention(2, 4)]),
    ...     Residual([LayerNormalization(), Dense(32, activation="gelu"), Dense(8)]),
    ... ]
    """

    example_shape = (5, 6)
    keeps_mask = True

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        causal: bool = False,
        kernel_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        seed: int | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.output_shape = as_tuple(output_shape)
        self.causal = causal
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.seed = seed
        check_count(self, "num_heads", "key_dim")
        if value_dim is not None:
            check_count(self, "value_dim")
        check_fraction(self, "dropout")
        check_boolean(self, "use_bias", "causal")
        if output_shape is not None:
            axes = len(self.output_shape) if isinstance(self.output_shape, tuple) else 1
            check_sizes(self, max(axes, 1), "output_shape")
        check_seed(self)

    @classmethod
    def examples(cls) -> list[MultiHeadAttention]:
        return [
            cls(2, 3, bias_initializer="normal"),
            cls(3, 2, value_dim=4, output_shape=5, causal=True, kernel_regularizer="l2"),
            cls(2, 4, use_bias=False, output_shape=(2, 3)),
        ]

    def build(self, x: Value) -> Value:
        """Return (None, steps, *output_shape) for ``x`` of (None, steps, features)."""
        check_sequences(self, x)
        steps, features = (size or 1 for size in x.shape[1:])
        heads, value_dim = self.num_heads, self.value_dim or self.key_dim
        outputs = np.atleast_1d(self.output_shape or features)
        query = self._project("query", x, 1, (heads, self.key_dim), 1.0 / sqrt(self.key_dim))
        key = self._project("key", x, 1, (heads, self.key_dim))
        value = self._project("value", x, 1, (heads, value_dim))
        query, key, value = (ops.transpose(one, (0, 2, 1, 3)) for one in (query, key, value))
        scores = ops.matmul(query, key, transpose_b=True)
        for hidden in self._hidden(x):
            scores = scores + hidden
        shares = Dropout(self.dropout, seed=self.seed).build(ops.softmax(scores))
        seen = ops.matmul(shares, value)
        if x.mask is not None:
            seen = ops.where(ops.reshape(x.mask, (None, 1, steps, 1)), seen, 0.0)
        seen = ops.transpose(seen, (0, 2, 1, 3))
        return self._project("attention_output", seen, 2, tuple(outputs.tolist()))

    def _project(
        self, name: str, x: Value, axes: int, sizes: tuple[int, ...], scale: float = 1.0
    ) -> Value:
        """Return ``x``, of whose last axes there are so many, times a kernel with its sizes."""
        inputs = x.shape[-axes:]
        kernel = self.add_weight(
            f"{name}/kernel",
            (*inputs, *sizes),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        width, units = prod(size or 1 for size in inputs), prod(sizes)
        y = ops.matmul(ops.reshape(x, (*x.shape[:2], width)), ops.reshape(kernel, (width, units)))
        if self.use_bias:
            bias = self.add_weight(
                f"{name}/bias", sizes, self.bias_initializer, regularizer=self.bias_regularizer
            )
            y = y + ops.reshape(bias, (units,))
        y = y if scale == 1.0 else y * scale
        return ops.reshape(y, (*x.shape[:2], *sizes))

    def _hidden(self, x: Value) -> list[Value]:
        """Return what hides steps from others when it is added to the scores, as they broadcast."""
        steps = x.shape[1] or 1
        found = []
        if x.mask is not None:
            found.append(ops.reshape((1.0 - x.mask) * _HIDDEN, (None, 1, 1, steps)))
        if self.causal:
            found.append(ops.constant(np.triu(np.full((steps, steps), _HIDDEN), 1)))
        return found
