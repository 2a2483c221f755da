"""The same training steps in Keras and in ganglion, from the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch
from mirror import mirror, numpy, tensor

from ganglion import Sequential

Array = np.ndarray
BATCH = 8


def batches(x: Array, y: Array, steps: int) -> list[tuple[Array, Array]]:
    """`steps` batches in order, from the start again when the data ends; the last is partial."""
    starts = range(0, len(x), BATCH)
    cut = [(x[start : start + BATCH], y[start : start + BATCH]) for start in starts]
    return [cut[step % len(cut)] for step in range(steps)]


class Pair:
    """One network of ganglion's and its Keras counterpart, with equal weights."""

    def __init__(
        self,
        layers: Sequence[Any],
        loss: Any,
        optimizer: Any,
        input_shape: tuple[int, ...],
        dtype: str,
        *,
        counterparts: Sequence[Any] | None = None,
    ) -> None:
        self.dtype = dtype
        self.net = Sequential(
            list(layers), loss=loss, optimizer=optimizer, random_state=0, dtype=dtype
        )
        self.net.build((None, *input_shape))
        self.model = keras.Sequential(
            [keras.Input(input_shape), *(counterparts or [mirror(layer) for layer in layers])]
        )
        self.loss, self.optimizer = mirror(loss), mirror(optimizer)
        draw = np.random.default_rng(0)
        # Away from the zeros and ones that weights start with, and positive for variances.
        weights = [w + 0.3 * draw.uniform(size=w.shape) for w in self.net.get_weights()]
        self.set_weights(weights)

    def set_weights(self, weights: Sequence[Array]) -> None:
        self.net.set_weights(weights)
        self.model.set_weights(weights)

    def keras_step(self, x: Array, y: Array) -> float:
        """One step by hand: train_on_batch would round the loss to float32."""
        variables = self.model.trainable_variables
        for variable in variables:
            variable.value.grad = None
        prediction = self.model(tensor(x, self.dtype), training=True)
        target = tensor(y, self.dtype)
        loss = self.loss(target, prediction) + sum(self.model.losses)
        loss.backward()
        gradients = [variable.value.grad for variable in variables]
        with torch.no_grad():
            self.optimizer.apply(gradients, variables)
        return float(loss.detach())

    def ganglion_step(self, x: Array, y: Array) -> float:
        return float(self.net.train_on_batch(x, y)["loss"])

    def losses(self, x: Array, y: Array, steps: int = 50) -> tuple[Array, Array]:
        """Losses of ganglion's and of Keras's training."""
        pairs = [
            (self.ganglion_step(*batch), self.keras_step(*batch)) for batch in batches(x, y, steps)
        ]
        ours, theirs = zip(*pairs, strict=True)
        return np.array(ours), np.array(theirs)

    def weights(self) -> list[tuple[Array, Array]]:
        """Both sides' weights, in the order of get_weights."""
        theirs = [numpy(weight) for weight in self.model.get_weights()]
        return list(zip(self.net.get_weights(), theirs, strict=True))
