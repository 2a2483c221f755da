"""ganglion: one call of `Sequential.fit`."""

from __future__ import annotations

import ganglion
from benchmarks.images import IMAGES, Pooling
from benchmarks.peers import Array, initial_weights
from benchmarks.recurrences import RECURRENCES
from ganglion import Sequential, layers


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
        ganglion.set_num_threads(threads)
        self.widths, self.batch_size = widths, batch_size
        self.images, self.recurrent, self.activation = images, recurrent, activation

    def start(self, X: Array, y: Array, seed: int) -> None:
        before = IMAGES[self.images]
        recurrence = RECURRENCES[self.recurrent]
        shape: tuple[int, ...] = before.shape if before else (self.widths[0],)
        if recurrence:
            shape = recurrence.steps, recurrence.features
        self.X, self.y = X.reshape(-1, *shape), y
        hidden = [layers.Dense(width, self.activation) for width in self.widths[1:-1]]
        self.network = Sequential(
            [*self._before(), *hidden, layers.Dense(self.widths[-1], activation="softmax")],
            loss="sparse_categorical_crossentropy",
            optimizer="adam",
            random_state=seed,
        )
        self.network.build((None, *shape))
        weights = initial_weights(self.widths, seed, self.images, self.recurrent)
        self.network.set_weights([array for group in weights for array in group])

    def _before(self) -> list[layers.Layer]:
        """The layers on images or sequences."""
        recurrence = RECURRENCES[self.recurrent]
        if recurrence:
            layer = getattr(layers, recurrence.kind)
            return [layer(recurrence.units, return_sequences=recurrence.each_step)]
        found: list[layers.Layer] = []
        before = IMAGES[self.images]
        for part in before.parts if before else ():
            if isinstance(part, Pooling):
                pool = layers.AveragePooling2D if part.average else layers.MaxPooling2D
                found.append(pool(2))
            else:
                found.append(
                    layers.Conv2D(
                        part.filters, part.size, padding=part.padding, activation=self.activation
                    )
                )
        return [*found, layers.Flatten()] if found else []

    def train(self, epochs: int) -> None:
        self.network.fit(self.X, self.y, epochs=epochs, batch_size=self.batch_size, verbose=0)

    def predict(self, X: Array) -> Array:
        return self.network.predict(X)
