"""Statistics of data that comes in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class RunningStatistics:
    """Mean, variance, minimum and maximum over all batches, in float64.

    Batches are joined by the formula of Chan, Golub & LeVeque (1979), which loses no digits when
    the mean is far from 0.

    Parameters
    ----------
    axis : int, sequence of int or None
        Axes that keep statistics of their own.

    Attributes
    ----------
    samples : int
        Length of all batches together.
    mean, variance, minimum, maximum : ndarray
        With the sizes of ``axis``. The variance is the biased one.

    Examples
    --------
    >>> statistics = RunningStatistics(axis=-1)
    >>> for batch in ([[1.0, 2.0]], [[3.0, 2.0], [5.0, 2.0]]):
    ...     statistics.update(np.array(batch))
    >>> statistics.mean, statistics.maximum
    (array([3., 2.]), array([5., 2.]))
    """

    def __init__(self, axis: int | Sequence[int] | None) -> None:
        self._axis = axis
        self.samples = 0
        self._count = 0  # elements behind each statistic
        self.mean: Array = np.zeros(())
        self._squares: Array = np.zeros(())  # sum of squared deviations from the mean
        self.minimum: Array = np.full((), np.inf)
        self.maximum: Array = np.full((), -np.inf)

    @property
    def variance(self) -> Array:
        """Mean squared deviation."""
        return self._squares / self._count

    def update(self, batch: npt.NDArray[Any]) -> None:
        """Add a batch, (samples, ...)."""
        values = np.asarray(batch, dtype=np.float64)
        if not len(values):
            return
        kept = () if self._axis is None else np.atleast_1d(self._axis) % values.ndim
        reduced = tuple(axis for axis in range(values.ndim) if axis not in kept)
        mean = values.mean(axis=reduced, keepdims=True)
        squares = np.square(values - mean).sum(axis=reduced)
        mean = np.squeeze(mean, axis=reduced)

        count = values.size // max(mean.size, 1)
        total = self._count + count
        difference = mean - self.mean
        self._squares = self._squares + squares + difference**2 * (self._count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.minimum = np.minimum(self.minimum, values.min(axis=reduced))
        self.maximum = np.maximum(self.maximum, values.max(axis=reduced))
        self._count = total
        self.samples += len(values)
