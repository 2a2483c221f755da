"""What an optimizer or a sampler outside the core works with: weights, gradients, orders."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, assert_same_weights, classifier, linear

from ganglion import layers, losses, optimizers, regularizers
from ganglion.losses import perceptron
from ganglion.sequential import Sequential

WEIGHT = np.random.default_rng(0).uniform(0, 2, len(X))


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weighted"])
@pytest.mark.parametrize("loss", [losses.MeanSquaredError(), perceptron.HalfSquaredError()])
def test_gradients_against_differences(loss, weight):
    net = Sequential(
        [
            layers.Dense(4, activation="tanh", kernel_regularizer=regularizers.L1L2(0.1, 0.2)),
            layers.BatchNormalization(),
            layers.Dense(2),
        ],
        loss=loss,
        random_state=0,
        dtype="float64",
    )
    target = np.stack([Y, 1 - Y], axis=1)
    value, gradients = net.loss_and_gradients(X, target, weight)
    assert value == pytest.approx(
        net.evaluate(X, target, sample_weight=weight, batch_size=100)["loss"]
    )
    trained = [
        array
        for array, name in zip(net.weights, net.weight_names, strict=True)
        if "moving" not in name
    ]
    assert [gradient.shape for gradient in gradients] == [array.shape for array in trained]
    step = 1e-6
    for array, gradient in zip(trained, gradients, strict=True):
        index = (0,) * array.ndim
        before = array[index]
        array[index] = before + step
        up, _ = net.loss_and_gradients(X, target, weight)
        array[index] = before - step
        down, _ = net.loss_and_gradients(X, target, weight)
        array[index] = before
        assert gradient[index] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-8)


def test_gradients_train_nothing():
    net = classifier(metrics=["accuracy"]).fit(X, Y)
    before = net.get_weights()
    net.loss_and_gradients(X, Y)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_are_the_networks_own():
    net = linear()
    net.build((None, 6))
    net.weights[0][...] = 1.0
    np.testing.assert_allclose(net.predict(X)[:, 0], X.sum(axis=1), rtol=1e-5)


def test_an_order_can_be_given():
    backward = np.arange(len(X))[::-1]
    given = linear(optimizer="sgd").fit(X, Y, batch_size=7, shuffle=lambda epoch: backward)
    turned = linear(optimizer="sgd").fit(X[::-1], Y[::-1], batch_size=7, shuffle=False)
    assert_same_weights(given, turned)


def test_the_order_is_asked_for_each_epoch():
    asked = []

    def order(epoch):
        asked.append(epoch)
        return np.arange(len(X))

    net = linear().fit(X, Y, epochs=2, shuffle=order)
    net.fit(X, Y, shuffle=order)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize(
    ("order", "error", "message"),
    [
        (np.zeros(100), TypeError, r"\[fit\] shuffle must give row numbers, got dtype float64"),
        (np.arange(99), ValueError, r"order must have shape \(100,\), got \(99,\)"),
        (np.full(100, 100), ValueError, "rows from 0 to 99, got 100 at position 0"),
        (np.full(100, -1), ValueError, "got -1"),
    ],
)
def test_an_order_that_is_none_is_refused(order, error, message):
    net = linear()
    with pytest.raises(error, match=message):
        net.fit(X, Y, shuffle=lambda epoch: order)
    net.fit(X, Y)


def test_the_optimizer_can_be_reset():
    net = linear(optimizer=optimizers.Adam(0.1))
    net.build((None, 6))
    start = net.get_weights()
    first = net.fit(X, Y, shuffle=False).get_weights()
    net.learning_rate = 0.5
    net.set_weights(start)
    net.reset_optimizer()
    for old, new in zip(first, net.fit(X, Y, shuffle=False).get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert (net.step_, net.learning_rate) == (4, 0.1)


def test_a_batch_without_weight_is_left_to_the_penalties():
    net = Sequential(
        [layers.Dense(1, kernel_regularizer=regularizers.L2(0.5))],
        loss=perceptron.HalfSquaredError(),
        random_state=0,
        dtype="float64",
    )
    value, (d_kernel, d_bias) = net.loss_and_gradients(X[:4], Y[:4], np.zeros(4))
    kernel = net.weights[0]
    assert value == pytest.approx(0.5 * (kernel**2).sum() / 4)
    np.testing.assert_allclose(d_kernel, kernel / 4)
    assert not d_bias.any()


def test_the_poisson_deviance_takes_any_rate():
    loss = perceptron.HalfPoissonDeviance()
    counts = np.array([0.0, 1.0, 5.0])
    for last in ("exponential", "softplus"):
        net = Sequential([layers.Dense(1, activation=last)], loss=loss, dtype="float64")
        rates = net.fit(X[:3], counts, epochs=1).predict(X[:3])[:, 0]
        least = np.where(counts > 0, counts * np.log(np.maximum(counts, 1)) - counts, 0)
        expected = (least - counts * np.log(rates) + rates).mean()
        assert net.evaluate(X[:3], counts)["loss"] == pytest.approx(expected)
