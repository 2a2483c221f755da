"""A new head for a trained network: the body stays as it was, and mistakes change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y
from transfer_networks import changed, network, weights

from ganglion import Sequential, layers


def test_a_new_head_leaves_the_body_as_it_was():
    net = network().fit(X, Y, epochs=2)
    before = weights(net)
    net.replace_head([layers.Dense(5), layers.Activation("softmax")])
    after = weights(net)
    assert net.output_shape == (None, 5)
    assert [name for name in after if name in before] == [n for n in before if "head" not in n]
    for name in before.keys() & after.keys():
        np.testing.assert_array_equal(before[name], after[name])
    assert net.history_ == {}
    assert (net.epoch_, net.step_) == (0, 0)
    net.fit(X, np.arange(len(X)) % 5)


def test_a_head_of_the_same_shape_is_new_too():
    net = Sequential([layers.Input((6,)), layers.Dense(6), layers.Dense(2)], loss="mse")
    net.set_weights([weight + 7.0 for weight in net.get_weights()])
    net.replace_head([layers.Dense(2)])
    assert net.weight_names[2] == "dense_1/kernel"
    assert np.abs(net.get_weights()[2]).max() < 7
    assert net.get_weights()[1].tolist() == [7.0] * 6


def test_a_layer_of_the_head_that_is_replaced_keeps_its_weights_in_the_new_one():
    net = network().fit(X, Y)
    before = weights(net)
    net.replace_head([layers.Dense(8), net.layers[-1]])
    np.testing.assert_array_equal(weights(net)["head/kernel"], before["head/kernel"])


def test_a_name_of_the_new_head_that_a_layer_had_by_itself():
    net = Sequential([layers.Input((6,)), layers.Dense(6), layers.Dense(2)], loss="mse")
    kernel = net.get_weights()[0]
    net.replace_head([layers.Dense(2, name="dense")])
    assert net.weight_names[::2] == ["dense_1/kernel", "dense/kernel"]
    np.testing.assert_array_equal(net.get_weights()[0], kernel)


def test_a_loaded_network_gets_a_head_of_two_classes(tmp_path):
    network().fit(X, Y).save(tmp_path / "net.safetensors")
    net = Sequential.load(tmp_path / "net.safetensors")
    net.replace_head([layers.Dense(1, "sigmoid")], "second", loss="binary_crossentropy")
    net.freeze()
    assert [row.name for row in net.layer_rows][-2:] == ["second", "dense"]
    before = weights(net)
    net.fit(X, Y, epochs=3)
    assert changed(net, before) == {"dense"}
    assert net.predict(X).shape == (len(X), 1)


@pytest.mark.parametrize(
    ("head", "settings", "message"),
    [
        ([], {}, r"\[replace_head\] layers must be a list of layers, got \[\]"),
        (layers.Dense(2), {}, r"\[replace_head\] layers must be a list of layers, got Dense"),
        (["dense"], {}, "layers must be Layers, got 'dense'"),
        ([layers.Input((3,))], {}, "Input must be the first layer"),
        ([layers.Reshape((7, 7))], {}, "Reshape"),
        ([layers.Dense(2, name="first")], {}, "another layer is named 'first'"),
        ([layers.Dense(2)], {"upto": "secnd"}, "no layer is named 'secnd'; did you mean 'second'?"),
        ([layers.Dense(2)], {"upto": 6}, "upto must be a whole number of at least -6 and less"),
        ([layers.Dense(2)], {"upto": 1.5}, "upto must be a whole number"),
        ([layers.Dense(2)], {"upto": layers.Dense(3)}, "upto is no layer of the network"),
        ([layers.Dense(2)], {"loss": "mze"}, "unknown name 'mze'; did you mean 'mse'?"),
    ],
)
def test_a_head_that_does_not_fit_changes_nothing(head, settings, message):
    net = network().fit(X, Y)
    before, kept = weights(net), list(net.layers)
    with pytest.raises((TypeError, ValueError), match=message):
        net.replace_head(head, **settings)
    assert net.layers == kept
    assert net.history_
    assert not changed(net, before)
    net.fit(X, Y)


class Failing(layers.Layer):
    """A layer of a user's own with a mistake in it."""

    def build(self, x):
        return {}["kernel"]


@pytest.mark.parametrize("change", ["replace_head", "add"])
def test_a_mistake_in_a_layer_of_one_s_own_changes_nothing(change):
    net = network().fit(X, Y)
    kept, expected = list(net.layers), net.predict(X)
    with pytest.raises(KeyError):
        net.add(Failing()) if change == "add" else net.replace_head([Failing()])
    assert net.layers == kept
    np.testing.assert_array_equal(net.predict(X), expected)
    net.fit(X, Y)


def test_a_head_cannot_be_one_of_the_layers_that_stay():
    net = network()
    with pytest.raises(ValueError, match="is there already: a layer can be used once"):
        net.replace_head([net.layers[1]])
