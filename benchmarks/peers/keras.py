"""Keras on JAX: `Model.fit`, many steps an execution; prediction through a jitted call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.images import IMAGES, Pooling
from benchmarks.peers import Array, initial_weights
from benchmarks.recurrences import RECURRENCES

# The time of a step falls with the steps of one execution, up to about so many.
STEPS_PER_EXECUTION = 64


class Model:
    """See `benchmarks.peers.Model`."""

    def __init__(
        self,
        widths: list[int],
        batch_size: int,
        threads: int,
        images: str = "",
        recurrent: str = "",
        activation: str = "relu",
    ) -> None:
        self.widths, self.batch_size = widths, batch_size
        self.images, self.recurrent, self.activation = images, recurrent, activation
        self.network: Any = None

    def _compile(self, steps: int) -> None:
        hidden = [keras.layers.Dense(width, self.activation) for width in self.widths[1:-1]]
        self.network = keras.Sequential(
            [
                keras.Input(self._shape()),
                *self._before(),
                *hidden,
                keras.layers.Dense(self.widths[-1]),
            ]
        )
        self.network.compile(
            optimizer=keras.optimizers.Adam(),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=min(steps, STEPS_PER_EXECUTION),
            jit_compile=True,
        )
        self.network.optimizer.build(self.network.trainable_variables)
        self.optimizer_start = [np.array(v) for v in self.network.optimizer.variables]

    def _before(self) -> list[Any]:
        """The layers on images or sequences."""
        recurrence = RECURRENCES[self.recurrent]
        if recurrence:
            layer = getattr(keras.layers, recurrence.kind)
            return [layer(recurrence.units, return_sequences=recurrence.each_step)]
        found: list[Any] = []
        before = IMAGES[self.images]
        for part in before.parts if before else ():
            if isinstance(part, Pooling):
                pool = keras.layers.AveragePooling2D if part.average else keras.layers.MaxPooling2D
                found.append(pool(2))
            else:
                found.append(
                    keras.layers.Conv2D(
                        part.filters, part.size, padding=part.padding, activation=self.activation
                    )
                )
        return [*found, keras.layers.Flatten()] if found else []

    def _shape(self) -> tuple[int, ...]:
        """Of a sample."""
        before, recurrence = IMAGES[self.images], RECURRENCES[self.recurrent]
        if recurrence:
            return recurrence.steps, recurrence.features
        return before.shape if before else (self.widths[0],)

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = X.reshape(-1, *self._shape()), y
        if self.network is None:
            self._compile(len(X) // self.batch_size)
        keras.utils.set_random_seed(seed)
        weights = initial_weights(self.widths, seed, self.images, self.recurrent)
        self.network.set_weights([array for group in weights for array in group])
        # A new optimizer would have to be compiled again.
        for variable, value in zip(
            self.network.optimizer.variables, self.optimizer_start, strict=True
        ):
            variable.assign(value)
        self.probabilities: Callable[[Array], Any] | None = None

    def train(self, epochs: int) -> None:
        self.probabilities = None
        self.network.fit(self.X, self.y, epochs=epochs, batch_size=self.batch_size, verbose=0)

    def predict(self, X: Array) -> Array:
        if self.probabilities is None:  # less than half the time of predict_on_batch
            self.probabilities = jax.jit(lambda x: jax.nn.softmax(self.network(x)))
        return np.asarray(self.probabilities(X))
