"""Weights that belong to some axes of a sample."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import ops
from ganglion.errors import place
from ganglion.layers.base import Layer
from ganglion.ops.structure import normalize_axes
from ganglion.value import Value


def feature_axes(owner: Layer, x: Value, axis: int | Sequence[int] | None) -> list[int]:
    """Return the axes of ``x`` that a layer names, counted from the front; none for None.

    Raises
    ------
    ValueError
        ``x`` has no such axis, or it is the batch.
    """
    if axis is None:
        return []
    axes = normalize_axes(type(owner).__name__, x, axis)
    if 0 in axes:
        raise ValueError(f"{place(owner)} axis {axis} names the batch of {x.shape}")
    return axes


def sizes_along(x: Value, axes: Sequence[int]) -> list[int]:
    """Return the sizes of ``x`` along axes that are not the batch."""
    return [size for axis, size in enumerate(x.shape) if axis in axes and size is not None]


def spread(weight: Value, x: Value, axes: Sequence[int]) -> Value:
    """Shape a weight over some axes of ``x`` so that it broadcasts against ``x``."""
    first = min(axes, default=len(x.shape))
    sizes = [size or 1 if axis in axes else 1 for axis, size in enumerate(x.shape)]
    return ops.reshape(weight, sizes[first:])
