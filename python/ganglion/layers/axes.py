"""Weights that belong to some axes of a sample."""

from __future__ import annotations

from collections.abc import Sequence

from ganglion import ops
from ganglion.value import Value


def sizes_along(x: Value, axes: Sequence[int]) -> list[int]:
    """Return the sizes of ``x`` along axes that are not the batch."""
    return [size for axis, size in enumerate(x.shape) if axis in axes and size is not None]


def spread(weight: Value, x: Value, axes: Sequence[int]) -> Value:
    """Shape a weight over some axes of ``x`` so that it broadcasts against ``x``."""
    first = min(axes, default=len(x.shape))
    sizes = [size or 1 if axis in axes else 1 for axis, size in enumerate(x.shape)]
    return ops.reshape(weight, sizes[first:])
