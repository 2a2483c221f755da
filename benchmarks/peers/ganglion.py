"""ganglion: one call of `Sequential.fit`."""

from __future__ import annotations

import ganglion
from benchmarks.peers import Array, initial_weights
from ganglion import Sequential, layers


class Model:
    """See `benchmarks.peers.Model`."""

    def __init__(self, widths: list[int], batch_size: int, threads: int) -> None:
        ganglion.set_num_threads(threads)
        self.widths, self.batch_size = widths, batch_size

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = X, y
        hidden = [layers.Dense(width, activation="relu") for width in self.widths[1:-1]]
        self.network = Sequential(
            [*hidden, layers.Dense(self.widths[-1], activation="softmax")],
            loss="sparse_categorical_crossentropy",
            optimizer="adam",
            random_state=seed,
        )
        self.network.build((None, self.widths[0]))
        weights = initial_weights(self.widths, seed)
        self.network.set_weights([array for pair in weights for array in pair])

    def train(self, epochs: int) -> None:
        self.network.fit(self.X, self.y, epochs=epochs, batch_size=self.batch_size, verbose=0)

    def predict(self, X: Array) -> Array:
        return self.network.predict(X)
