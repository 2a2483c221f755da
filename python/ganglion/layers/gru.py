"""The gated recurrent unit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ganglion import activations
from ganglion.activations import Activation
from ganglion.errors import check_boolean
from ganglion.initializers import Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.recurrent import Cell, Product, Recurrent, activated
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class GRU(Recurrent):
    """The gated recurrent unit (Cho et al. 2014): one state, with a gate that keeps it.

    With ``x kernel + bias`` in three parts, ``z``, ``r`` and ``g``, and the columns of
    ``recurrent_kernel``, ``U``, likewise::

        z = recurrent_activation(z + h U_z)
        r = recurrent_activation(r + h U_r)
        h = z h + (1 - z) activation(g + r (h U_g + recurrent_bias))

    Without ``reset_after`` the last line has ``(r h) U_g``. Weights: ``kernel`` (features,
    3 units), ``recurrent_kernel`` (units, 3 units) and ``bias``: (2, 3 units), that of the input
    and that of the product with the state; without ``reset_after`` (3 units,).

    Parameters
    ----------
    units : int
        Width of the output, which is the state.
    activation : str, Activation or callable, optional
        Of what is written.
    recurrent_activation : str, Activation or callable, optional
        Of the gates.
    use_bias, kernel_initializer, recurrent_initializer, bias_initializer
        As for :class:`LSTM`.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout, seed
        As for :class:`LSTM`.
    return_sequences, return_state, go_backwards, stateful, zero_output_for_mask
        As for :class:`LSTM`.
    reset_after : bool
        Apply the gate ``r`` after the product with the recurrent kernel, as PyTorch and cuDNN do.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import ops
    >>> ops.evaluate(GRU(4, return_sequences=True), np.ones((2, 5, 3))).shape
    (2, 5, 4)
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: str | Activation | Callable[[Value], Value] | None = "tanh",
        recurrent_activation: str | Activation | Callable[[Value], Value] | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        recurrent_initializer: str | Initializer = "orthogonal",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        recurrent_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        reset_after: bool = True,
        zero_output_for_mask: bool = False,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            dropout,
            recurrent_dropout,
            seed,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            zero_output_for_mask,
            **settings,
        )
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after
        check_boolean(self, "reset_after")

    @classmethod
    def examples(cls) -> list[Any]:
        return [
            *super().examples(),
            cls(2, "relu", "softsign", bias_initializer="normal", reset_after=False),
            cls(3, dropout=0.3, recurrent_dropout=0.3, use_bias=False, reset_after=False),
        ]

    def add_bias(self) -> tuple[Value | None, Value | None]:
        if not self.use_bias or not self.reset_after:
            return super().add_bias()
        bias = self._bias((2, 3 * self.units), self.bias_initializer)
        return bias[0], bias[1]

    def cell(self, product: Product, recurrent_bias: Value | None) -> Cell:
        def inner(state: Value, first: int, last: int) -> Value:
            result = product(state, first, last)
            if recurrent_bias is None:
                return result
            return result + self._gate(recurrent_bias, first, last)

        def step(x: Value, states: Sequence[Value]) -> list[Value]:
            h = states[0]
            gates = self._gate(x, 0, 2) + inner(h, 0, 2)
            z, r = (activated(self.recurrent_activation, self._gate(gates, i)) for i in (0, 1))
            reset = r * inner(h, 2, 3) if self.reset_after else inner(r * h, 2, 3)
            return [z * h + (1.0 - z) * activated(self.activation, self._gate(x, 2) + reset)]

        return step
