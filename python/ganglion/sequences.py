"""Parts of long series as samples, without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from ganglion.data import as_array, whole_number

Array = NDArray[Any]


def windows(
    series: ArrayLike | Sequence[ArrayLike],
    window: int,
    horizon: int = 1,
    stride: int = 1,
    target_columns: int | Sequence[int] | None = None,
) -> tuple[Array, Array]:
    """Return each window of a series, and what follows it.

    Both results are views of the series: they take no memory, however much the windows overlap, and
    `Sequential` gathers its batches from them in the core. Writing to them is refused, since it
    would write to the series. Windows of several series are copied into one array, as no view
    reaches from one series to the next; no window does either.

    Parameters
    ----------
    series : array_like of shape (n_steps,) or (n_steps, n_columns), or list of such arrays
        Numbers, one after the other in time.
    window : int
        Steps of a window.
    horizon : int, default=1
        Steps that follow it and are its target. 0 for windows alone: the targets are then empty.
    stride : int, default=1
        Steps from the beginning of a window to that of the next.
    target_columns : int, sequence of int or None, default=None
        Columns of the targets, all by default. One number leaves their axis out. A sequence copies
        these columns of the series once.

    Returns
    -------
    X : ndarray of shape (n_windows, window) or (n_windows, window, n_columns)
        ``n_windows`` is ``(n_steps - window - horizon) // stride + 1``.
    y : ndarray of shape (n_windows, horizon) or (n_windows, horizon, n_targets)

    Raises
    ------
    TypeError
        For what is no number, and settings that are no whole numbers.
    ValueError
        For a series that is shorter than ``window + horizon``, of other dimensions, or, of several,
        of other columns than the first; for settings out of range.

    Examples
    --------
    >>> import numpy as np
    >>> X, y = windows(np.arange(6), window=3, horizon=2)
    >>> X.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [[3, 4], [4, 5]])
    >>> both = np.column_stack([np.arange(6), np.arange(6) * 10])
    >>> X, y = windows(both, window=3, target_columns=1)
    >>> X.shape, y.tolist()
    ((3, 3, 2), [[30], [40], [50]])
    """
    for name, value, minimum in (("window", window, 1), ("horizon", horizon, 0)):
        whole_number("windows", name, value, minimum)
    whole_number("windows", "stride", stride)
    if not is_several(series):
        return _of_one("series", series, window, horizon, stride, target_columns)
    parts = [
        _of_one(f"series {index}", one, window, horizon, stride, target_columns)
        for index, one in enumerate(series)  # type: ignore[arg-type]
    ]
    for index, (X, _) in enumerate(parts):
        if X.shape[1:] != parts[0][0].shape[1:]:
            raise ValueError(
                f"[windows] series {index} must have the columns of the first, "
                f"{parts[0][0].shape[2:]}, got {X.shape[2:]}"
            )
    return np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts])


def is_several(series: Any) -> bool:
    """Tell whether something is a list of series, arrays or frames, and not one as nested lists.

    Examples
    --------
    >>> is_several([np.zeros(3), np.zeros(5)]), is_several([[0.0, 1.0], [0.0, 2.0]])
    (True, False)
    """
    if not isinstance(series, (list, tuple)) or not series:
        return False
    return hasattr(series[0], "shape") and np.ndim(series[0]) > 0


def _of_one(
    name: str,
    series: Any,
    window: int,
    horizon: int,
    stride: int,
    target_columns: int | Sequence[int] | None,
) -> tuple[Array, Array]:
    values = as_array("windows", name, series)
    if values.ndim not in (1, 2):
        raise ValueError(
            f"[windows] {name} must have shape (steps,) or (steps, columns), got {values.shape}"
        )
    if len(values) < window + horizon:
        raise ValueError(
            f"[windows] {name} has {len(values)} steps, window {window} and horizon {horizon} need "
            f"at least {window + horizon}"
        )
    targets = values if target_columns is None else _columns(name, values, target_columns)
    X = _strided(values[: len(values) - horizon], window, stride)
    y = _strided(targets[window:], horizon, stride) if horizon else _empty(targets, len(X))
    return X, y


def _strided(values: Array, length: int, stride: int) -> Array:
    """Return (n, length, ...) of (steps, ...), read-only."""
    view = sliding_window_view(values, length, axis=0)[::stride]
    return view if values.ndim == 1 else view.transpose(0, 2, 1)


def _empty(targets: Array, count: int) -> Array:
    return np.empty((count, 0, *targets.shape[1:]), targets.dtype)


def _columns(name: str, values: Array, target_columns: int | Sequence[int]) -> Array:
    if values.ndim == 1:
        raise ValueError(
            f"[windows] target_columns must be None for {name}, which has shape {values.shape}"
        )
    given = np.asarray(target_columns)
    if given.ndim > 1 or given.dtype.kind not in "iu" or not given.size:
        raise TypeError(
            f"[windows] target_columns must be a column's number or several, got {target_columns!r}"
        )
    outside = (given < 0) | (given >= values.shape[1])
    if outside.any():
        raise ValueError(
            f"[windows] target_columns must be from 0 to {values.shape[1] - 1}, got "
            f"{target_columns!r}"
        )
    return values[:, target_columns]
