"""An estimator that goes on takes over what was set since, or says why it can't."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y

from ganglion import NeuralClassifier, layers


def fitted(**settings) -> NeuralClassifier:
    settings = {"epochs": 2, "warm_start": True, "random_state": 0, **settings}
    return NeuralClassifier([8], **settings).fit(X, Y)


@pytest.mark.parametrize(
    ("setting", "value", "seen"),
    [
        ("learning_rate", 0.05, lambda net: net.learning_rate == 0.05),
        ("optimizer", "sgd", lambda net: type(net.optimizer).__name__ == "SGD"),
        ("metrics", ["accuracy"], lambda net: "accuracy" in net.history_),
        ("activation", "tanh", lambda net: net.layers[0] == layers.Dense(8, "tanh")),
        ("dropout", 0.5, lambda net: isinstance(net.layers[1], layers.Dropout)),
    ],
)
def test_what_was_set_since_is_used(setting, value, seen):
    model = fitted()
    before = model.loss_
    model.set_params(**{setting: value}).fit(X, Y)
    assert model.loss_ != before
    assert seen(model.network_)
    assert model.n_iter_ == model.network_.epoch_ == 4


def test_nothing_set_goes_on_to_the_same_bits():
    twice, once = fitted().fit(X, Y), fitted(epochs=4)
    for one, other in zip(twice.network_.get_weights(), once.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_frozen_in_the_network_stays_so():
    model = fitted()
    model.network_.layers[0].trainable = False
    before = model.network_.get_weights()[0]
    np.testing.assert_array_equal(model.fit(X, Y).network_.get_weights()[0], before)


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
def test_layers_that_the_weights_do_not_fit_are_an_error(goes_on):
    model = fitted()
    network = model.network_
    model.set_params(layers=[4])
    with pytest.raises(
        ValueError, match=r"\[NeuralClassifier\] layers changed .* warm_start=False"
    ):
        getattr(model, goes_on)(X, Y)
    assert model.network_ is network
    assert model.set_params(warm_start=False).fit(X, Y).network_.layers[0].units == 4


def test_a_learning_rate_that_was_found_stays():
    model = fitted(learning_rate="auto")
    found = model.network_.learning_rate
    assert model.set_params(metrics=["accuracy"]).fit(X, Y).network_.learning_rate == found
