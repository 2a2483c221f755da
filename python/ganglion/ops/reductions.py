"""Reductions over axes, with NumPy's arguments.

The core reduces a run of neighbouring axes; other sets of axes are a reduction for each run. Where
the batch is among them the result belongs to the whole batch, and its size is known only at run
time.
"""

from __future__ import annotations

from collections.abc import Sequence

from ganglion.ops.elementwise import exp, log, sqrt, square
from ganglion.ops.structure import normalize_axes, restore_axes
from ganglion.tracing import current_trace
from ganglion.value import Value

Axes = int | Sequence[int] | None


def _runs(axes: Sequence[int]) -> list[tuple[int, int]]:
    """Group neighbouring axes, last run first: reducing one leaves the others where they were."""
    runs: list[tuple[int, int]] = []
    for axis in reversed(axes):
        if runs and runs[-1][0] == axis + 1:
            runs[-1] = (axis, runs[-1][1])
        else:
            runs.append((axis, axis))
    return runs


def _reduce(kind: str, x: Value, axis: Axes, keepdims: bool) -> Value:
    axes = normalize_axes(kind, x, axis)
    reduced = x
    for first, last in _runs(axes):
        reduced = current_trace().apply(kind, reduced, first=first, last=last)
    return restore_axes(reduced, x, axes) if keepdims else reduced


def sum(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the sum over axes.

    Parameters
    ----------
    x : Value
        Any shape.
    axis : int or sequence of int, optional
        Axes to sum over; all of them by default, the batch included.
    keepdims : bool
        Keep the axes, with size 1, so that the result broadcasts against ``x``.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: sum(x, axis=-1), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([3., 7.])
    """
    return _reduce("reduce_sum", x, axis, keepdims)


def max(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the largest element over axes; arguments as for :func:`sum`.

    Equal maxima share the gradient evenly.
    """
    return _reduce("reduce_max", x, axis, keepdims)


def min(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the smallest element over axes; arguments as for :func:`sum`."""
    return -max(-x, axis, keepdims)


def axis_size(x: Value, axis: Axes = None) -> Value:
    """Return the number of elements along axes as a scalar, the batch as it is at run time."""
    size = current_trace().constant(1.0)
    for first, last in _runs(normalize_axes("axis_size", x, axis)):
        size = current_trace().apply("axis_size", x, first=first, last=last) * size
    return size


def mean(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the mean over axes; arguments as for :func:`sum`.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: x - mean(x, axis=0), np.array([[1.0, 2.0], [3.0, 6.0]]))
    array([[-1., -2.],
           [ 1.,  2.]])
    """
    return sum(x, axis, keepdims) / axis_size(x, axis)


def variance(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the mean squared deviation from the mean (biased); arguments as for :func:`sum`."""
    deviation = x - mean(x, axis, keepdims=True)
    return sum(square(deviation), axis, keepdims) / axis_size(x, axis)


def std(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return the standard deviation (biased); arguments as for :func:`sum`."""
    return sqrt(variance(x, axis, keepdims))


def logsumexp(x: Value, axis: Axes = None, keepdims: bool = False) -> Value:
    """Return ``log(sum(exp(x)))``, which does not overflow; arguments as for :func:`sum`."""
    largest = current_trace().apply("stop_gradient", max(x, axis, keepdims=True))
    kept = log(sum(exp(x - largest), axis, keepdims=True)) + largest
    return kept if keepdims else sum(kept, axis)
