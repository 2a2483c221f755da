"""Weights of samples, or of their steps, beside the values that they count."""

from __future__ import annotations

from ganglion import ops
from ganglion.value import Value


def axes_beyond(weight: Value, values: Value) -> list[int]:
    """Return the axes of values, (batch, ...), that their weights do not have.

    Raises
    ------
    ValueError
        Weights of steps, where the values have none.
    """
    if len(values.shape) < len(weight.shape):
        raise ValueError(
            f"[metrics] values of sequences with padding must be (None, steps, ...), got "
            f"{values.shape}"
        )
    return list(range(len(weight.shape), len(values.shape)))


def aligned(weight: Value, values: Value) -> Value:
    """Return weights (batch, ..., 1, ...), with as many axes as the values they multiply."""
    return ops.reshape(weight, (*weight.shape, *[1] * len(axes_beyond(weight, values))))
