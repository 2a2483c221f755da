"""A network that goes on with series."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import r2_score
from sklearn.model_selection import TimeSeriesSplit
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted

from ganglion import losses, optimizers
from ganglion.arguments import names_arguments
from ganglion.callbacks import Callback
from ganglion.errors import check_boolean, check_choice, check_count, check_fraction
from ganglion.estimators.base import ELSEWHERE, ELSEWHERE_IN_FIT, Head, HeldOut, NeuralEstimator
from ganglion.estimators.failing import left_whole
from ganglion.estimators.forecasting.backtest import backtest
from ganglion.estimators.forecasting.rows import Forecasts, Rows
from ganglion.estimators.forecasting.series import SeriesSet, check_series
from ganglion.estimators.tasks import epoch_tasks, with_callbacks
from ganglion.layers import Flatten, Layer
from ganglion.sequences import windows

Array = NDArray[Any]

_SCALERS: dict[str, Callable[[], Any]] = {"standard": StandardScaler, "robust": RobustScaler}


class NeuralForecaster(NeuralEstimator):
    """Forecast the next steps of series from their last ones.

    A network sees ``window`` steps and puts out all of the ``horizon`` that follow. It is trained
    on every window there is, read in place from the scaled series; of several series the windows
    are copied. Without hidden layers it is one linear layer over the window, trained like any
    network, which is hard to beat on many series (Zeng et al. 2023).

    Parameters
    ----------
    layers : sequence of int or Layer, default=()
        The hidden layers. They see samples of ``window`` steps and, where ``channel_independent``
        is False, ``n_channels`` features, else one. A number is the width of a `layers.Dense` over
        all that the layers before put out; a layer is taken as it is.
    window : int, default=96
        Steps that a forecast is made from.
    horizon : int, default=24
        Steps that are forecast.
    quantiles : sequence of float or None, default=None
        Learn these quantiles of each number, 0.5 among them, in the place of its mean, by the
        pinball loss: ``(0.05, 0.5, 0.95)`` gives intervals that nine of ten numbers should be in.
    scaling : {"standard", "robust"} or None, default="standard"
        Of each channel, learned from what is trained on: mean 0 and deviation 1, or median 0 and
        interquartile range 1. Forecasts are scaled back.
    channel_independent : bool, default=True
        Whether each channel is forecast from its own past, by the same network for all, or all from
        all.
    activation, dropout, kernel_regularizer, optimizer, learning_rate, shuffle, patience, \
