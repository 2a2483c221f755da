"""Looking into a network: outputs of its layers, gradients of its loss."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, classifier, linear

from ganglion import NotFittedError, Sequential, layers, optimizers, regularizers


def deep(**settings) -> Sequential:
    return Sequential(
        [
            layers.Flatten(),
            layers.Residual([layers.Dense(6, activation="relu"), layers.Dropout(0.5)]),
            layers.BatchNormalization(),
            layers.Activation(None),
            layers.Dense(2, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        random_state=0,
        **settings,
    )


def test_layer_outputs_are_those_of_the_network_cut_there():
    net = deep().fit(X, Y)
    outputs = net.layer_outputs(X)
    assert list(outputs) == [
        "flatten", "residual/dense", "residual/dropout", "residual", "batch_normalization",
        "activation", "dense",
    ]  # fmt: skip
    np.testing.assert_array_equal(outputs["flatten"], X)
    np.testing.assert_allclose(outputs["residual"], X + outputs["residual/dense"], rtol=1e-6)
    np.testing.assert_array_equal(outputs["dense"], net.predict(X))


@pytest.mark.parametrize("rows", [1, 512, 1300])
def test_layer_outputs_have_all_rows(rows):
    net = classifier()
    net.build((None, 6))
    samples = np.resize(X, (rows, 6))
    np.testing.assert_allclose(
        net.layer_outputs(samples)["dense_1"], net.predict(samples), rtol=1e-6
    )


@pytest.mark.parametrize("weight", [None, np.linspace(0, 2, len(X))], ids=["plain", "weighted"])
def test_gradients_are_those_of_a_step_of_plain_descent(weight):
    settings = {"optimizer": optimizers.SGD(1.0), "dtype": "float64"}
    net = classifier(**settings)
    net.layers[0].kernel_regularizer = regularizers.L2(0.1)
    net.build((None, 6))
    gradients = net.loss_gradients(X, Y, weight)
    before = net.get_weights()
    net.train_on_batch(X, Y, weight)
    assert list(gradients) == net.weight_names
    for old, new, gradient in zip(before, net.get_weights(), gradients.values(), strict=True):
        np.testing.assert_allclose(old - new, gradient, rtol=1e-7, atol=1e-12)


def test_gradients_draw_what_the_next_step_draws_and_change_nothing():
    net = deep(optimizer=optimizers.SGD(1.0), dtype="float64").fit(X, Y)
    before, step = net.get_weights(), net.step_
    gradients = net.loss_gradients(X, Y)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert net.step_ == step
    net.train_on_batch(X, Y)
    moved = dict(zip(net.weight_names, net.get_weights(), strict=True))
    for name, old in zip(net.weight_names, before, strict=True):
        if name in gradients:  # not the moving statistics
            np.testing.assert_allclose(old - moved[name], gradients[name], rtol=1e-7, atol=1e-12)


def test_before_it_is_built_there_is_nothing_to_see():
    with pytest.raises(NotFittedError, match=r"\[layer_outputs\]"):
        classifier().layer_outputs(X)
    with pytest.raises(NotFittedError, match=r"\[loss_gradients\]"):
        classifier().loss_gradients(X, Y)


def test_bad_data_is_named():
    net = linear().fit(X, Y)
    with pytest.raises(ValueError, match=r"\[layer_outputs\] X has 5 columns, the network takes 6"):
        net.layer_outputs(X[:, :5])
    with pytest.raises(ValueError, match=r"\[loss_gradients\] X has 100 rows and y has 99"):
        net.loss_gradients(X, Y[1:])
