"""Forecast loads and temperature of a transformer, hour by hour, from a file you have.

The file is ``ETTh1.csv`` (Zhou et al. 2021), seven channels over two years: twelve months to learn
from, four to stop by, four to test on, and errors of standardised numbers, as is usual with it.
Networks see 96 hours, and are set beside two naive forecasts and a linear regression, which needs
no months to stop by and learns from all sixteen. The last one learns quantiles; how many test hours
are between them is counted. Five seeds gave mean squared errors from 0.310 to 0.316 24 hours ahead
and from 0.390 to 0.398 96 hours ahead for the linear network, and from 0.304 to 0.307 and 0.381 to
0.382 for that of quantiles, whose loss minds outliers less.

Without ``--data`` the series is made: three channels of 120 days with a daily and a weekly rhythm.
"""

# ruff: noqa: E402  the libraries are looked for before they are imported

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganglion.examples.command import Command, require_libraries

require_libraries(__name__)

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from ganglion import NeuralForecaster, layers
from ganglion.sequences import windows

Array = NDArray[Any]
# Hours that a forecast is made from.
WINDOW = 96
# Hours of the twenty months that are usual, of which the last four are for the test.
ROWS = 20 * 30 * 24
QUANTILES = (0.05, 0.5, 0.95)
# Hours of the picture.
SHOWN = 7 * 24


