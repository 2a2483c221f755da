"""A network that ends in something else than its loss takes says so, once, where it is trained."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from small_networks import X, Y

from ganglion import Sequential, layers, losses, ops


def ending_in(units: int, activation, loss) -> Sequential:
    return Sequential([layers.Dense(units, activation)], loss=loss, random_state=0)


@pytest.mark.parametrize(
    ("units", "activation", "loss", "message"),
    [
        (1, None, "binary_crossentropy", "no activation: .*activation='sigmoid', or .*from_logits"),
        (1, "linear", "binary_focal_crossentropy", "no activation"),
        (1, "relu", "bce", r"\[BinaryCrossentropy\] .* 'relu': give it activation='sigmoid'$"),
        (2, None, "scce", r"\[SparseCategoricalCrossentropy\] .* activation='softmax', or"),
        (2, "softmax", losses.SparseCategoricalCrossentropy(from_logits=True), "leave one of the"),
        (1, "sigmoid", losses.BinaryCrossentropy(from_logits=True), "ends in a sigmoid"),
        (1, "softmax", "bce", "softmax over one output, which is 1 whatever"),
        (1, "softmax", "mse", "softmax over one output"),
    ],
)
def test_a_wrong_ending_is_warned_of_once(units, activation, loss, message):
    net = ending_in(units, activation, loss)
    with pytest.warns(UserWarning, match=message) as caught:
        net.fit(X, Y)
    assert caught[0].filename == __file__
    net.fit(X, Y)


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", "bce"),
        (1, None, losses.BinaryCrossentropy(from_logits=True)),
        (1, lambda x: 1.0 - ops.exp(-ops.square(x)), "bce"),  # what can't be known is trusted
        (2, "softmax", "scce"),
        (2, "sigmoid", "scce"),  # its sum is divided out
        (2, None, losses.SparseCategoricalCrossentropy(from_logits=True)),
        (1, "relu", "mse"),
    ],
)
def test_a_right_ending_is_not(units, activation, loss):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ending_in(units, activation, loss).fit(X, Y)


def test_an_activation_of_its_own_layer_is_seen():
    net = Sequential([layers.Dense(1), layers.Activation("tanh")], loss="bce")
    with pytest.warns(UserWarning, match="'tanh'"):
        net.train_on_batch(X, Y)
    assert np.isfinite(net.predict(X)).all()
