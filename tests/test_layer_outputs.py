"""Looking into a network: what its layers put out."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, classifier, linear

from ganglion import NotFittedError, Sequential, layers


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


def test_before_it_is_built_there_is_nothing_to_see():
    with pytest.raises(NotFittedError, match=r"\[layer_outputs\]"):
        classifier().layer_outputs(X)


def test_bad_data_is_named():
    net = linear().fit(X, Y)
    with pytest.raises(ValueError, match=r"\[layer_outputs\] X has 5 columns, the network takes 6"):
        net.layer_outputs(X[:, :5])
