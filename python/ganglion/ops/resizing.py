"""Images in another size, channels last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ganglion.ops.products import matmul
from ganglion.ops.program import constant
from ganglion.ops.resampling import resample
from ganglion.ops.structure import broadcast_to, reshape, transpose
from ganglion.tracing import current_trace
from ganglion.value import Value


def resize(x: Value, size: Sequence[int], interpolation: str = "bilinear") -> Value:
    """Return images in another size.

    The centres of the outermost pixels lie half a pixel within the image, before and after; nothing
    is smoothed where the image becomes smaller.

    Parameters
    ----------
    x : Value
        (None, height, width, channels)
    size : sequence of int
        New height and width.
    interpolation : {"bilinear", "nearest"}
        Between the four pixels around a place, or the nearest of them.

    Raises
    ------
    ValueError
        ``x`` of another rank, or an unknown interpolation.

    Examples
    --------
    >>> from ganglion.ops import evaluate
    >>> x = np.array([0.0, 4.0]).reshape(1, 1, 2, 1)
    >>> evaluate(lambda x: resize(x, (1, 4)), x).ravel()
    array([0., 1., 3., 4.])
    >>> evaluate(lambda x: resize(x, (1, 4), "nearest"), x).ravel()
    array([0., 0., 4., 4.])
    """
    if len(x.shape) != 4:
        raise ValueError(f"[resize] needs images (None, height, width, channels), got {x.shape}")
    if interpolation not in ("bilinear", "nearest"):
        raise ValueError(
            f"[resize] interpolation must be 'bilinear' or 'nearest', got {interpolation!r}"
        )
    before = [length or 1 for length in x.shape[1:3]]
    if before == list(size):
        return x
    if interpolation == "nearest" and all(n % b == 0 for n, b in zip(size, before, strict=True)):
        return _repeated(x, size, [n // b for n, b in zip(size, before, strict=True)])
    if interpolation == "bilinear":
        matrix = constant(places_between(before, size))
        return resample(x, broadcast_to(matrix, (None, 6)), size, fill_mode="nearest")
    down, across = (_nearest(*one) for one in zip(before, size, strict=True))
    # A product runs over the last axis, so each axis comes there in turn.
    rows = matmul(_in_order(x, (0, 1, 3, 2)), constant(across))
    columns = matmul(_in_order(rows, (0, 2, 3, 1)), constant(down))
    return _in_order(columns, (0, 3, 2, 1))


def _repeated(x: Value, size: Sequence[int], factors: Sequence[int]) -> Value:
    factors, nothing = list(factors), [0, 0]
    windows = {"window": factors, "strides": factors, "before": nothing, "after": nothing}
    return current_trace().apply("window_spread", x, **windows, size=list(size))


def places_between(before: Sequence[int], after: Sequence[int]) -> tuple[float, ...]:
    """Return the matrix of `resample` from one height and width to others, the same for all images.

    Examples
    --------
    >>> places_between((4, 4), (2, 4))
    (1.0, 0.0, 0.0, 0.0, 2.0, 0.5)
    """
    down, across = (b / a for b, a in zip(before, after, strict=True))
    return (across, 0.0, (across - 1) / 2, 0.0, down, (down - 1) / 2)


def _nearest(before: int, after: int) -> npt.NDArray[np.float64]:
    """Return (before, after), 1 where a pixel is the nearest to a new one."""
    places = (np.arange(after) + 0.5) * (before / after)
    chosen: npt.NDArray[np.float64] = np.eye(before)[:, np.minimum(places.astype(int), before - 1)]
    return chosen


def _in_order(x: Value, order: Sequence[int]) -> Value:
    """Return ``x`` with its axes in another order; nothing is moved where all but one are 1."""
    long = [axis for axis in order if x.shape[axis] != 1]
    if long == sorted(long):
        return reshape(x, [x.shape[axis] for axis in order])
    return transpose(x, order)
