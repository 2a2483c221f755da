"""A forecaster goes on with series: one, several, of several channels, with intervals."""

from __future__ import annotations

import pickle
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score
from sklearn.utils import estimator_checks

from ganglion import NeuralForecaster, callbacks, layers
from ganglion.sequences import windows

QUICK = {"window": 24, "horizon": 6, "epochs": 3, "random_state": 0}


def wave(steps, period=12.0, level=5.0, scale=3.0, first=0):
    return level + scale * np.sin((first + np.arange(steps)) * 2 * np.pi / period)


def two_channels(steps, first=0):
    waves = wave(steps, first=first), wave(steps, 8.0, level=-100.0, scale=40.0, first=first)
    return np.column_stack(waves)


@pytest.mark.parametrize(
    "check",
    [
        "check_parameters_default_constructible",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
    ],
)
def test_scikit_learns_checks_that_need_no_table(check):
    if hasattr(estimator_checks, check):
        getattr(estimator_checks, check)("NeuralForecaster", NeuralForecaster())


@pytest.mark.parametrize("independent", [True, False])
@pytest.mark.parametrize("scaling", ["standard", "robust", None])
def test_waves_go_on(independent, scaling):
    model = NeuralForecaster(
        window=24,
        horizon=6,
        channel_independent=independent,
        scaling=scaling,
        learning_rate=0.01,
        epochs=40,
        random_state=0,
    )
    unit = [0.3, 0.03] if scaling is None else 1.0
    forecast = model.fit(two_channels(600) * unit).predict()
    assert forecast.shape == (6, 2)
    assert forecast.dtype == np.float64
    following = two_channels(6, first=600) * unit
    assert (np.abs(forecast - following).max(axis=0) < 0.2 * following.std(axis=0)).all()


