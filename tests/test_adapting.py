"""Layers that learn from the data before training: when they do, and what they see."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from small_networks import X, Y

from ganglion import Sequential, layers


def test_normalization_adapts_at_the_first_fit_only():
    data = 5 + 3 * X
    net = Sequential([layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0)
    net.fit(data, Y)
    mean = net.get_weights()[0]
    np.testing.assert_allclose(mean, data.mean(0), rtol=1e-5)
    net.fit(data + 100, Y)
    np.testing.assert_array_equal(net.get_weights()[0], mean)


def test_normalization_behind_layers_sees_what_reaches_it():
    net = Sequential(
        [layers.Rescaling(2.0), layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0
    )
    net.fit(X, Y)
    np.testing.assert_allclose(net.get_weights()[0], 2 * X.mean(0), rtol=1e-4, atol=1e-6)


def test_normalization_that_is_added_later_adapts_then():
    net = Sequential([layers.Rescaling(1.0)], loss="mse", random_state=0)
    net.fit(X, X)
    net.add(layers.Normalization())
    net.fit(X, X)
    np.testing.assert_allclose(net.get_weights()[0], X.mean(0), rtol=1e-4, atol=1e-6)


def test_normalization_adapts_though_weights_were_set_that_it_has_not_learned():
    net = Sequential([layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0)
    net.build((None, 6))
    net.set_weights(net.get_weights())
    net.fit(X, Y)
    np.testing.assert_allclose(net.get_weights()[0], X.mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("through", ["set_weights", "file", "pickle", "compile"])
def test_statistics_that_are_there_are_kept(through, tmp_path):
    def make():
        return Sequential([layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0)

    first = make()
    first.fit(X, Y)
    net = first
    if through == "set_weights":
        net = make()
        net.build((None, 6))
        statistics = first.get_weights()
        statistics[2] = 0.0  # as Keras leaves the count
        net.set_weights(statistics)
    elif through == "file":
        first.save(tmp_path / "net.safetensors")
        net = Sequential.load(tmp_path / "net.safetensors")
    elif through == "pickle":
        net = pickle.loads(pickle.dumps(first))
    else:
        net.compile(loss="mse", optimizer="sgd")
    mean = first.get_weights()[0]
    net.fit(X + 100, Y)
    np.testing.assert_array_equal(net.get_weights()[0], mean)


def test_reset_forgets_what_was_learned():
    net = Sequential([layers.Normalization(), layers.Dense(1)], loss="mse", random_state=0)
    net.fit(X, Y).reset()
    net.fit(X + 100, Y)
    np.testing.assert_allclose(net.get_weights()[0], 100 + X.mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        (X, TypeError, "pass \\[X\\]"),
        ([X[:, 0]], ValueError, "(samples, ...)"),
        ([], ValueError, ""),
    ],
    ids=["array", "flat", "none"],
)
def test_adapt_takes_batches(batches, error, message):
    with pytest.raises(error, match=rf"\[Normalization\] .*{message}"):
        layers.Normalization().adapt(batches)
