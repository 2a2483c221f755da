"""Long short-term memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganglion import activations
from ganglion.activations import Activation
from ganglion.errors import check_boolean
from ganglion.initializers import Array, Initializer
from ganglion.layers.base import LayerSettings
from ganglion.layers.recurrent import Cell, Product, Recurrent, activated
from ganglion.regularizers import Regularizer
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack


class LSTM(Recurrent):
    """Long short-term memory: a state that gates write, keep and show (Hochreiter 1997).

    With ``z = x kernel + h recurrent_kernel + bias`` in four parts, ``i``, ``f``, ``g`` and ``o``::

        c = recurrent_activation(f) c + recurrent_activation(i) activation(g)
        h = recurrent_activation(o) activation(c)

    Weights: ``kernel`` (features, 4 units), ``recurrent_kernel`` (units, 4 units) and ``bias``, in
    that order of the gates. Padding, see `Masking`, leaves the states as they are. Keras's
    constraints are left out, and ``unroll``, ``implementation`` and ``use_cudnn``: the input's part
    of all steps is one product, and the loop over the steps runs in the core.

    Parameters
    ----------
    units : int
        Width of the output, and of each of the two states.
    activation : str, Activation or callable, optional
        Of what is written, and of what is shown.
    recurrent_activation : str, Activation or callable, optional
        Of the gates.
    use_bias : bool
        Add a bias.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        First values.
    unit_forget_bias : bool
        Let the bias of the gate that keeps, ``f``, begin with 1 (Jozefowicz et al. 2015).
    kernel_regularizer, recurrent_regularizer, bias_regularizer : str or Regularizer, optional
        Penalties.
    dropout : float
        Share of the inputs left out in training, in [0, 1); the same at all steps of a sequence.
    recurrent_dropout : float
        The same of the output that a step reads, drawn for each gate, as then those of the input
        are (Gal & Ghahramani 2016).
    return_sequences : bool
        Return the output of every step, (None, steps, units), rather than of the last.
    return_state : bool
        Where the layer is called in the ``build`` of another, return ``(y, h, c)``. It may be given
        states too, ``layer(x, initial_state=[h, c])``. In a chain there is no place for them.
    go_backwards : bool
        Begin with the last step; the steps of the output are in that order, as is their mask, which
        Keras leaves as it was.
    stateful : bool
        Begin each batch with the states that the one before ended with: sample by sample, the
        batches are parts of one long sequence. Needs ``Input(shape, batch_size=...)``,
        ``shuffle=False`` and sequences of one length; see ``Sequential.reset_states``. Gradients
        end where a batch begins.
    zero_output_for_mask : bool
        Let the output of padding be zeros, and not that of the step before.
    seed : int, optional
        Sets apart layers whose dropout would draw the same.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    ValueError
        In ``build``, an input other than (None, steps, features).

    Examples
    --------
    >>> from ganglion import Sequential, layers
    >>> net = Sequential([layers.LSTM(32, return_sequences=True), layers.LSTM(16), layers.Dense(1)])
    >>> net.build((None, 50, 8))
    >>> net.output_shape
    (None, 1)

    With states, in a layer of your own:

    >>> class Copy(layers.Layer):
    ...     def build(self, x):
    ...         _, h, c = layers.LSTM(8, return_state=True)(x)
    ...         return layers.LSTM(8, return_sequences=True)(x * 0.0, initial_state=[h, c])
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: str | Activation | Callable[[Value], Value] | None = "tanh",
        recurrent_activation: str | Activation | Callable[[Value], Value] | None = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: str | Initializer = "glorot_uniform",
        recurrent_initializer: str | Initializer = "orthogonal",
        bias_initializer: str | Initializer = "zeros",
        unit_forget_bias: bool = True,
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
        self.unit_forget_bias = unit_forget_bias
        check_boolean(self, "unit_forget_bias")

    @classmethod
    def examples(cls) -> list[Any]:
        return [
            *super().examples(),
            cls(2, "elu", "softsign", unit_forget_bias=False, zero_output_for_mask=True),
        ]

    @property
    def state_names(self) -> list[str]:
        return ["hidden_state", "cell_state"]

    def add_bias(self) -> tuple[Value | None, Value | None]:
        if not self.use_bias:
            return None, None
        initializer = self.bias_initializer
        if self.unit_forget_bias:
            initializer = _UnitForgetBias(initializer)
        return self._bias((4 * self.units,), initializer), None

    def cell(self, product: Product, recurrent_bias: Value | None) -> Cell:
        def step(x: Value, states: Sequence[Value]) -> list[Value]:
            h, c = states
            z = x + product(h, 0, 4)
            i, f, o = (activated(self.recurrent_activation, self._gate(z, k)) for k in (0, 1, 3))
            c = f * c + i * activated(self.activation, self._gate(z, 2))
            return [o * activated(self.activation, c), c]

        return step


class _UnitForgetBias(Initializer, registered=False):
    """That of the bias, but 1 for the gate that keeps, the second of four."""

    def __init__(self, initializer: Initializer) -> None:
        self.initializer = initializer
        self.seed = getattr(initializer, "seed", None)

    def draw(self, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        units = shape[0] // 4
        first = self.initializer.draw((units,), generator)
        rest = self.initializer.draw((2 * units,), generator)
        return np.concatenate([first, np.ones(units), rest])
