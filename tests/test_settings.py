"""Settings that no constructor takes are named, with the class and what was wrong."""

from __future__ import annotations

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, activations, initializers, layers, losses, ops, schedules


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
