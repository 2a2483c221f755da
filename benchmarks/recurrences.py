"""What stands before the last layer of the networks on sequences that are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

GATES = {"SimpleRNN": 1, "GRU": 3, "LSTM": 4}


@dataclass(frozen=True)
class Recurrence:
    """A recurrent layer, one of `GATES`, over sequences (steps, features).

    The dense layers read its last output or, with ``each_step``, all of them: then features are
    characters, one-hot, and each step has a class.
    """

    kind: str
    units: int
    steps: int
    features: int
    each_step: bool = False

    @property
    def width(self) -> int:
        """Of its kernels: the units of all gates."""
        return GATES[self.kind] * self.units

    @property
    def products(self) -> list[int]:
        """Multiply-adds of the input's and of the state's product, for one sequence."""
        return [self.steps * self.features * self.width, self.steps * self.units * self.width]

    def samples(self, rows: int, classes: int) -> tuple[Array, Array]:
        """Sequences, flat (rows, steps * features) float32, and class numbers, at random."""
        generator = np.random.default_rng(0)
        if not self.each_step:
            inputs = generator.standard_normal((rows, self.steps * self.features), np.float32)
            return inputs, generator.integers(0, classes, rows)
        characters = generator.integers(0, self.features, (rows, self.steps))
        one_hot = np.eye(self.features, dtype=np.float32)[characters]
        return one_hot.reshape(rows, -1), generator.integers(0, classes, (rows, self.steps))

    def initial_weights(self, generator: np.random.Generator) -> tuple[Array, Array, Array]:
        """Kernel (features, width), recurrent kernel (units, width), and bias.

        Both kernels Glorot uniform; the bias zero, (width,), for GRU (2, width): the input's and
        that of the product with the state.
        """
        kernels = [
            np.float32((6 / (rows + self.width)) ** 0.5)
            * generator.uniform(-1, 1, (rows, self.width)).astype(np.float32)
            for rows in (self.features, self.units)
        ]
        shape = (2, self.width) if self.kind == "GRU" else (self.width,)
        return kernels[0], kernels[1], np.zeros(shape, np.float32)


# By name, since a worker is told in JSON.
RECURRENCES = {
    "": None,
    "LSTM over 28x28": Recurrence("LSTM", 128, 28, 28),
    "GRU over 28x28": Recurrence("GRU", 128, 28, 28),
    "SimpleRNN over 28x28": Recurrence("SimpleRNN", 128, 28, 28),
    "characters": Recurrence("LSTM", 128, 64, 64, each_step=True),
}
