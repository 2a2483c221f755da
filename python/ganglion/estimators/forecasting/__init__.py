"""Forecasts of series: a network behind fit and predict, with scaling, quantiles and back-tests."""

from __future__ import annotations

from ganglion.estimators.forecasting.forecaster import NeuralForecaster
from ganglion.estimators.forecasting.rows import Forecasts

__all__ = ["Forecasts", "NeuralForecaster"]
