"""Two small networks and data for them, which the tests of `Sequential` share."""

from __future__ import annotations

import numpy as np

from ganglion import Sequential, layers

_rng = np.random.default_rng(0)
X = _rng.normal(size=(100, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def classifier(**settings) -> Sequential:
    settings = {"loss": "sparse_categorical_crossentropy", "random_state": 0, **settings}
    return Sequential(
        [layers.Dense(8, activation="relu"), layers.Dense(2, activation="softmax")], **settings
    )


def linear(**settings) -> Sequential:
    settings = {"loss": "mse", "random_state": 0, "dtype": "float64", **settings}
    return Sequential([layers.Dense(1)], **settings)


def assert_same_weights(a: Sequential, b: Sequential) -> None:
    for left, right in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
