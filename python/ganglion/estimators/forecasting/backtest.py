"""Forecasts of parts of a series by networks that were trained on what lies before them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ganglion.estimators.forecasting.rows import Forecasts


def backtest(forecaster: Any, series: NDArray[Any], splits: Any, stride: int) -> Forecasts:
    """Return the forecasts of all test parts, in the order of time.

    Parameters
    ----------
    forecaster : NeuralForecaster
        Copies of which are trained, each on the steps before a part.
    series : ndarray of shape (n_steps,) or (n_steps, n_channels)
        Finite numbers.
    splits : TimeSeriesSplit
        Which parts there are.
    stride : int
        Steps from one forecast to the next within a part.

    Raises
    ------
    ValueError
        For parts that are too short to train on or to forecast.
    """
    window, horizon = forecaster.window, forecaster.horizon
    parts = []
    for number, (train, test) in enumerate(splits.split(series)):
        if len(train) < window + horizon or len(test) < horizon:
            raise ValueError(
                f"[NeuralForecaster] backtest needs at least {window + horizon} steps to train on "
                f"and {horizon} to forecast, got {len(train)} and {len(test)} in the part that "
                f"begins with step {test[0]}"
            )
        first = int(test[0]) - window
        model = clone(forecaster).fit(series[train])
        part = model.forecast_windows(series[first : int(test[-1]) + 1], stride)
        parts.append(part._replace(origins=part.origins + first, parts=part.parts + number))
    quantiles = [part.quantiles for part in parts if part.quantiles is not None]
    return Forecasts(
        np.concatenate([part.origins for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.actual for part in parts]),
        np.concatenate(quantiles) if quantiles else None,
        np.concatenate([part.parts for part in parts]),
    )
