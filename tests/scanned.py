"""Recurrent networks written with `ops.scan`, as tests train and judge them."""

from __future__ import annotations

from typing import Any

from ganglion import layers, ops
from ganglion.value import Value


class Recurrent(layers.Layer):
    """An LSTM over the steps of x, its gates in Keras's order; the last output or all of them."""

    def __init__(
        self, units: int, sequences: bool = False, reverse: bool = False, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.units = units
        self.sequences = sequences
        self.reverse = reverse

    def build(self, x: Value, mask: Value | None = None) -> Value:
        units = self.units
        kernel = self.add_weight("kernel", (x.shape[-1], 4 * units))
        recurrent = self.add_weight("recurrent_kernel", (units, 4 * units))
        bias = self.add_weight("bias", (4 * units,), initializer="zeros")

        def step(carries: list[Value], slices: list[Value]) -> tuple[list[Value], list[Value]]:
            h, c = carries
            z = slices[0] + ops.matmul(h, recurrent)
            i, f, o = (ops.sigmoid(z[:, at * units : (at + 1) * units]) for at in (0, 1, 3))
            c = f * c + i * ops.tanh(z[:, 2 * units : 3 * units])
            h = o * ops.tanh(c)
            return [h, c], [h]

        start = ops.broadcast_to(ops.constant(0.0), (None, units))
        z = ops.matmul(x, kernel) + bias
        (last, _), (every,) = ops.scan(step, [start, start], [z], self.reverse, mask)
        return every if self.sequences else last