min_delta, metrics, callbacks, warm_start, memory, random_state, dtype, device, verbose
        As in `NeuralClassifier`. With ``warm_start`` the scaling stays, too.
    loss : "auto", str or Loss, default="auto"
        ``"auto"`` is the mean squared error, or the pinball loss with ``quantiles``.
    epochs : int, default=20
        Passes over the windows.
    batch_size : int or None, default=64
        Windows of one update; with ``channel_independent`` those of each channel count.
    early_stopping : bool, default=False
        Whether to hold out the end of each series, to stop when the loss there no longer falls, and
        to keep the best weights. Forecasts that are validated lie wholly within the end, those that
        are trained on wholly before it.
    validation_fraction : float, default=0.1
        Share of the steps of each series that early stopping holds out, (0, 1).

    Attributes
    ----------
    network_ : Sequential
        The trained network.
    scaler_ : StandardScaler, RobustScaler or None
        scikit-learn's, fitted.
    history_ : dict of str to list of float
        Loss and metrics after each epoch, of scaled numbers.
    loss_ : float
        Mean training loss of the last epoch.
    n_iter_ : int
        Epochs trained.
    n_channels_ : int
        Numbers of a step.
    n_outputs_ : int
        Numbers that the network forecasts at once.
    feature_names_in_ : list of str or None
        Names of the channels, where the series was a frame.

    Examples
    --------
    >>> import numpy as np
    >>> from ganglion import NeuralForecaster
    >>> hours = np.arange(2000)
    >>> load = 50 + 10 * np.sin(hours * 2 * np.pi / 24)
    >>> model = NeuralForecaster(window=48, horizon=24, learning_rate=0.01, random_state=0)
    >>> forecast = model.fit(load).predict()
    >>> forecast.shape
    (24,)
    >>> following = 50 + 10 * np.sin((2000 + np.arange(24)) * 2 * np.pi / 24)
    >>> bool(np.abs(forecast - following).max() < 0.5)
    True
    """

    @names_arguments("NeuralForecaster", ELSEWHERE)
    def __init__(
        self,
        layers: Sequence[int | Layer] = (),
        *,
        window: int = 96,
        horizon: int = 24,
        quantiles: Sequence[float] | None = None,
        scaling: str | None = "standard",
        channel_independent: bool = True,
        activation: Any = "relu",
        dropout: float = 0.0,
        kernel_regularizer: Any = None,
        loss: str | losses.Loss = "auto",
        optimizer: str | optimizers.Optimizer = "adam",
        learning_rate: Any = None,
        epochs: int = 20,
        batch_size: int | None = 64,
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        patience: int = 10,
        min_delta: float = 0.0,
        metrics: Sequence[Any] | None = (),
        callbacks: Sequence[Callback] | None = (),
        warm_start: bool = False,
        memory: str | os.PathLike[str] | None = None,
        random_state: Any = None,
        dtype: str = "float32",
        device: str = "auto",
        verbose: int | str = 0,
    ) -> None:
        super().__init__(
            layers,
            activation=activation,
            dropout=dropout,
            kernel_regularizer=kernel_regularizer,
            loss=loss,
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            shuffle=shuffle,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            min_delta=min_delta,
            metrics=metrics,
            callbacks=callbacks,
            warm_start=warm_start,
            memory=memory,
            random_state=random_state,
            dtype=dtype,
            device=device,
            verbose=verbose,
        )
        self.window = window
        self.horizon = horizon
        self.quantiles = quantiles
        self.scaling = scaling
        self.channel_independent = channel_independent

    @names_arguments("fit", ELSEWHERE_IN_FIT)
    @with_callbacks
    def fit(self, series: Any, y: Any = None) -> NeuralForecaster:
        """Train on the windows of one series or of several, anew unless ``warm_start``.

        Parameters
        ----------
        series : array_like or frame of shape (n_steps,) or (n_steps, n_channels), or list of such
            Finite numbers, in the order of time, equally far apart.
        y : ignored
            For scikit-learn's searches.

        Returns
        -------
        NeuralForecaster
            Itself, trained.

        Raises
        ------
        TypeError
            For what is no number, and settings of another type.
        ValueError
            For a series that is too short, has gaps, or other channels than the first; for a
            setting out of its range. The message names the series.
        """
        with left_whole(self):
            self._check_settings()
            goes_on = self.warm_start and hasattr(self, "network_")
            given = self._checked_series(series, self.window + self.horizon, anew=not goes_on)
            held = [self._held_out(len(one)) for one in given.arrays]
            if not goes_on:
                self._learn_channels(given, held)
            # What `predict` goes on from, which outlives the user's arrays.
            self._ends = replace(given, arrays=[one[-self.window :].copy() for one in given.arrays])
            training, validation = self._rows.split(given.arrays, held)
            self._fit(
                *training,
                None,
                held_out=HeldOut(*validation) if validation else None,
                tasks=epoch_tasks(self, series, y, None, self.epochs),
            )
        return self

    def predict(self, series: Any = None) -> Any:
        """Return the ``horizon`` steps that follow.

        Parameters
        ----------
        series : array_like or frame of shape (n_steps,) or (n_steps, n_channels), or list of such
            What the forecasts begin after, at least ``window`` steps each; by default the series
            that were trained on.

        Returns
        -------
        ndarray of shape (horizon,) or (horizon, n_channels), or list of ndarray
            float64; a list for several series. Medians with ``quantiles``.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`.
        """
        given, forecasts = self._after_the_end(series)
        return given.shaped(self._rows.points(forecasts))

    def predict_quantiles(self, series: Any = None) -> Any:
        """Return the ``quantiles`` of the steps that follow.

        Parameters
        ----------
        series : array_like, frame or list
            As for `predict`.

        Returns
        -------
        ndarray of shape (horizon, n_quantiles) or (horizon, n_channels, n_quantiles), or list
            float64, ascending along the last axis where ``quantiles`` are.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`; and for a forecaster without ``quantiles``.
        """
        given, forecasts = self._after_the_end(series)
        if self._rows.quantiles is None:
            raise ValueError(
                "[NeuralForecaster] predict_quantiles needs quantiles to be learned, got "
                "quantiles=None"
            )
        return given.shaped(forecasts)

    def forecast_windows(self, series: Any, stride: int = 1) -> Forecasts:
        """Return the forecasts from every window of a series that ``horizon`` steps follow.

        Parameters
        ----------
        series : array_like or frame of shape (n_steps,) or (n_steps, n_channels)
            The first ``window`` steps are seen only.
        stride : int, default=1
            Steps from one forecast to the next.

        Returns
        -------
        Forecasts

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            As `fit`.
        """
        check_is_fitted(self, "network_")
        rows = self._rows
        given = self._one_series(self._checked_series(series, rows.window + rows.horizon))
        X, _ = windows(rows.scaled(given.arrays[0]), rows.window, rows.horizon, stride)
        _, actual = windows(given.arrays[0], rows.window, rows.horizon, stride)
        forecasts = rows.forecasts(self.network_.predict(rows.inputs(X)))
        predicted = rows.points(forecasts)
        if given.flat:
            forecasts, predicted, actual = forecasts[:, :, 0], predicted[:, :, 0], actual[:, :, 0]
        origins = rows.window + stride * np.arange(len(X))
        quantiles = forecasts if rows.quantiles else None
        return Forecasts(origins, predicted, actual, quantiles, np.zeros(len(X), int))

    def backtest(
        self,
        series: Any,
        *,
        n_splits: int = 5,
        test_size: int | None = None,
        max_train_size: int | None = None,
        stride: int | None = None,
    ) -> Forecasts:
        """Forecast parts of a series, each by a copy trained on what lies before it.

        The parts are those of scikit-learn's ``TimeSeriesSplit``. The forecaster itself stays as it
        is, fitted or not.

        Parameters
        ----------
        series : array_like or frame of shape (n_steps,) or (n_steps, n_channels)
            As for `fit`, one series.
        n_splits : int, default=5
            Parts, and trainings.
        test_size : int or None, default=None
            Steps of a part; by default they divide the series into ``n_splits + 1``.
        max_train_size : int or None, default=None
            Most steps to train on: those right before the part. By default all before it.
        stride : int or None, default=None
            Steps from one forecast to the next within a part; ``horizon`` by default.

        Returns
        -------
        Forecasts
            Those of all parts, in the order of time; its ``mae`` and ``mse`` are of each part.

        Raises
        ------
        TypeError, ValueError
            As `fit`; and for parts that are too short to train on or to forecast.
        """
        self._check_settings()
        given = self._one_series(self._checked_series(series, 0, anew=True))
        steps = given.arrays[0][:, 0] if given.flat else given.arrays[0]
        splits = TimeSeriesSplit(n_splits, max_train_size=max_train_size, test_size=test_size)
        return backtest(self, steps, splits, stride or self.horizon)

    def score(self, series: Any, y: Any = None) -> float:
        """Return the R2 of the forecasts from every window, in the mean over steps and channels.

        Parameters
        ----------
        series : array_like or frame of shape (n_steps,) or (n_steps, n_channels)
            As for `forecast_windows`.
        y : ignored
            For scikit-learn's searches.
        """
        forecasts = self.forecast_windows(series)
        count = len(forecasts.origins)
        actual = forecasts.actual.reshape(count, -1)
        return float(r2_score(actual, forecasts.predicted.reshape(count, -1)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.input_tags.one_d_array = True
        return tags

    def _check_settings(self) -> None:
        super()._check_settings()
        check_count(self, "window", "horizon")
        check_boolean(self, "channel_independent")
        if self.scaling is not None:
            check_choice(self, _SCALERS, "scaling")
        if self.early_stopping:
            check_fraction(self, "validation_fraction")
        if self.quantiles is None:
            return
        losses.Quantile(self.quantiles)  # says which are out of range
        if 0.5 not in self.quantiles:
            raise ValueError(
                "[NeuralForecaster] quantiles must hold 0.5, which predict returns, got "
                f"{self.quantiles!r}"
            )
        if not isinstance(self.loss, str) or self.loss != "auto":
            raise ValueError(
                "[NeuralForecaster] loss must be 'auto' with quantiles, which have a loss of their "
                f"own, got {self.loss!r}"
            )

    def _checked_series(self, series: Any, least: int, *, anew: bool = False) -> SeriesSet:
        known = (None, None) if anew else (self.n_channels_, self.feature_names_in_)
        return check_series("NeuralForecaster", series, least, *known)

    def _held_out(self, steps: int) -> int:
        """Return how many steps at the end of a series early stopping holds out."""
        if not self.early_stopping:
            return 0
        held = int(steps * self.validation_fraction)
        if held < self.horizon or steps - held < self.window + self.horizon:
            raise ValueError(
                f"[NeuralForecaster] early_stopping cannot hold out validation_fraction "
                f"{self.validation_fraction!r} of {steps} steps: that is {held} to validate on, "
                f"which needs {self.horizon}, and {steps - held} to train on, which needs "
                f"{self.window + self.horizon}"
            )
        return held

    def _learn_channels(self, given: SeriesSet, held: Sequence[int]) -> None:
        """Take number, names and scales of the channels from what is trained on."""
        self.n_channels_ = given.channels
        self.feature_names_in_ = given.names
        self.scaler_ = None if self.scaling is None else _SCALERS[self.scaling]()
        if self.scaler_ is not None:
            parts = zip(given.arrays, held, strict=True)
            self.scaler_.fit(np.concatenate([one[: len(one) - end] for one, end in parts]))
        self._rows = Rows(
            self.window,
            self.horizon,
            self.n_channels_,
            self.channel_independent,
            None if self.quantiles is None else list(self.quantiles),
            self.scaler_,
            self.dtype,
        )

    def _one_series(self, given: SeriesSet) -> SeriesSet:
        if given.several:
            raise ValueError(
                f"[NeuralForecaster] series must be one series, got a list of {len(given.arrays)}"
            )
        return given

    def _after_the_end(self, series: Any) -> tuple[SeriesSet, Array]:
        """Return the series, and (n_series, horizon, channels, levels) behind them."""
        check_is_fitted(self, "network_")
        rows = self._rows
        given = self._ends if series is None else self._checked_series(series, rows.window)
        ends = np.stack([rows.scaled(one[-rows.window :]) for one in given.arrays])
        return given, rows.forecasts(self.network_.predict(rows.inputs(ends)))

    # What the estimators share asks for these.

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[Any, Any]:
        return X, self._check_targets(y)

    def _check_targets(self, y: Any) -> NDArray[Any]:
        targets: NDArray[Any] = y
        return targets

    def _learn_targets(self, y: NDArray[Any], classes: Any) -> None:
        self.n_outputs_ = y.shape[1]

    def _encode(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def _head(self) -> Head:
        if self.quantiles is None:
            return Head(self.n_outputs_, "linear", "mean_squared_error")
        levels = list(self.quantiles)
        return Head(self.n_outputs_ * len(levels), "linear", losses.Quantile(levels))

    def _hidden_layers(self) -> list[Layer]:
        hidden = super()._hidden_layers()
        widths = [i for i, layer in enumerate(self.layers) if not isinstance(layer, Layer)]
        first = widths[0] if widths else len(hidden)
        return [*hidden[:first], Flatten(), *hidden[first:]]
