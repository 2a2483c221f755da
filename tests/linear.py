"""A linear regression written with the core's own builder: the smallest program that trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganglion import _core

Array = np.ndarray


def training_program(features: int) -> Any:
    """Mean squared error of x @ w against y, and a step of gradient descent.

    Outputs are "loss" and "rows", the size of the batch.
    """
    builder = _core.Builder()
    x = builder.input("x", (None, features))
    y = builder.input("y", (None,))
    w = builder.parameter("w", (features, 1), 0)
    rate = builder.scalar("learning_rate")
    product = builder.apply("matmul", [x, w], {"transpose_a": 0, "transpose_b": 0})
    prediction = builder.apply("reshape", product, {"shape": [1], "batched": 1})
    error = builder.apply("square", builder.apply("subtract", [prediction[0], y], {}), {})
    rows = builder.apply("axis_size", error, {"first": 0, "last": 0})[0]
    loss = builder.apply("divide", [total(builder, error[0]), rows], {})[0]
    builder.output("loss", loss)
    builder.output("rows", rows)
    gradient = builder.gradient(loss, [w])
    builder.section = "update"
    step = builder.apply("multiply", [rate, gradient[0]], {})[0]
    builder.apply("assign", [w, builder.apply("subtract", [w, step], {})[0]], {})
    return builder.finish()


def total(builder: Any, value: int) -> int:
    """The sum over the batch."""
    return builder.apply("reduce_sum", [value], {"first": 0, "last": 0})[0]


def copy_program(shape: tuple[int, ...]) -> Any:
    """Returns its input: what a gather made of it."""
    builder = _core.Builder()
    x = builder.input("x", (None, *shape))
    builder.output("y", builder.apply("add", [x, builder.constant(np.zeros(()))], {})[0])
    return builder.finish()


def moment_program(shape: tuple[int, ...]) -> Any:
    """Output "moment", of this shape: the sum over the batch of x times y."""
    builder = _core.Builder()
    x = builder.input("x", (None, *shape))
    y = builder.input("y", (None,))
    column = builder.apply("reshape", [y], {"shape": [1] * (1 + len(shape)), "batched": 1})[0]
    product = builder.apply("multiply", [x, column], {})[0]
    builder.output("moment", total(builder, product))
    return builder.finish()


class Regression:
    """A linear regression with its weights and its data."""

    def __init__(self, rows: int = 100, features: int = 8, dtype: str = "float32") -> None:
        generator = np.random.default_rng(0)
        self.X = generator.normal(size=(rows, features)).astype(dtype)
        self.y = (self.X @ generator.normal(size=features)).astype(dtype)
        self.weights = _core.Store(features, dtype)
        self.executable = _core.Executable(training_program(features), dtype, self.weights, None)

    def trainer(self, batch_size: int = 32) -> Any:
        return _core.Trainer([_core.Turn([self.executable])], [self.X, self.y], batch_size)

    def run(self, trainer: Any, steps: int, rate: float = 0.05, **settings: Any) -> Any:
        settings = {"step": 0, "seed": 0, **settings}
        return trainer.run(steps, scalars=[{"learning_rate": np.full(steps, rate)}], **settings)

    def fit(self, epochs: int = 3, batch_size: int = 32) -> Array:
        """Train; returns a copy of the weights."""
        trainer = self.trainer(batch_size)
        for epoch in range(epochs):
            trainer.start_epoch(0, epoch)
            self.run(trainer, len(self.X))
        return np.array(self.weights.array)
