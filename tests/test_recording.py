"""Callbacks that keep what a network went through, and the pictures of it."""

from __future__ import annotations

import numpy as np
import pytest
from small_networks import X, Y, assert_same_weights, classifier

from ganglion import Sequential, layers, optimizers, plot
from ganglion.callbacks import EarlyStopping, LayerRecorder, WeightRecorder


def test_weights_are_kept_from_before_the_first_epoch_to_the_last():
    recorder = WeightRecorder(every=2)
    net = classifier()
    net.build((None, 6))
    first = net.get_weights()
    net.fit(X, Y, epochs=5, callbacks=[recorder])
    assert recorder.epochs == [0, 2, 4, 5]
    for kept, weights in ((recorder.weights[0], first), (recorder.weights[-1], net.get_weights())):
        for a, b in zip(kept, weights, strict=True):
            np.testing.assert_array_equal(a, b)
    net.fit(X, Y, epochs=2, callbacks=[recorder])
    assert recorder.epochs == [5, 7]


def test_recorders_stand_a_fit_that_ends_early():
    weights, seen = WeightRecorder(every=10), LayerRecorder(X, Y)
    stop = EarlyStopping(monitor="loss", patience=1, min_delta=1e9)
    classifier().fit(X, Y, epochs=9, callbacks=[weights, seen, stop])
    assert weights.epochs == [0, 1 + stop.stopped_epoch]
    assert len(seen.epochs) == 2 + stop.stopped_epoch


def test_recorders_change_nothing():
    dropped = [layers.Dense(8, "relu"), layers.Dropout(0.5), layers.BatchNormalization()]
    settings = {"loss": "sparse_categorical_crossentropy", "random_state": 0}
    plain = Sequential([*dropped, layers.Dense(2, "softmax")], **settings)
    watched = Sequential([*dropped, layers.Dense(2, "softmax")], **settings)
    plain.fit(X, Y, epochs=3)
    watched.fit(X, Y, epochs=3, callbacks=[WeightRecorder(), LayerRecorder(X, Y)])
    assert_same_weights(plain, watched)
    assert plain.history_ == watched.history_


def test_distributions_are_those_of_the_weights_and_their_gradients():
    recorder = LayerRecorder(X, Y)
    net = classifier().fit(X, Y, epochs=2, callbacks=[recorder])
    assert recorder.epochs == [0, 1, 2]
    assert recorder.kernels == ["dense/kernel", "dense_1/kernel"]
    _, gradients = net.loss_and_gradients(X, Y)
    for name, weight, gradient in zip(net.weight_names, net.get_weights(), gradients, strict=True):
        np.testing.assert_array_equal(recorder.weights[name][-1], weight.ravel())
        np.testing.assert_array_equal(recorder.gradients[name][-1], gradient.ravel())


def test_of_a_large_weight_the_same_elements_are_kept_each_time():
    recorder = LayerRecorder(X, Y, values=10)
    net = classifier(optimizer=optimizers.SGD(0.0)).fit(X, Y, epochs=2, callbacks=[recorder])
    first, *later = recorder.weights["dense/kernel"]
    assert first.shape == (10,)
    assert set(first) <= set(net.get_weights()[0].ravel())
    for again in later:
        np.testing.assert_array_equal(first, again)


def test_dead_units_are_those_that_give_one_number_for_all():
    net = Sequential(
        [
            layers.Flatten(),  # no activation: a feature that is constant is no unit
            layers.Residual([layers.Dense(6, "relu")]),
            layers.Dense(4, "tanh"),
            layers.Dense(2, "softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer=optimizers.SGD(0.0),
        random_state=0,
    )
    net.build((None, 6))
    weights = net.get_weights()
    weights[1][:] = [-100, -100, 0, 0, 0, 0]  # below zero, whatever comes in
    weights[3][:] = [100, -100, 100, 0]  # a tanh at its limit
    net.set_weights(weights)
    recorder = LayerRecorder(np.c_[X[:, :5], np.ones(len(X))], Y)
    net.fit(X, Y, callbacks=[recorder])
    assert recorder.units == {"residual/dense": 6, "dense": 4}
    assert recorder.dead_units == {"residual/dense": [2, 2], "dense": [3, 3]}


@pytest.fixture(scope="module")
def recorder():
    seen = LayerRecorder(X, Y)
    classifier().fit(X, Y, epochs=20, callbacks=[seen])
    return seen


@pytest.fixture
def matplotlib():
    found = pytest.importorskip("matplotlib")
    found.use("Agg")
    yield found
    found.pyplot.close("all")


@pytest.mark.parametrize("gradients", [False, True])
def test_histograms_have_a_ridge_for_each_look_up_to_twelve(recorder, gradients, matplotlib):
    drawn = plot.weight_histograms(recorder, gradients=gradients)
    assert [panel.get_title().split(" ")[0] for panel in drawn] == recorder.kernels
    for panel in drawn:
        assert len(panel.collections) == 12
        shown = [text.get_text() for text in panel.get_yticklabels()]
        assert (shown[0], shown[-1]) == ("20", "0")
        panel.figure.canvas.draw()


def test_histograms_of_weights_that_are_all_the_same(matplotlib):
    seen = LayerRecorder(X, Y)
    net = classifier(optimizer=optimizers.SGD(0.0))
    net.build((None, 6))
    net.set_weights([np.zeros_like(weight) for weight in net.get_weights()])
    net.fit(X, Y, callbacks=[seen])
    plot.weight_histograms(seen)
    plot.weight_histograms(seen, ["dense/bias"], gradients=True)[0].figure.canvas.draw()


def test_dead_units_are_drawn_as_shares(recorder, matplotlib):
    axes = plot.dead_units(recorder)
    (text,) = [text.get_text() for text in axes.get_legend().get_texts()]
    assert text == f"dense: {recorder.dead_units['dense'][-1]} of 8 at the end"
    np.testing.assert_allclose(
        axes.lines[0].get_ydata(), np.array(recorder.dead_units["dense"]) / 8
    )


def test_mistakes_are_named(recorder, matplotlib):
    with pytest.raises(ValueError, match=r"\[WeightRecorder\] every must be a positive integer"):
        WeightRecorder(every=0)
    with pytest.raises(ValueError, match=r"\[LayerRecorder\] values must be a positive integer"):
        LayerRecorder(X, Y, values=-1)
    with pytest.raises(ValueError, match=r"\[dead_units\] the recorder saw no fit"):
        plot.dead_units(LayerRecorder(X, Y))
    with pytest.raises(TypeError, match=r"\[weight_histograms\] recorder must be a LayerRecorder"):
        plot.weight_histograms(WeightRecorder())
    with pytest.raises(ValueError, match=r"\[weight_histograms\] unknown name 'kernel', the rec"):
        plot.weight_histograms(recorder, ["kernel"])


def test_a_network_without_trained_kernels_has_no_histograms(matplotlib):
    seen = LayerRecorder(X, Y)
    net = Sequential([layers.BatchNormalization(), layers.Dense(1, trainable=False)], loss="mse")
    net.fit(X, Y, callbacks=[seen])
    with pytest.raises(ValueError, match=r"\[weight_histograms\] there is nothing to draw"):
        plot.weight_histograms(seen)
