"""Scaling by statistics that are learned from the data before training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ganglion import ops
from ganglion.errors import as_tuple, check_axes, check_boolean, check_choice, check_numbers
from ganglion.layers.axes import sizes_along, spread
from ganglion.layers.base import Layer, LayerSettings
from ganglion.layers.statistics import RunningStatistics
from ganglion.value import Value

if TYPE_CHECKING:
    from typing_extensions import Unpack

# What Keras divides by at least.
SMALLEST_SCALE = 1e-7


class Normalization(Layer):
    """Scale features by statistics of the data, learned before training or given.

    ``(x - mean) / max(sqrt(variance), 1e-7)``, or with ``method="minmax"``
    ``(x - minimum) / max(maximum - minimum, 1e-7)``, which brings the data into [0, 1].

    Weights, none of them trained, unless mean and variance are given: ``mean``, ``variance`` and
    ``count``, or ``minimum``, ``maximum`` and ``count``, where ``count`` is the number of samples
    adapted to (Keras leaves it 0).

    Parameters
    ----------
    axis : int, sequence of int or None
        Axes with statistics of their own; None has one for all. Not the batch.
    mean, variance : float or array_like, optional
        Given statistics, both or none; arrays as large as ``axis``.
    invert : bool
        Undo the scaling instead.
    method : {"standard", "minmax"}
        Ours, Keras has the first only.
    **settings
        ``name``, ``trainable``, ``activity_regularizer``, see :class:`Layer`.

    Examples
    --------
    >>> ops.evaluate(Normalization(mean=[1.0, 2.0], variance=4.0), [[3.0, 2.0]])
    array([[1., 0.]])
    """

    keeps_mask = True

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: npt.ArrayLike | None = None,
        variance: npt.ArrayLike | None = None,
        invert: bool = False,
        method: str = "standard",
        **settings: Unpack[LayerSettings],
    ) -> None:
        super().__init__(**settings)
        self.axis = as_tuple(axis)
        self.mean = mean
        self.variance = variance
        self.invert = invert
        self.method = method
        check_axes(self, "axis")
        check_boolean(self, "invert")
        check_choice(self, ("standard", "minmax"), "method")
        if (mean is None) != (variance is None):
            raise ValueError("[Normalization] mean and variance must be given together")
        if mean is not None and variance is not None:
            check_numbers(self, "mean", "variance")
            if np.any(np.asarray(variance) < 0):
                raise ValueError(f"[Normalization] variance must not be negative, got {variance!r}")
            if method != "standard":
                raise ValueError('[Normalization] mean and variance go with method="standard" only')

    @classmethod
    def examples(cls) -> list[Normalization]:
        return [
            cls(mean=0.5, variance=4.0),
            cls(mean=1.0, variance=0.25, invert=True),
            cls(method="minmax"),
        ]

    @property
    def needs_adapt(self) -> bool:
        """Whether statistics are to be learned."""
        return self.mean is None

    def build(self, x: Value) -> Value:
        axes = ops.feature_axes(type(self).__name__, x, self.axis)
        if self.mean is not None:
            sizes = sizes_along(x, axes)
            offset = self._given(self.mean, "mean", sizes)
            scale = ops.sqrt(self._given(self.variance, "variance", sizes))
        elif self.method == "standard":
            offset = self._statistic("mean", x, axes, "zeros")
            scale = ops.sqrt(self._statistic("variance", x, axes, "ones"))
        else:
            offset = self._statistic("minimum", x, axes, "zeros")
            scale = self._statistic("maximum", x, axes, "ones") - offset
        if self.mean is None:
            self.add_weight("count", (), "zeros", trainable=False)
        offset, scale = spread(offset, x, axes), spread(scale, x, axes)
        scale = ops.maximum(scale, SMALLEST_SCALE)
        return x * scale + offset if self.invert else (x - offset) / scale

    def _given(self, number: Any, name: str, sizes: list[int]) -> Value:
        try:
            return ops.constant(np.broadcast_to(np.asarray(number, dtype=np.float64), sizes))
        except ValueError as error:
            raise ValueError(f"[Normalization] {name} {number!r} needs shape {sizes}") from error

    def _statistic(self, name: str, x: Value, axes: list[int], initial: str) -> Value:
        return self.add_weight(name, sizes_along(x, axes), initial, trainable=False)

    def adapt(self, batches: Iterable[npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
        """Return the statistics of the data, in float64.

        Parameters
        ----------
        batches : iterable of ndarray
            (samples, ...) each.

        Raises
        ------
        TypeError
            One array in the place of batches.
        ValueError
            No samples, or a batch without features.

        Examples
        --------
        >>> statistics = Normalization().adapt([np.array([[1.0], [3.0]]), np.array([[5.0]])])
        >>> {name: value.round(3).tolist() for name, value in statistics.items()}
        {'mean': [3.0], 'variance': [2.667], 'count': 3.0}
        """
        if isinstance(batches, np.ndarray):
            raise TypeError(
                "[Normalization] adapt takes batches, and not one array: pass [X] for a batch of "
                f"all samples, got shape {batches.shape}"
            )
        statistics = RunningStatistics(self.axis)
        for batch in batches:
            if np.ndim(batch) < 2:
                raise ValueError(
                    "[Normalization] adapt needs batches of shape (samples, ...), got "
                    f"{np.shape(batch)}"
                )
            statistics.update(batch)
        if statistics.samples == 0:
            raise ValueError("[Normalization] cannot adapt to no samples")
        count = np.array(float(statistics.samples))
        if self.method == "standard":
            return {"mean": statistics.mean, "variance": statistics.variance, "count": count}
        return {"minimum": statistics.minimum, "maximum": statistics.maximum, "count": count}
