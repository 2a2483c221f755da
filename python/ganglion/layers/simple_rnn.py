"""The simplest recurrent layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ganglion.activations import Activation
from ganglion.initializers import Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.recurrent import Cell, Product, Recurrent, activated
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SimpleRNN(Recurrent):
    """``h = activation(x kernel + h recurrent_kernel + bias)``, step by step (Elman 1990).

    Weights: ``kernel`` (features, units), ``recurrent_kernel`` (units, units), ``bias``.

    Parameters
    ----------
    units : int
        Width of the output, which is the state.
    activation : str, Activation or callable, optional
        Of the state.
    use_bias, kernel_initializer, recurrent_initializer, bias_initializer
        As for :class:`LSTM`.
    kernel_regularizer, recurrent_regularizer, bias_regularizer, dropout, recurrent_dropout, seed
        As for :class:`LSTM`; there are no gates, so that one factor is drawn for the state.
    return_sequences, return_state, go_backwards, stateful, zero_output_for_mask, **settings
        As for :class:`LSTM`.

    Examples
    --------
    >>> from ganglion import ops
    >>> total = SimpleRNN(
    ...     1, None, kernel_initializer="ones", recurrent_initializer="ones", return_sequences=True
    ... )
    >>> ops.evaluate(total, [[[1.0], [2.0], [3.0]]]).tolist()
    [[[1.0], [3.0], [6.0]]]
    """

    gates = 1

    def __init__(
        self,
        units: int,
        activation: str | Activation | Callable[[Value], Value] | None = "tanh",
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        recurrent_initializer: str | Initializer = "orthogonal",
        bias_initializer: str | Initializer = "zeros",
        kernel_regularizer: str | Regularizer | None = None,
        recurrent_regularizer: str | Regularizer | None = None,
        bias_regularizer: str | Regularizer | None = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        zero_output_for_mask: bool = False,
        seed: int | None = None,
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

    def cell(self, product: Product, recurrent_bias: Value | None) -> Cell:
        def step(x: Value, states: Sequence[Value]) -> list[Value]:
            return [activated(self.activation, x + product(states[0], 0, 1))]

        return step
