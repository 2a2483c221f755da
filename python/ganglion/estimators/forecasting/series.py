"""The gate of the forecaster: series as arrays of steps and channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganglion.data import as_array, check_finite
from ganglion.frames import check_feature_names, column_names, feature_names, frame_array, is_frame
from ganglion.sequences import is_several

Array = NDArray[Any]


@dataclass(frozen=True)
class SeriesSet:
    """Series as they were given, each as an array of shape (n_steps, n_channels).

    Attributes
    ----------
    arrays : list of ndarray
        Views of the user's arrays.
    several : bool
        Whether a list was given, so that a list is to be returned.
    flat : bool
        Whether they had one axis, so that forecasts are to have one.
    names : list of str or None
        Columns of a frame.
    """

    arrays: list[Array]
    several: bool
    flat: bool
    names: list[str] | None

    @property
    def channels(self) -> int:
        """How many numbers a step has."""
        return int(self.arrays[0].shape[1])

    def shaped(self, forecasts: Array) -> Any:
        """Return forecasts (n_series, horizon, channels, ...) in the form the series had."""
        shaped = forecasts[:, :, 0] if self.flat else forecasts
        return list(shaped) if self.several else shaped[0]


def check_series(
    owner: str, series: Any, least: int, channels: int | None = None, names: Any = None
) -> SeriesSet:
    """Return one series or several as arrays of equally many channels.

    Parameters
    ----------
    owner : str
        Named in errors.
    series : array_like or frame of shape (n_steps,) or (n_steps, n_channels), or list of such
        Finite numbers.
    least : int
        Steps that each must have.
    channels : int, optional
        That each must have; those of the first by default.
    names : sequence of str, optional
        Columns that a frame must have.

    Raises
    ------
    TypeError
        When they are no numbers.
    ValueError
        For no series, one that is too short, of other channels or not finite, naming which.
    """
    several = is_several(series)
    given: Sequence[Any] = series if several else [series]
    arrays = []
    for index, one in enumerate(given):
        name = f"series {index}" if several else "series"
        array = frame_array(owner, name, one) if is_frame(one) else as_array(owner, name, one)
        if array.ndim not in (1, 2):
            raise ValueError(
                f"[{owner}] {name} must have shape (steps,) or (steps, channels), got {array.shape}"
            )
        check_feature_names(owner, one, names)
        check_finite(owner, name, array, columns=column_names(one))
        if len(array) < least:
            raise ValueError(f"[{owner}] {name} has {len(array)} steps and needs at least {least}")
        array = array[:, np.newaxis] if array.ndim == 1 else array
        channels = array.shape[1] if channels is None else channels
        if array.shape[1] != channels or not channels:
            raise ValueError(
                f"[{owner}] {name} must have {channels or 'some'} channels, got {array.shape[1]}"
            )
        arrays.append(array)
    flat = all(np.ndim(one) == 1 for one in given)
    return SeriesSet(arrays, several, flat, feature_names(given[0]))
