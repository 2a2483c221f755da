"""A recurrent layer that reads a sequence from both ends."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganglion import ops
from ganglion.errors import place
from ganglion.layers.base import LayerSettings
from ganglion.layers.gru import GRU
from ganglion.layers.lstm import LSTM
from ganglion.layers.recurrent import Carrying, Recurrent
from ganglion.tracing import current_trace
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

_MODES = ("concat", "sum", "mul", "ave", None)


class Bidirectional(Carrying):
    """Two recurrent layers, of which one begins with the last step (Schuster & Paliwal 1997).

    The output of each step has what came before it and what comes after it. The layers within are
    named ``"bidirectional/lstm"`` and ``"bidirectional/backward_lstm"``. Padding, which both leave
    out, gives zeros where sequences are returned. Keras's ``weights`` is left out.

    Parameters
    ----------
    layer : SimpleRNN, LSTM or GRU
        The one that reads forwards.
    merge_mode : {"concat", "sum", "mul", "ave", None}
        How the two outputs become one. With None both are returned, which is of use where the layer
        is called in the ``build`` of another.
    backward_layer : SimpleRNN, LSTM or GRU, optional
        The other, with ``go_backwards=True``. By default one like the first.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Raises
    ------
    TypeError
        For another layer.
    ValueError
        For layers that go the same way, or return different things.

    Examples
    --------
    >>> import numpy as np
    >>> ops.evaluate(Bidirectional(LSTM(3, return_sequences=True)), np.ones((2, 5, 4))).shape
    (2, 5, 6)
    """

    keeps_mask = True
    reads_mask = True
    example_shape = (4, 3)

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str | None = "concat",
        backward_layer: Recurrent | None = None,
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        if not isinstance(layer, Recurrent):
            raise TypeError(f"[Bidirectional] layer must be a recurrent layer, got {layer!r}")
        if not isinstance(backward_layer, (Recurrent, type(None))):
            raise TypeError(
                f"[Bidirectional] backward_layer must be a recurrent layer, got {backward_layer!r}"
            )
        if merge_mode not in _MODES:
            raise ValueError(f"[Bidirectional] merge_mode must be in {_MODES}, got {merge_mode!r}")
        self.layer = layer
        self.merge_mode = merge_mode
        self.backward_layer = backward_layer
        self.return_state = layer.return_state
        self._backward = backward_layer or _turned(layer)
        if self._backward.go_backwards == layer.go_backwards:
            raise ValueError(
                "[Bidirectional] layer and backward_layer must differ in go_backwards, got "
                f"{layer.go_backwards} of both"
            )
        for name in ("return_sequences", "return_state", "stateful"):
            values = getattr(layer, name), getattr(self._backward, name)
            if values[0] != values[1]:
                raise ValueError(
                    f"[Bidirectional] layer and backward_layer must have the same {name}, got "
                    f"{values[0]} and {values[1]}"
                )

    @classmethod
    def examples(cls) -> list[Bidirectional]:
        return [
            cls(LSTM(2, return_sequences=True)),
            cls(GRU(3), merge_mode="sum"),
            cls(LSTM(2), "mul", backward_layer=LSTM(2, "relu", go_backwards=True)),
            cls(GRU(2, return_sequences=True, reset_after=False), "ave"),
        ]

    @property
    def single_output(self) -> bool:
        return super().single_output and self.merge_mode is not None

    @property
    def state_names(self) -> list[str]:
        pair = self.layer, self._backward
        first, second = (layer.name or layer.registered_name for layer in pair)
        if first == second:  # as the trace tells two of one class apart
            second = f"{second}_1"
        return [
            f"{path}/{name}"
            for path, layer in zip((first, second), pair, strict=True)
            for name in layer.state_names
        ]

    def build(self, x: Value) -> Value:
        """Return (None, width), or (None, steps, width), for ``x`` of (None, steps, features)."""
        current_trace().reserve([self.layer, self._backward])
        forward, backward = (_output(layer(x)) for layer in (self.layer, self._backward))
        if self.layer.return_sequences:
            backward = ops.flip(backward, 1)
        if self.merge_mode in ("concat", None):
            y = ops.concat([forward, backward])
        elif forward.shape != backward.shape:
            raise ValueError(
                f"{place(self)} merge_mode {self.merge_mode!r} needs equal shapes, got "
                f"{forward.shape} and {backward.shape}"
            )
        elif self.merge_mode == "mul":
            y = forward * backward
        else:
            y = forward + backward
            y = y / 2.0 if self.merge_mode == "ave" else y
        if forward.mask is None:
            return y
        return ops.with_mask(ops.where(ops.expand_dims(forward.mask, -1), y, 0.0), forward.mask)

    def outputs(self, y: Value) -> tuple[Value, ...]:
        if self.merge_mode is not None:
            return (y,)
        width = self.layer.units
        return (
            ops.with_mask(y[..., :width], y.mask),
            ops.with_mask(y[..., width:], y.mask),
        )


def _turned(layer: Recurrent) -> Recurrent:
    """Return a layer with the same settings that goes the other way."""
    turned = copy.copy(layer)
    turned.go_backwards = not layer.go_backwards
    turned.name = f"backward_{layer.name or layer.registered_name}"
    return turned


def _output(returned: Value | Sequence[Value]) -> Value:
    return returned if isinstance(returned, Value) else returned[0]
