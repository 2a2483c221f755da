"""Windows over images and sequences, channels last: their largest element, their mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ganglion.ops.structure import reshape
from ganglion.tracing import current_trace
from ganglion.value import Value


def per_axis(value: int | Sequence[int], axes: int) -> list[int]:
    """Return a setting for each axis, of which one number stands for all."""
    return [int(value)] * axes if isinstance(value, (int, np.integer)) else [int(v) for v in value]


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """Return how many elements to add before and after, so that windows begin at each stride.

    Keras's and TensorFlow's ``"same"``: where the number is odd, there is one more after.

    Examples
    --------
    >>> same_padding(5, window=3, stride=2), same_padding(6, window=3, stride=2)
    ((1, 1), (0, 1))
    """
    missing = max((-(-size // stride) - 1) * stride + window - size, 0)
    return missing // 2, missing - missing // 2


def max_pool(
    x: Value,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "valid",
) -> Value:
    """Return the largest element of each window, in each channel by itself.

    The first of equal ones gets the gradient, as TensorFlow's does.

    Parameters
    ----------
    x : Value
        Images (None, height, width, channels) or sequences (None, steps, channels).
    pool_size : int or sequence of int
        Size of a window.
    strides : int or sequence of int, optional
        Distance between windows, by default their size.
    padding : {"valid", "same"} or sequence of (int, int)
        Windows within ``x`` alone; or one at each stride; or as many elements more before and after
        each axis, less than a window. What lies outside counts for nothing.

    Raises
    ------
    ValueError
        ``x`` of another rank, or smaller than a window.

    Examples
    --------
    >>> from ganglion.ops import evaluate
    >>> evaluate(lambda x: max_pool(x, 2), np.arange(16.0).reshape(1, 4, 4, 1))[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]])
    """
    return _over_windows("max_pool", x, windows_over("max_pool", x, pool_size, strides, padding))


def average_pool(
    x: Value,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: str | Sequence[tuple[int, int]] = "valid",
) -> Value:
    """Return the mean of each window, in each channel by itself; arguments as for `max_pool`.

    Examples
    --------
    >>> from ganglion.ops import evaluate
    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> evaluate(lambda x: average_pool(x, 2, padding="same"), x)[0, :, :, 0]
    array([[2. , 3.5],
           [6.5, 8. ]])
    """
    windows = windows_over("average_pool", x, pool_size, strides, padding)
    total = _over_windows("window_sum", x, windows)
    counts = _counts(windows, x.shape)
    if np.all(counts == counts[0, 0]):
        return total * float(1.0 / counts[0, 0])
    shares = (1.0 / counts)[..., None]
    return total * (shares if len(x.shape) == 4 else shares[0])


def windows_over(
    place: str,
    x: Value,
    pool_size: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: str | Sequence[tuple[int, int]],
) -> dict[str, list[int]]:
    """Return the attributes that the core takes, for images: a sequence is one of height 1.

    Parameters
    ----------
    place : str
        What errors name.
    x, pool_size, strides, padding
        See :func:`max_pool`.
    """
    axes = len(x.shape) - 2
    if axes not in (1, 2):
        raise ValueError(
            f"[{place}] needs images (None, height, width, channels) or sequences (None, steps, "
            f"channels), got {x.shape}"
        )
    if isinstance(padding, str) and padding not in ("valid", "same"):
        raise ValueError(f"[{place}] padding must be 'valid' or 'same', got {padding!r}")
    window = per_axis(pool_size, axes)
    stride = window if strides is None else per_axis(strides, axes)
    if not len(window) == len(stride) == axes or min(*window, *stride) < 1:
        raise ValueError(
            f"[{place}] pool_size and strides must be positive, one for each of {axes} axes, got "
            f"{pool_size} and {strides}"
        )
    outside = [(0, 0)] * axes
    if not isinstance(padding, str):
        outside = list(padding)
    elif padding == "same":
        sizes = [size or 1 for size in x.shape[1:-1]]
        outside = [same_padding(*one) for one in zip(sizes, window, stride, strict=True)]
    attributes = {
        "window": window,
        "strides": stride,
        "before": [before for before, _ in outside],
        "after": [after for _, after in outside],
    }
    if axes == 1:
        one_row = {"window": 1, "strides": 1, "before": 0, "after": 0}
        attributes = {name: [one_row[name], *value] for name, value in attributes.items()}
    return attributes


def _over_windows(kind: str, x: Value, windows: dict[str, list[int]]) -> Value:
    """Apply a primitive of images to ``x``, which may be a sequence."""
    if len(x.shape) == 4:
        return current_trace().apply(kind, x, **windows)
    batch, steps, channels = x.shape
    y = current_trace().apply(kind, reshape(x, (batch, 1, steps, channels)), **windows)
    return reshape(y, (batch, y.shape[2], channels))


def _counts(windows: dict[str, list[int]], shape: Sequence[int | None]) -> npt.NDArray[np.float64]:
    """Return the number of elements of ``x`` in each window, (down, across)."""
    counts: list[list[float]] = []
    for axis, size in enumerate((1, *shape[1:-1])[-2:]):
        window, stride = windows["window"][axis], windows["strides"][axis]
        before, after = windows["before"][axis], windows["after"][axis]
        inside = np.pad(np.ones(size or 1), (before, after))
        starts = range(0, len(inside) - window + 1, stride)
        counts.append([inside[start : start + window].sum() for start in starts])
    down, across = map(np.asarray, counts)
    return np.outer(down, across)
