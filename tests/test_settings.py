"""Settings that no constructor takes are named, with the class and what was wrong."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from small_networks import X, Y

import ganglion
from ganglion import (
    Sequential,
    activations,
    initializers,
    layers,
    losses,
    ops,
    optimizers,
    schedules,
)


def built(*network: layers.Layer) -> Sequential:
    return Sequential([layers.Input((4, 3)), *network])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Reshape(3), ValueError, r"\[Reshape\] target_shape .* got 3"),
        (lambda: layers.Reshape((True, 3)), ValueError, r"\[Reshape\] target_shape"),
        (lambda: layers.Dropout(0.5, noise_shape=3), TypeError, r"\[Dropout\] noise_shape .* 3"),
        (lambda: layers.Dropout(True), TypeError, r"\[Dropout\] rate"),
        (lambda: layers.Rescaling([[1.0], [1.0, 2.0]]), TypeError, r"\[Rescaling\] scale"),
        (lambda: layers.PReLU(shared_axes="a"), TypeError, r"\[PReLU\] shared_axes"),
        (lambda: built(layers.PReLU(shared_axes=[3])), ValueError, r"\[PReLU\] there is no axis 3"),
        (lambda: built(layers.PReLU(shared_axes=0)), ValueError, r"\[PReLU\] .* the batch"),
        (lambda: losses.Quantile("a"), TypeError, r"\[Quantile\] quantiles"),
        (lambda: losses.Quantile([[0.5]]), ValueError, r"\[Quantile\] quantiles"),
        (lambda: losses.Quantile([]), ValueError, r"\[Quantile\] quantiles"),
        (
            lambda: losses.CategoricalFocalCrossentropy(alpha="x"),
            TypeError,
            r"\[CategoricalFocalCrossentropy\] alpha",
        ),
        (
            lambda: losses.CategoricalFocalCrossentropy(alpha=np.inf),
            ValueError,
            r"\[CategoricalFocalCrossentropy\] alpha",
        ),
        (
            lambda: schedules.PiecewiseConstantDecay(["a"], [1.0, 2.0]),
            TypeError,
            r"\[PiecewiseConstantDecay\] boundaries",
        ),
        (
            lambda: schedules.PiecewiseConstantDecay(3, [1.0, 2.0]),
            TypeError,
            r"\[PiecewiseConstantDecay\] boundaries",
        ),
        (
            lambda: built(layers.Dense(2, bias_initializer=initializers.Constant([1.0, 2.0, 3.0]))),
            ValueError,
            r"\[Constant\] value of shape \(3,\) .* \(2,\)",
        ),
        (lambda: ganglion.set_num_threads("2"), TypeError, r"\[set_num_threads\] threads .* '2'"),
        (lambda: layers.Dense(True), TypeError, r"\[Dense\] units"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_layer_that_does_not_call_its_base_is_named():
    class Careless(layers.Layer):
        def __init__(self):
            self.factor = 2.0

        def build(self, x):
            return self.factor * x

    with pytest.raises(TypeError, match=r"\[Careless\] .*super\(\).__init__"):
        built(Careless())


def test_axes_of_prelu_may_be_one_number():
    one, listed = (
        built(layers.PReLU(shared_axes=axes)).get_weights()[0].shape for axes in (1, [1])
    )
    assert one == listed == (1, 3)
    assert built(layers.PReLU(shared_axes=-1)).get_weights()[0].shape == (4, 1)


def test_a_function_is_an_activation():
    def bump(x):
        return ops.exp(-x * x)

    x = np.linspace(-2, 2, 6).reshape(2, 3)
    expected = np.exp(-x * x)
    for layer in (layers.Activation(bump), layers.Activation(activations.get(bump))):
        np.testing.assert_allclose(ops.evaluate(layer, x), expected, rtol=1e-12)
    dense = layers.Dense(3, bump, kernel_initializer="identity")
    np.testing.assert_allclose(ops.evaluate(dense, x), expected, rtol=1e-12)


def changes(net: Sequential):
    """Ways to change a network's settings that its programs would not see."""
    dense, dropout = net.layers[0], net.layers[1]
    return {
        "units": lambda: setattr(dense, "units", 9),
        "rate": lambda: setattr(dropout, "rate", 0.95),
        "l2": lambda: setattr(dense.kernel_regularizer, "l2", 3.0),
        "beta_1": lambda: setattr(net.optimizer, "beta_1", 0.1),
        "delta": lambda: setattr(net.loss, "delta", 3.0),
        "name": lambda: setattr(net.metrics[0], "name", "other"),
    }


def fitted() -> Sequential:
    net = Sequential(
        [layers.Dense(4, "relu", kernel_regularizer="l2"), layers.Dropout(0.2), layers.Dense(1)],
        loss=losses.Huber(),
        optimizer=optimizers.Adam(0.01),
        metrics=["mae"],
        random_state=0,
    )
    net.layers[1].rate = 0.3
    return net.fit(X, Y)


@pytest.mark.parametrize("name", changes(fitted()))
def test_a_network_that_was_built_refuses_a_change_it_would_not_see(name, tmp_path):
    net = fitted()
    before = repr(net), repr(net.optimizer), repr(net.loss), repr(net.metrics)
    with pytest.raises(AttributeError, match=rf"\] {name} can no longer be changed, from .* new "):
        changes(net)[name]()
    assert (repr(net), repr(net.optimizer), repr(net.loss), repr(net.metrics)) == before
    net.save(tmp_path / "net.safetensors")
    assert Sequential.load(tmp_path / "net.safetensors").layers == net.layers


def test_settings_are_free_before_a_network_is_built_and_in_copies():
    net = fitted()
    assert net.layers[1].rate == 0.3
    net.layers[1].rate = 0.3  # nothing changes
    for copied in (copy.deepcopy(net.layers[1]), pickle.loads(pickle.dumps(net.layers[1]))):
        copied.rate = 0.9
        assert copied.rate == 0.9
    with pytest.raises(AttributeError, match="rate"):
        pickle.loads(pickle.dumps(net)).layers[1].rate = 0.9


def test_a_learning_rate_set_in_the_optimizer_is_followed():
    net = fitted()
    net.learning_rate = 0.5
    assert (net.learning_rate, net.optimizer.learning_rate) == (0.5, 0.01)
    net.optimizer.learning_rate = 0.25
    assert net.learning_rate == copy.deepcopy(net).learning_rate == 0.25
    net.learning_rate = 0.125
    assert net.learning_rate == copy.deepcopy(net).learning_rate == 0.125
    net.reset()
    assert net.learning_rate == 0.25
    net.optimizer.learning_rate = 0.0
    weights = net.get_weights()
    for one, other in zip(net.fit(X, Y).get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", [-0.5, float("nan"), "fast", None])
def test_a_learning_rate_set_in_the_optimizer_is_checked(rate):
    net = fitted()
    weights = net.get_weights()
    net.optimizer.learning_rate = rate
    with pytest.raises((TypeError, ValueError), match="learning_rate must be non-negative, got"):
        net.fit(X, Y)
    for one, other in zip(net.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_estimator_leaves_the_settings_it_was_given_free():
    model = ganglion.NeuralRegressor([4], optimizer=optimizers.Adam(0.01), epochs=1, random_state=0)
    model.fit(X, X.sum(axis=1))
    model.optimizer.beta_1 = 0.5
    assert model.fit(X, X.sum(axis=1)).network_.optimizer.beta_1 == 0.5
