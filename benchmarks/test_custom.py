"""Layers of one's own beside those built in, and bodies of NumPy beside primitives.

``pytest benchmarks -k custom``
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import Sequential, layers, ops, optimizers

ROWS, BATCH_SIZE, INPUTS, UNITS = 6400, 64, 64, 128
EPOCHS = 4


class OwnDense(layers.Layer):
    """As `layers.Dense(units, "relu")`."""

    def __init__(self, units: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.units = units

    def build(self, x: Any) -> Any:
        kernel = self.add_weight("kernel", (x.shape[-1], self.units))
        return ops.relu(x @ kernel + self.add_weight("bias", (self.units,), initializer="zeros"))


def forward(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, np.float32(0.0))


def backward(d_y: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return d_y * (x > 0)


CHAINS = {
    "built in": lambda: [layers.Dense(UNITS, "relu"), layers.Dense(UNITS, "relu")],
    "own": lambda: [OwnDense(UNITS), OwnDense(UNITS)],
    "numpy": lambda: [
        layers.Dense(UNITS),
        layers.Function(forward, backward),
        layers.Dense(UNITS, "relu"),
    ],
}


@pytest.mark.parametrize("name", CHAINS)
def test_custom_layer(benchmark: Any, name: str) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, INPUTS)).astype(np.float32)
    y = draw.integers(0, 10, ROWS)
    net = Sequential(
        [*CHAINS[name](), layers.Dense(10, activation="softmax")],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.Adam(1e-3),
        random_state=0,
    )
    net.fit(x, y, batch_size=BATCH_SIZE, verbose=0)
    settings = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "verbose": 0}
    benchmark.pedantic(net.fit, args=(x, y), kwargs=settings, rounds=15, warmup_rounds=1)
    step = benchmark.stats.stats.median / (EPOCHS * ROWS // BATCH_SIZE)
    benchmark.extra_info["microseconds a step"] = round(step * 1e6, 2)
