"""The gradient as one flat vector, and its clipping."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import ops
from ganglion.tracing import current_trace
from ganglion.value import Value


def packed(gradients: Sequence[Value]) -> Value:
    """Return the gradients of all weights as one vector, laid out as the weights are."""
    return current_trace().apply("pack", *gradients)


def clipped(
    gradient: Value,
    parts: Sequence[Value],
    clipnorm: float | None,
    clipvalue: float | None,
    global_clipnorm: float | None,
) -> Value:
    """Return the packed gradient, clipped in the one way that is not None.

    Parameters
    ----------
    gradient : Value, shape (P,)
        The packed gradient.
    parts : sequence of Value
        The same for each weight, in its shape.
    clipnorm, clipvalue, global_clipnorm : float or None
        As for `Optimizer`.
    """
    if clipnorm is not None:
        return packed([_scaled_down(part, clipnorm) for part in parts])
    if global_clipnorm is not None:
        return _scaled_down(gradient, global_clipnorm)
    if clipvalue is not None:
        return ops.clip(gradient, -clipvalue, clipvalue)
    return gradient


def _scaled_down(gradient: Value, norm: float) -> Value:
    length = ops.sqrt(ops.sum(ops.square(gradient)))
    return gradient * (norm / ops.maximum(length, norm))