@dataclass(frozen=True)
class Series:
    """Hours (n, channels) and the names of the channels."""

    values: Array
    names: list[str]

    @property
    def test_begins(self) -> int:
        """First hour that is tested on."""
        return len(self.values) * 4 // 5

    @property
    def seen(self) -> Array:
        """Hours that are learned from: the last quarter of them is to stop by."""
        return self.values[: self.test_begins]

    @property
    def tested(self) -> Array:
        """Hours that are tested on, and those before that the first forecasts see."""
        return self.values[self.test_begins - WINDOW :]

    @property
    def scale(self) -> Array:
        """Deviation of each channel in the hours that are trained on."""
        deviation: Array = self.seen[: len(self.seen) * 3 // 4].std(axis=0)
        return deviation


def transformer(path: Path) -> Series:
    """Read ETTh1, without its dates."""
    with open(path, encoding="utf-8") as file:
        first, *names = file.readline().strip().split(",")
        if first != "date" or not names:
            raise ValueError(f"{path} must begin with 'date' and names of channels, got {first!r}")
        lines = itertools.islice(file, ROWS)
        values = np.loadtxt(lines, delimiter=",", usecols=range(1, len(names) + 1), ndmin=2)
    return Series(values, names)


def made() -> Series:
    """Make a series of a daily rhythm, weaker at weekends, and noise that lasts for hours."""
    random = np.random.default_rng(0)
    hours = np.arange(120 * 24)
    weekend = (hours // 24 % 7 >= 5)[:, np.newaxis]
    day = np.sin(2 * np.pi * (hours[:, np.newaxis] / 24 - np.array([0.0, 0.2, 0.4])))
    noise = random.normal(0, 0.3, (len(hours), 3))
    for hour in range(1, len(hours)):
        noise[hour] += 0.8 * noise[hour - 1]
    values = np.array([20.0, 5.0, 60.0]) * (3 + day * (1 - 0.6 * weekend) + noise)
    return Series(values, ["north", "south", "harbour"])


def last_value(X: Array, horizon: int) -> Array:
    """Forecast that all stays as it is."""
    return np.repeat(X[:, -1:], horizon, axis=1)


def yesterday(X: Array, horizon: int) -> Array:
    """Forecast that every day is as the last."""
    return np.tile(X[:, -24:], (1, -(-horizon // 24), 1))[:, :horizon]


def regression(series: Series, horizon: int) -> Callable[[Array, int], Array]:
    """Return the linear regression on the hours of a channel, one for all channels."""
    mean = series.seen.mean(axis=0)
    X, y = windows((series.seen - mean) / series.scale, WINDOW, horizon)
    by_channel = [part.transpose(0, 2, 1).reshape(-1, part.shape[1]) for part in (X, y)]
    model = Ridge().fit(*by_channel)

    def forecast(X: Array, horizon: int) -> Array:
        scaled = ((X - mean) / series.scale).transpose(0, 2, 1)
        predicted = model.predict(scaled.reshape(-1, WINDOW)).reshape(*scaled.shape[:2], horizon)
        unscaled: Array = mean + series.scale * predicted.transpose(0, 2, 1)
        return unscaled

    return forecast


def networks(horizon: int, epochs: int, seed: int) -> dict[str, NeuralForecaster]:
    """Return forecasters that are not trained yet, by their names."""
    shared: dict[str, Any] = {
        "window": WINDOW,
        "horizon": horizon,
        "epochs": epochs,
        "early_stopping": True,
        "validation_fraction": 0.25,
        "patience": 3,
        "random_state": seed,
    }
    gru: dict[str, Any] = {"channel_independent": False, "learning_rate": 2e-3}
    return {
        "linear network": NeuralForecaster(**shared),
        "dense network": NeuralForecaster([128], dropout=0.3, learning_rate=5e-4, **shared),
        "GRU": NeuralForecaster([layers.GRU(32), layers.Dropout(0.2)], **gru, **shared),
        "linear, quantiles": NeuralForecaster(quantiles=QUANTILES, **shared),
    }


def errors(series: Series, predicted: Array, actual: Array) -> tuple[float, float]:
    """Return mean squared and mean absolute error of standardised numbers."""
    error = (predicted - actual) / series.scale
    return float(np.square(error).mean()), float(np.abs(error).mean())


def compare(series: Series, horizon: int, epochs: int, seed: int) -> dict[str, NeuralForecaster]:
    """Print what every forecast is off on the test hours; return the networks, trained."""
    X, actual = windows(series.tested, WINDOW, horizon)
    print(f"\n{horizon} hours ahead{'MSE':>16}{'MAE':>9}{'seconds':>9}")

    def show(name: str, predicted: Array, seconds: float) -> None:
        squared, absolute = errors(series, predicted, actual)
        print(f"{name:<19}{squared:>12.4f}{absolute:>9.4f}{seconds:>9.1f}")

    for name, forecast in (
        ("last value", last_value),
        ("as yesterday", yesterday),
        ("linear regression", regression(series, horizon)),
    ):
        started = time.perf_counter()
        show(name, forecast(X, horizon), time.perf_counter() - started)
    trained = networks(horizon, epochs, seed)
    for name, model in trained.items():
        started = time.perf_counter()
        model.fit(series.seen)
        seconds = time.perf_counter() - started
        show(name, model.forecast_windows(series.tested).predicted, seconds)
    return trained


def covered(model: NeuralForecaster, series: Series) -> float:
    """Return the share of test hours that are between the outer quantiles."""
    forecasts = model.forecast_windows(series.tested)
    assert forecasts.quantiles is not None  # the model has learned them
    low, high = forecasts.quantiles[..., 0], forecasts.quantiles[..., -1]
    return float(((low <= forecasts.actual) & (forecasts.actual <= high)).mean())


def draw(trained: dict[str, NeuralForecaster], series: Series, path: Path) -> None:
    """Draw a week of the test, forecast by each day's end, for up to three channels."""
    model = trained["linear, quantiles"]
    horizon = model.horizon
    part = series.tested[: WINDOW + SHOWN]
    bands = model.forecast_windows(part, stride=horizon)
    assert bands.quantiles is not None  # the model has learned them
    channels = range(len(series.names))[-3:]
    figure = Figure(figsize=(11, 2.6 * len(channels)), layout="constrained")
    panels = np.ravel(figure.subplots(len(channels), 1, sharex=True))
    for panel, channel in zip(panels, channels, strict=True):
        panel.plot(np.arange(len(part)) - WINDOW, part[:, channel], color="0.2", label="what came")
        for index, origin in enumerate(bands.origins - WINDOW):
            hours = origin + np.arange(horizon)
            low, median, high = bands.quantiles[index, :, channel].T
            label = None if index else "forecast: median"
            panel.plot(hours, median, color="C0", label=label)
            label = None if index else "nine of ten are to be here"
            panel.fill_between(hours, low, high, color="C0", alpha=0.2, lw=0, label=label)
            panel.axvline(origin, color="0.8", lw=0.8, zorder=0)
        panel.set(ylabel=series.names[channel], xlim=(-24, SHOWN))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    panels[-1].set_xlabel("hours of the test; a new forecast begins at each line")
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Train, print the errors of every forecast 24 and 96 hours ahead, and write the picture.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command line; that of the process by default.

    Returns
    -------
    dict of str to float
        Mean squared errors of the linear network on the test hours, by horizon, and the share of
        hours between the quantiles.
    """
    command = Command("forecast", __doc__)
    command.add_argument("--data", type=Path, help="the file of ETTh1 (a made series without)")
    command.add_epochs(None)
    command.add_output("forecast.png")
    command.add_seed()
    options = command.parse_args(arguments)
    try:
        series = made() if options.data is None else transformer(options.data)
    except (OSError, ValueError) as error:
        command.error(str(error))
    print(
        f"{len(series.seen):,} hours of {len(series.names)} channels to learn from, the last "
        f"quarter to stop by, {len(series.tested) - WINDOW:,} to test on"
    )
    epochs = options.epochs or (60 if options.data is None else 20)
    found = {}
    by_horizon = {}
    for horizon in (24, 96):
        trained = compare(series, horizon, epochs, options.seed)
        forecasts = trained["linear network"].forecast_windows(series.tested)
        found[f"MSE {horizon}"], _ = errors(series, forecasts.predicted, forecasts.actual)
        by_horizon[horizon] = trained
    found["covered"] = covered(by_horizon[24]["linear, quantiles"], series)
    print(f"\n{found['covered']:.0%} of the test hours are between quantiles that should hold 90%")
    draw(by_horizon[24], series, options.output)
    print(f"Picture: {options.output.resolve()}")
    return found


if __name__ == "__main__":
    main()
