"""scikit-learn: `MLPClassifier.partial_fit`, an epoch a call."""

from __future__ import annotations

import numpy as np
import threadpoolctl
from sklearn.neural_network import MLPClassifier

from benchmarks.peers import Array


class Model:
    """See `benchmarks.peers.Model`. It draws the weights of its own: Glorot uniform, biases too."""

    def __init__(
        self,
        widths: list[int],
        batch_size: int,
        threads: int,
        images: str = "",
        recurrent: str = "",
        activation: str = "relu",
    ) -> None:
        if images or recurrent:
            raise NotImplementedError("it has dense networks alone")
        threadpoolctl.threadpool_limits(threads)
        self.widths, self.batch_size = widths, batch_size

    def start(self, X: Array, y: Array, seed: int) -> None:
        self.X, self.y = X, y
        self.network = MLPClassifier(
            self.widths[1:-1],
            batch_size=self.batch_size,
            alpha=0.0,
            epsilon=1e-7,
            random_state=seed,
        )

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.network.partial_fit(self.X, self.y, classes=np.arange(self.widths[-1]))

    def predict(self, X: Array) -> Array:
        return self.network.predict_proba(X)