@pytest.mark.parametrize("independent", [True, False])
def test_what_is_trained_on_are_the_windows(independent):
    """The first loss, of a network that puts out zeros, is the mean square of the targets."""
    series = two_channels(100)
    model = NeuralForecaster(
        (),
        window=10,
        horizon=3,
        channel_independent=independent,
        epochs=1,
        batch_size=None,
        kernel_regularizer=None,
        learning_rate=1e-12,
    )
    model.fit(series)
    scaled = (series - series.mean(axis=0)) / series.std(axis=0)
    X, y = windows(scaled, 10, 3)
    weights, bias = model.network_.get_weights()
    if independent:
        predicted = np.einsum("nsc,sh->nhc", X, weights) + bias[:, np.newaxis]
    else:
        predicted = (X.reshape(len(X), -1) @ weights + bias).reshape(y.shape)
    assert model.loss_ == pytest.approx(np.mean((predicted - y) ** 2), rel=1e-4)
    forecasts = model.forecast_windows(series)
    expected = predicted * series.std(axis=0) + series.mean(axis=0)
    np.testing.assert_allclose(forecasts.predicted, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(forecasts.actual, windows(series, 10, 3)[1])
    np.testing.assert_array_equal(forecasts.origins, 10 + np.arange(len(X)))


@pytest.mark.parametrize("independent", [True, False])
def test_the_windows_of_one_series_are_not_copied(independent):
    model = NeuralForecaster(**QUICK, channel_independent=independent).fit(two_channels(200))
    scaled = model._rows.scaled(two_channels(200))
    X, y = model._rows.samples(scaled)
    assert np.shares_memory(X, scaled)
    assert np.shares_memory(y, scaled)


def test_forecasts_have_the_form_of_the_series():
    model = NeuralForecaster(**QUICK)
    assert model.fit(wave(100)).predict().shape == (6,)
    assert model.predict(wave(24)).shape == (6,)
    assert [part.shape for part in model.predict([wave(24), wave(30)])] == [(6,), (6,)]
    assert model.fit([wave(100), wave(50, 9.0)]).predict()[1].shape == (6,)
    assert model.fit([two_channels(100)]).predict()[0].shape == (6, 2)
    assert model.forecast_windows(two_channels(50), stride=4).predicted.shape == (6, 6, 2)


def test_forecasts_from_the_end_and_from_every_window_agree():
    series = two_channels(200)
    model = NeuralForecaster(**QUICK).fit(series)
    np.testing.assert_allclose(model.predict(), model.predict(series))
    np.testing.assert_allclose(model.predict(series[:-6]), model.predict(series[-30:-6]))
    from_windows = model.forecast_windows(series).predicted[-1]
    np.testing.assert_allclose(from_windows, model.predict(series[:-6]), rtol=1e-5)


def test_several_series_of_different_lengths_are_learned_together():
    series = [wave(200), wave(90, first=5), wave(60, first=2)]
    model = NeuralForecaster(window=24, horizon=6, learning_rate=0.01, epochs=60, random_state=0)
    forecasts = model.fit(series).predict()
    for given, first, forecast in zip(series, (0, 5, 2), forecasts, strict=True):
        np.testing.assert_allclose(forecast, wave(6, first=first + len(given)), atol=0.5)


@pytest.mark.parametrize(
    "hidden",
    [
        [32],
        [layers.Conv1D(4, 3, activation="relu"), 16],
        [layers.Conv1D(4, 3, activation="relu")],
        [layers.Permute((2, 1)), layers.Dense(5)],
    ],
    ids=["width", "convolution", "convolution alone", "layers"],
)
def test_hidden_layers(hidden):
    model = NeuralForecaster(hidden, **QUICK, dropout=0.1, channel_independent=False)
    model.fit(two_channels(100))
    assert model.predict().shape == (6, 2)
    assert model.n_outputs_ == 12
    assert model.loss_ < 2.0


def test_quantiles_hold_their_share():
    random = np.random.default_rng(0)
    series = random.normal(10.0, 2.0, 6000)
    model = NeuralForecaster(
        window=4, horizon=2, quantiles=(0.9, 0.1, 0.5), learning_rate=0.01, random_state=0
    )
    model.fit(series[:5000])
    forecasts = model.forecast_windows(series[5000:])
    high, low, median = np.moveaxis(forecasts.quantiles, -1, 0)
    np.testing.assert_array_equal(forecasts.predicted, median)
    assert (forecasts.actual <= high).mean() == pytest.approx(0.9, abs=0.04)
    assert (forecasts.actual <= low).mean() == pytest.approx(0.1, abs=0.04)
    assert (low <= median).all()
    assert (median <= high).all()
    assert model.predict_quantiles().shape == (2, 3)
    np.testing.assert_array_equal(model.predict_quantiles()[:, 2], model.predict())


def test_quantiles_of_channels():
    model = NeuralForecaster(**QUICK, quantiles=(0.2, 0.5), channel_independent=False)
    quantiles = model.fit(two_channels(100)).predict_quantiles()
    assert quantiles.shape == (6, 2, 2)
    np.testing.assert_array_equal(model.predict(), quantiles[..., 1])
    assert (quantiles[..., 0] <= quantiles[..., 1]).all()


def test_early_stopping_holds_out_the_end():
    series = wave(200)
    series[150:] += 1000.0  # nothing of this may reach scaling or training
    model = NeuralForecaster(
        window=24, horizon=6, early_stopping=True, validation_fraction=0.25, epochs=4, patience=1
    )
    model.fit(series)
    np.testing.assert_allclose(model.scaler_.mean_, series[:150].mean())
    training, validation = model._rows.split([series[:, np.newaxis]], [50])
    assert len(training[0]) == 150 - 24 - 6 + 1
    assert len(validation[0]) == 50 - 6 + 1
    assert training[1].max() < 5.0
    assert validation[1].min() > 100.0
    assert len(model.history_["val_loss"]) == model.n_iter_


def test_a_backtest_trains_on_the_past_alone():
    series = wave(120)
    seen = []

    class Spy(NeuralForecaster):
        def fit(self, series, y=None):
            seen.append(len(series))
            return super().fit(series, y)

    model = Spy(**QUICK)
    forecasts = model.backtest(series, n_splits=3, test_size=12)
    assert seen == [84, 96, 108]
    assert forecasts.origins.tolist() == [84, 90, 96, 102, 108, 114]
    np.testing.assert_array_equal(forecasts.actual, series[84:].reshape(6, 6))
    assert forecasts.predicted.shape == (6, 6)
    assert not hasattr(model, "network_")
    assert forecasts.parts.tolist() == [0, 0, 1, 1, 2, 2]
    errors = (forecasts.predicted - forecasts.actual).reshape(3, -1)
    np.testing.assert_allclose(forecasts.mae, np.abs(errors).mean(axis=1))
    np.testing.assert_allclose(forecasts.mse, np.square(errors).mean(axis=1))
    assert repr(forecasts).startswith("Forecasts(n_forecasts=6, horizon=6, mae=[")
    first = NeuralForecaster(**QUICK).fit(series[:84])
    np.testing.assert_allclose(forecasts.predicted[0], first.predict())

    seen.clear()
    model.set_params(quantiles=(0.5, 0.9))
    rolling = model.backtest(series, n_splits=2, test_size=6, max_train_size=40, stride=1)
    assert seen == [40, 40]
    assert rolling.origins.tolist() == [108, 114]
    assert rolling.quantiles.shape == (2, 6, 2)


def test_scikit_learns_searches_take_it():
    series = wave(300)
    splits = TimeSeriesSplit(3, test_size=60)
    model = NeuralForecaster(window=24, horizon=6, learning_rate=0.02, random_state=0)
    assert cross_val_score(model, series, cv=splits).min() > 0.9
    search = GridSearchCV(model, {"window": [2, 24]}, cv=splits).fit(series)
    assert search.best_params_ == {"window": 24}
    assert search.best_estimator_.score(series) > 0.9


def test_copies_give_the_same_numbers():
    series = two_channels(100)
    model = NeuralForecaster(**QUICK).fit(series)
    for copied in (pickle.loads(pickle.dumps(model)), clone(model).fit(series)):
        np.testing.assert_array_equal(copied.predict(), model.predict())


def test_warm_start_goes_on_with_the_scaling_it_has():
    model = NeuralForecaster(**QUICK, warm_start=True).fit(wave(100))
    mean = model.scaler_.mean_.copy()
    model.fit(wave(100, level=6.0))
    assert model.n_iter_ == 6
    np.testing.assert_array_equal(model.scaler_.mean_, mean)
    with pytest.raises(ValueError, match="series must have 1 channels, got 2"):
        model.fit(two_channels(100))


def test_frames_are_taken_and_their_columns_compared():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(two_channels(100), columns=["load", "price"])
    model = NeuralForecaster(**QUICK).fit(table)
    np.testing.assert_array_equal(
        model.predict(table), NeuralForecaster(**QUICK).fit(table.to_numpy()).predict()
    )
    with pytest.raises(ValueError, match="column 'price' where the network was trained on 'load'"):
        model.predict(table[["price", "load"]])
    assert NeuralForecaster(**QUICK).fit(table["load"]).predict().shape == (6,)


def test_a_fit_that_is_interrupted_leaves_a_usable_model():
    class Interrupt(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    series = wave(100)
    model = NeuralForecaster(**QUICK, callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt):
        model.fit(series)
    assert np.isfinite(model.predict()).all()

    before = NeuralForecaster(**QUICK).fit(series)
    expected = before.predict()
    with pytest.raises(ValueError, match="NaN"):
        before.fit(np.where(np.arange(100) == 50, np.nan, series))
    np.testing.assert_array_equal(before.predict(), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 0}, "window must be a positive integer, got 0"),
        ({"horizon": 1.5}, "horizon must be a positive integer, got 1.5"),
        ({"scaling": "standart"}, "unknown scaling 'standart'; did you mean 'standard'?"),
        ({"channel_independent": 1}, "channel_independent must be True or False, got 1"),
        ({"quantiles": (0.1, 0.9)}, "quantiles must hold 0.5, which predict returns, got"),
        ({"quantiles": (0.5, 0.9), "loss": "mae"}, "loss must be 'auto' with quantiles"),
        (
            {"early_stopping": True, "validation_fraction": 0.03},
            "early_stopping cannot hold out validation_fraction 0.03 of 100 steps: that is 3 to",
        ),
    ],
)
def test_settings_that_are_wrong_are_named(settings, message):
    model = NeuralForecaster(**{**QUICK, **settings})
    with pytest.raises((TypeError, ValueError), match=re.escape(f"[NeuralForecaster] {message}")):
        model.fit(wave(100))
    assert not hasattr(model, "n_channels_")


