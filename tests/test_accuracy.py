"""Real pictures: a plain dense network on Fashion-MNIST reaches what such networks reach."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from ganglion import Sequential, layers, optimizers

Array = np.ndarray


def read_idx(path: Path) -> Array:
    """One gzip-compressed IDX file: the sizes stand in its header."""
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">i4", raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def test_fashion_mnist(data_directory: Path) -> None:
    folder = data_directory / "fashion-mnist"
    x_train, y_train, x_test, y_test = (
        read_idx(folder / f"{part}-{kind}-ubyte.gz")
        for part in ("train", "t10k")
        for kind in ("images-idx3", "labels-idx1")
    )
    net = Sequential(
        [
            layers.Flatten(),
            layers.Rescaling(1 / 255),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(1e-3),
        metrics=["accuracy"],
        random_state=0,
    )
    net.fit(x_train, y_train, epochs=10, batch_size=128, verbose=0)
    assert net.evaluate(x_test, y_test)["accuracy"] >= 0.885
