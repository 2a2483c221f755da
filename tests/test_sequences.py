"""Windows over series: what they hold, and that they hold no memory of their own."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ganglion import Sequential, layers
from ganglion.sequences import windows


def by_hand(series, window, horizon, stride):
    starts = range(0, len(series) - window - horizon + 1, stride)
    X = [series[start : start + window] for start in starts]
    y = [series[start + window : start + window + horizon] for start in starts]
    return np.array(X), np.array(y)


@pytest.mark.parametrize("shape", [(11,), (11, 3), (6, 1)])
@pytest.mark.parametrize(
    ("window", "horizon", "stride"), [(1, 1, 1), (4, 2, 1), (3, 1, 2), (3, 3, 5), (5, 1, 1)]
)
def test_each_window_and_what_follows_it(shape, window, horizon, stride):
    series = np.arange(np.prod(shape)).reshape(shape)
    X, y = windows(series, window, horizon, stride)
    for found, expected in zip((X, y), by_hand(series, window, horizon, stride), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert np.shares_memory(found, series)
        assert not found.flags.writeable


@pytest.mark.parametrize("layout", ["strided", "fortran", "read-only", "list"])
def test_series_are_taken_as_they_lie(layout):
    series = np.random.default_rng(0).normal(size=(20, 4))
    given = {
        "strided": np.repeat(series, 2, axis=0)[::2],
        "fortran": np.asfortranarray(series),
        "read-only": series.copy(),
        "list": series.tolist(),
    }[layout]
    if layout == "read-only":
        given.flags.writeable = False
    for found, expected in zip(windows(given, 5, 2), by_hand(series, 5, 2, 1), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_columns_of_the_targets():
    series = np.arange(24).reshape(8, 3)
    _, whole = windows(series, 3, 2)
    _, one = windows(series, 3, 2, target_columns=1)
    _, two = windows(series, 3, 2, target_columns=[2, 0])
    np.testing.assert_array_equal(one, whole[:, :, 1])
    np.testing.assert_array_equal(two, whole[:, :, [2, 0]])
    assert np.shares_memory(one, series)


def test_a_horizon_of_nothing_gives_every_window():
    X, y = windows(np.arange(5), 3, horizon=0)
    assert X.tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    assert y.shape == (3, 0)


def test_windows_of_several_series_stay_within_one():
    X, y = windows([np.arange(5), np.arange(100, 104)], 3, 1)
    assert X.tolist() == [[0, 1, 2], [1, 2, 3], [100, 101, 102]]
    assert y.tolist() == [[3], [4], [103]]


def test_a_network_trains_on_views_as_on_copies():
    series = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    nets = []
    for copied in (False, True):
        X, y = windows(series, 10, 3)
        X, y = (np.ascontiguousarray(part) if copied else part for part in (X, y))
        net = Sequential(
            [layers.Flatten(), layers.Dense(6), layers.Reshape((3, 2))], loss="mse", random_state=0
        )
        nets.append(net.fit(X, y, epochs=3, verbose=0))
    for of_views, of_copies in zip(nets[0].get_weights(), nets[1].get_weights(), strict=True):
        np.testing.assert_array_equal(of_views, of_copies)
    np.testing.assert_array_equal(nets[0].predict(X), nets[1].predict(X))


def test_memory_does_not_grow_with_the_overlap():
    psutil = pytest.importorskip("psutil")
    series = np.random.default_rng(0).normal(size=400_000).astype(np.float32)
    X, y = windows(series, 500)
    assert X.nbytes > 750e6
    net = Sequential([layers.Dense(1)], loss="mse", random_state=0)
    net.fit(X[:1000], y[:1000], verbose=0)
    before = psutil.Process().memory_info().rss
    net.fit(X, y, epochs=1, batch_size=4096, verbose=0)
    grown = psutil.Process().memory_info().rss - before
    assert grown < 60e6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(5), 4, 2), "series has 5 steps, window 4 and horizon 2 need at least 6"),
        ((np.zeros((5, 2, 2)), 2), "series must have shape (steps,) or (steps, columns), got"),
        ((np.zeros(5), 0), "window must be a whole number of at least 1, got 0"),
        ((np.zeros(5), 2.5), "window must be a whole number of at least 1, got 2.5"),
        ((np.zeros(5), 2, -1), "horizon must be a whole number of at least 0, got -1"),
        ((np.zeros(5), 2, 1, 0), "stride must be a whole number of at least 1, got 0"),
        ((["a", "b", "c"], 2), "series must hold numbers, got dtype <U1"),
        (([np.zeros(9), np.zeros(2)], 2), "series 1 has 2 steps, window 2 and horizon 1 need"),
        (([np.zeros(9), np.zeros((9, 2))], 2), "series 1 must have the columns of the first"),
        ((np.zeros(9), 2, 1, 1, 0), "target_columns must be None for series, which has shape (9,)"),
        ((np.zeros((9, 2)), 2, 1, 1, [0, 2]), "target_columns must be from 0 to 1, got [0, 2]"),
        ((np.zeros((9, 2)), 2, 1, 1, "a"), "target_columns must be a column's number or several"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises((TypeError, ValueError), match=re.escape(f"[windows] {message}")):
        windows(*arguments)
