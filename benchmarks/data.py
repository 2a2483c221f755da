"""Real data: where it lies, and as arrays."""

from __future__ import annotations

import csv
import os
from functools import cache
from pathlib import Path

import numpy as np

Array = np.ndarray
# X_train, y_train, X_test, y_test: features float32, class numbers int64.
Split = tuple[Array, Array, Array, Array]

# Of Adult's columns; the others hold words, the last the class.
_NUMERIC = (0, 2, 4, 10, 11, 12)


def find_data(name: str) -> Path | None:
    """A folder in `GANGLION_DATA`, or in `shared/data` in a directory above."""
    if "GANGLION_DATA" in os.environ:
        return Path(os.environ["GANGLION_DATA"]) / name
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data" / name
    return None


@cache
def fashion_mnist(directory: str) -> Split:
    """Pixels in [0, 1], (60000, 784) and (10000, 784)."""
    from ganglion import datasets

    data = datasets.read_mnist(directory)
    X, X_test = (
        (images.reshape(len(images), -1) / 255).astype(np.float32)
        for images in (data.X_train, data.X_test)
    )
    return X, data.y_train.astype(np.int64), X_test, data.y_test.astype(np.int64)


def adult(directory: str) -> Split:
    """Numbers as they are, words one-hot; what is missing is a word of its own."""
    from sklearn.preprocessing import OneHotEncoder

    tables = []
    for name in ("adult-train.csv", "adult-test.csv"):
        with open(Path(directory) / name, newline="", encoding="utf-8") as file:
            tables.append(np.array([row for row in csv.reader(file, skipinitialspace=True) if row]))
    words = [column for column in range(tables[0].shape[1] - 1) if column not in _NUMERIC]
    encoder = OneHotEncoder(sparse_output=False, dtype=np.float32, handle_unknown="ignore")
    encoder.fit(tables[0][:, words])
    parts: list[Array] = []
    for table in tables:
        numbers = table[:, _NUMERIC].astype(np.float32)
        parts.append(np.hstack([numbers, encoder.transform(table[:, words])]))
        parts.append(np.char.startswith(table[:, -1], ">50K").astype(np.int64))
    return parts[0], parts[1], parts[2], parts[3]


def digits() -> Split:
    """scikit-learn's 8x8 digits, the last quarter for the test."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    kept = 3 * len(X) // 4
    X = X.astype(np.float32)
    return X[:kept], y[:kept], X[kept:], y[kept:]
