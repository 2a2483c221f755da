"""A classifier that was trained on real images, as the judge of images that were made."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.data import fashion_mnist
from ganglion import Sequential, layers

Array = np.ndarray
# A run that makes no more kinds of images than this has collapsed.
FEW_CLASSES = 5
FEATURES, EPOCHS = 64, 4


class Judge:
    """Knows real images, and says how far others are from them.

    Parameters
    ----------
    directory : str
        Of Fashion-MNIST.
    """

    def __init__(self, directory: str) -> None:
        X, y, X_test, y_test = fashion_mnist(directory)
        X, self._test = X.reshape(-1, 28, 28, 1), X_test.reshape(-1, 28, 28, 1)
        self._net = Sequential(
            [
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(64, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(FEATURES, activation="relu", name="features"),
                layers.Dense(10, activation="softmax"),
            ],
            loss="sparse_categorical_crossentropy",
            optimizer="adam",
            metrics=["accuracy"],
            random_state=0,
        )
        self._net.fit(X, y, epochs=EPOCHS, batch_size=64, verbose=0)
        self.accuracy = self._net.evaluate(self._test, y_test)["accuracy"]
        self._real = self._moments(X[: len(X_test)])

    def of(self, images: Array) -> dict[str, float]:
        """Return the entropy of the classes of images, and their distance from real ones."""
        images = images.reshape(-1, 28, 28, 1)
        counts = np.bincount(self._net.predict(images).argmax(axis=1), minlength=10)
        shares = counts[counts > 0] / counts.sum()
        entropy = float(-(shares * np.log(shares)).sum())
        return {
            "entropy": entropy,
            "distance": _frechet(self._moments(images), self._real),
            "collapsed": int(entropy < math.log(FEW_CLASSES)),
        }

    def of_real(self) -> dict[str, float]:
        """Return the same of test images."""
        return {**self.of(self._test), "accuracy": self.accuracy}

    def _moments(self, images: Array) -> tuple[Array, Array]:
        found = [
            self._net.layer_outputs(part)["features"]
            for part in np.array_split(images, math.ceil(len(images) / 2000))
        ]
        features = np.concatenate(found).astype(np.float64)
        return features.mean(axis=0), np.cov(features, rowvar=False)

    @contextmanager
    def file(self) -> Iterator[str]:
        """Give the path of a file that is gone afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "samples.npy")


def _frechet(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
    """Return the Fréchet distance of two normal distributions (Heusel et al. 2017)."""
    (mean, covariance), (other_mean, other_covariance) = first, second
    # The trace of the root of a product that need not have one: of a feature that is always 0.
    roots = np.sqrt(np.maximum(np.linalg.eigvals(covariance @ other_covariance).real, 0.0))
    squares = ((mean - other_mean) ** 2).sum()
    return float(squares + np.trace(covariance + other_covariance) - 2 * roots.sum())
