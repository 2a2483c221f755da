"""Keras on JAX: `Model.fit`, many steps an execution; prediction through a jitted call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.peers import Array, initial_weights

# The time of a step falls with the steps of one execution, up to about so many.
STEPS_PER_EXECUTION = 64


class Model:
    """See `benchmarks.peers.Model`."""

    def __init__(self, widths: list[int], batch_size: int, threads: int) -> None:
        self.widths, self.batch_size = widths, batch_size
        self.network: Any = None

    def _compile(self, steps: int) -> None:
        hidden = [keras.layers.Dense(width, activation="relu") for width in self.widths[1:-1]]
        self.network = keras.Sequential(
            [keras.Input((self.widths[0],)), *hidden, keras.layers.Dense(self.widths[-1])]
        )
        self.network.compile(
            optimizer=keras.optimizers.Adam(),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=min(steps, STEPS_PER_EXECUTION),
            jit_compile=True,
        )
        self.network.optimizer.build(self.network.trainable_variables)
        self.optimizer_start = [np.array(v) for v in self.network.optimizer.variables]

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = X, y
        if self.network is None:
            self._compile(len(X) // self.batch_size)
        keras.utils.set_random_seed(seed)
        weights = initial_weights(self.widths, seed)
        self.network.set_weights([array for pair in weights for array in pair])
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
