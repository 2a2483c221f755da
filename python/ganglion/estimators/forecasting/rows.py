"""How series become the samples of a network, and its outputs forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganglion.sequences import windows

Array = NDArray[Any]


class Forecasts(NamedTuple):
    """Forecasts of a series from several of its steps, and what came.

    Attributes
    ----------
    origins : ndarray of shape (n_forecasts,)
        Step of the series that each forecast begins with.
    predicted : ndarray of shape (n_forecasts, horizon) or (n_forecasts, horizon, n_channels)
        The forecasts, medians where there are quantiles.
    actual : ndarray of the same shape
        What came.
    quantiles : ndarray of shape (..., n_quantiles) or None
        Of each number forecast, in the order of the forecaster's ``quantiles``.
    parts : ndarray of shape (n_forecasts,)
        Number of the part of a back-test that each is of; 0 without one.

    Examples
    --------
    >>> Forecasts(
    ...     origins=np.array([8, 10]),
    ...     predicted=np.array([[1.0, 2.0], [3.0, 4.0]]),
    ...     actual=np.array([[1.0, 3.0], [3.0, 1.0]]),
    ...     quantiles=None,
    ...     parts=np.array([0, 1]),
    ... )
    Forecasts(n_forecasts=2, horizon=2, mae=[0.5, 1.5], mse=[0.5, 4.5])
    """

    origins: Array
    predicted: Array
    actual: Array
    quantiles: Array | None
    parts: Array

    @property
    def mae(self) -> list[float]:
        """Mean absolute error of each part, over its steps and channels."""
        return self._by_part(np.abs(self.predicted - self.actual))

    @property
    def mse(self) -> list[float]:
        """Mean squared error of each part, over its steps and channels."""
        return self._by_part(np.square(self.predicted - self.actual))

    def _by_part(self, errors: Array) -> list[float]:
        return [float(errors[self.parts == part].mean()) for part in np.unique(self.parts)]

    def __repr__(self) -> str:
        channels = f", n_channels={self.actual.shape[2]}" if self.actual.ndim == 3 else ""
        mae, mse = (", ".join(f"{one:.4g}" for one in errors) for errors in (self.mae, self.mse))
        return (
            f"Forecasts(n_forecasts={len(self.origins)}, horizon={self.actual.shape[1]}{channels}, "
            f"mae=[{mae}], mse=[{mse}])"
        )


@dataclass(frozen=True)
class Rows:
    """Rows of a network's inputs and targets, for series of shape (n_steps, channels).

    Attributes
    ----------
    window, horizon, channels : int
        Steps seen and forecast, numbers of a step.
    independent : bool
        Whether each channel is a row of its own.
    quantiles : list of float or None
        That are learned for each number.
    scaler : transformer or None
        Of the channels, fitted.
    dtype : {"float32", "float64"}
        Of the network.
    """

    window: int
    horizon: int
    channels: int
    independent: bool
    quantiles: list[float] | None
    scaler: Any
    dtype: str

    def scaled(self, array: Array) -> Array:
        """Return a series as the network sees it, contiguous: what windows are views of."""
        values = array if self.scaler is None else self.scaler.transform(array)
        scaled: Array = np.ascontiguousarray(values, dtype=self.dtype)
        return scaled

    def samples(self, scaled: Array) -> tuple[Array, Array]:
        """Return inputs (n, window, features) and targets (n, outputs) of a scaled series.

        These stay views: the axes that are joined lie behind each other in the series.
        """
        X, y = windows(scaled, self.window, self.horizon)
        targets = y.transpose(0, 2, 1).reshape(-1, self.horizon) if self.independent else y
        return self.inputs(X), targets.reshape(len(targets), -1)

    def inputs(self, X: Array) -> Array:
        """Return inputs (n, window, features) of scaled windows (n, window, channels)."""
        if not self.independent:
            return X
        rows: Array = X.transpose(0, 2, 1).reshape(-1, self.window, 1)
        return rows

    def split(
        self, arrays: Sequence[Array], held: Sequence[int]
    ) -> tuple[tuple[Array, Array], tuple[Array, Array] | None]:
        """Return samples to train on, and, where steps at the ends are held out, to validate on.

        Targets are held out as a whole or not at all; what is seen before them may reach back.
        """
        training, validation = [], []
        for array, end in zip(arrays, held, strict=True):
            scaled = self.scaled(array)
            cut = len(array) - end
            training.append(self.samples(scaled[:cut]))
            if end:
                validation.append(self.samples(scaled[cut - self.window :]))
        return _joined(training), _joined(validation) if validation else None

    def forecasts(self, outputs: Array) -> Array:
        """Return (n, horizon, channels, levels), unscaled, of what the network puts out."""
        levels = len(self.quantiles or [0.5])
        values = outputs.astype(np.float64)
        if self.independent:
            values = values.reshape(-1, self.channels, self.horizon, levels).transpose(0, 2, 3, 1)
        else:
            values = values.reshape(-1, self.horizon, self.channels, levels).swapaxes(2, 3)
        if self.scaler is not None:
            flat = self.scaler.inverse_transform(values.reshape(-1, self.channels))
            values = flat.reshape(values.shape)
        if self.quantiles is not None:
            # Quantiles that are learned one by one may cross.
            values = np.sort(values, axis=2)[:, :, np.argsort(np.argsort(self.quantiles))]
        forecasts: Array = values.swapaxes(2, 3)
        return forecasts

    def points(self, forecasts: Array) -> Array:
        """Return the forecasts proper, (n, horizon, channels): the medians of quantiles."""
        median: Array = forecasts[..., self.quantiles.index(0.5) if self.quantiles else 0]
        return median


def _joined(samples: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    if len(samples) == 1:
        return samples[0]
    return np.concatenate([X for X, _ in samples]), np.concatenate([y for _, y in samples])
