"""Activations, losses and metrics made of functions: settings, names, files, errors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, check_gradient, layers, ops
from ganglion.value import Value


@ganglion.activation
def bump(x: Value, width: float = 1.0) -> Value:
    """A bell."""
    return ops.exp(-(x * x) / width)


@ganglion.loss
def power_error(target: Value, prediction: Value, exponent: float = 4.0) -> Value:
    return ops.mean(ops.absolute(prediction - target) ** exponent, axis=-1)


@ganglion.metric
def within(target: Value, prediction: Value, distance: float = 0.1) -> Value:
    return ops.absolute(prediction - target) < distance


def network(**settings: Any) -> Sequential:
    return Sequential(
        [layers.Dense(8, activation=bump(width=2.0)), layers.Dense(1)],
        loss=power_error(exponent=3.0),
        metrics=[within(distance=0.5, name="near")],
        random_state=0,
        **settings,
    )


X = np.linspace(-1.0, 1.0, 64).reshape(-1, 1)


def test_the_numbers_are_those_of_the_function() -> None:
    np.testing.assert_allclose(ops.evaluate(bump(width=0.5), X), np.exp(-2 * X * X), rtol=1e-14)
    net = network(dtype="float64")
    net.build((None, 1))
    error = np.abs(net.predict(X) - X**2)
    found = net.evaluate(X, X**2)
    assert found["loss"] == pytest.approx((error**3).mean(), rel=1e-12)
    assert found["near"] == (error < 0.5).mean()


def test_a_network_of_them_is_saved_and_loaded(tmp_path: Path) -> None:
    net = network().fit(X, X**2, epochs=2)
    net.save(tmp_path / "net.st")
    again = Sequential.load(tmp_path / "net.st")
    assert again.loss == net.loss and again.metrics == net.metrics
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(net)).predict(X), net.predict(X))


def test_they_are_what_classes_are() -> None:
    assert bump() == bump(1.0) != bump(2.0)
    assert repr(bump(2.0)) == "bump(width=2.0)"
    assert bump.__doc__ == "A bell." and bump.__module__ == __name__
    assert layers.Dense(1, activation=bump).activation == bump()
    assert layers.Dense(1, activation="bump").activation == bump()
    assert within().label == "within"


def test_gradients() -> None:
    assert check_gradient(bump(width=0.7), (5,)) < 1e-8
    assert check_gradient(power_error, (5,)) < 1e-6


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(TypeError, match=r"\[bump\] got an unexpected keyword argument 'depth'"):
        bump(depth=2.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        within(depth=2.0)
    with pytest.raises(TypeError, match=r"\[activation\] decorates a function of \(x\), got 3"):
        ganglion.activation(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"\[loss\] <lambda> must take \(target, prediction\)"):
        ganglion.loss(lambda target: target)
    with pytest.raises(TypeError, match="needs a default for 'gamma'"):
        ganglion.loss(lambda target, prediction, gamma: target)


def test_a_loss_that_loses_the_batch() -> None:
    @ganglion.loss
    def everything(target: Value, prediction: Value) -> Value:
        return ops.mean(prediction - target)

    with pytest.raises(ValueError, match=r"\[everything\] must return one loss for each sample"):
        Sequential([layers.Dense(1)], loss=everything).fit(X, X)