@pytest.mark.parametrize(
    ("series", "message"),
    [
        (wave(29), "series has 29 steps and needs at least 30"),
        ([wave(50), wave(29)], "series 1 has 29 steps and needs at least 30"),
        ([two_channels(50), wave(50)], "series 1 must have 2 channels, got 1"),
        (np.zeros((50, 2, 2)), "series must have shape (steps,) or (steps, channels), got"),
        (np.full(50, np.nan), "series has a NaN at row 0"),
        (list("ab"), "series must hold numbers, got dtype <U1"),
        ([], "series has 0 steps and needs at least 30"),
    ],
)
def test_series_that_are_wrong_are_named(series, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(f"[NeuralForecaster] {message}")):
        NeuralForecaster(**QUICK).fit(series)


def test_what_is_asked_for_wrongly_is_named():
    with pytest.raises(NotFittedError):
        NeuralForecaster().predict()
    with pytest.raises(TypeError, match="unknown argument 'max_iter': here it is epochs"):
        NeuralForecaster(max_iter=3)
    model = NeuralForecaster(**QUICK).fit(wave(100))
    with pytest.raises(ValueError, match="predict_quantiles needs quantiles to be learned"):
        model.predict_quantiles()
    with pytest.raises(ValueError, match="series must be one series, got a list of 2"):
        model.forecast_windows([wave(50), wave(50)])
    with pytest.raises(ValueError, match="series has 23 steps and needs at least 24"):
        model.predict(wave(23))
    with pytest.raises(ValueError, match="backtest needs at least 30 steps to train on and 6 to"):
        model.backtest(wave(40), n_splits=5)
