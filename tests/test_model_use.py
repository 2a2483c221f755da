"""Graphs as users of Keras expect them: within each other, named, frozen, kept and looked at."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from test_model import IMAGE, KIND, RNG, SIZE, X, equal, two_heads, two_inputs

from ganglion import (
    Model,
    NeuralClassifier,
    Sequential,
    activations,
    attribution,
    callbacks,
    find_learning_rate,
    layers,
)

# Networks within networks, and what is reused.


def test_a_network_that_is_called_brings_its_weights_and_its_layers_once() -> None:
    encoder = Sequential([layers.Input((4,)), layers.Dense(3, activation="tanh"), layers.Dense(2)])
    a, b = layers.Input((4,)), layers.Input((4,))
    net = Model([a, b], layers.Subtract()([encoder(a), encoder(b)]), loss="mse")
    assert net.weight_names == ["dense/kernel", "dense/bias", "dense_1/kernel", "dense_1/bias"]
    left, right = RNG.normal(size=(2, 6, 4))
    expected = encoder.predict(left) - encoder.predict(right)
    np.testing.assert_allclose(net.predict((left, right)), expected, atol=1e-6)
    before = encoder.get_weights()
    net.fit((left, right), np.ones((6, 2)), epochs=2)
    assert equal(encoder.get_weights(), before)
    encoder.take_weights(net)
    assert equal(encoder.get_weights(), net.get_weights())
    copied = pickle.loads(pickle.dumps(net))
    assert np.array_equal(copied.predict((left, right)), net.predict((left, right)))


def test_a_graph_within_a_graph() -> None:
    inner = two_inputs()
    heads = two_heads()
    x, image = layers.Input((4,)), layers.Input((2, 3))
    size, kind = heads(x)
    net = Model([x, image], {"sum": inner({"image": image, "x": x}) + size, "kind": kind})
    predicted = net.predict((X, IMAGE))
    np.testing.assert_allclose(predicted["kind"], heads.predict(X)[1], atol=1e-6)
    expected = inner.predict((X, IMAGE)) + heads.predict(X)[0]
    np.testing.assert_allclose(predicted["sum"], expected, atol=1e-6)


def test_calls_of_networks_that_do_not_fit() -> None:
    chain, x = Sequential([layers.Input((4,)), layers.Dense(2)]), layers.Input((3,))
    with pytest.raises(TypeError, match=r"\[Sequential\] is called on layers.Input .*; predict"):
        chain(X)
    with pytest.raises(ValueError, match=r"\[Sequential\] takes \(None, 4\), got \(None, 3\)"):
        chain(x)
    with pytest.raises(ValueError, match=r"\[Sequential\] takes 1 input, got 2"):
        chain([x, x])
    with pytest.raises(TypeError, match=r"\[Model\] inputs must be a tuple or a dict of 2 parts"):
        two_inputs()(x)
    with pytest.raises(ValueError, match="share no layer that has weights"):
        chain.take_weights(two_inputs())
    with pytest.raises(TypeError, match="other must be a Sequential or a Model, got None"):
        chain.take_weights(None)


def test_freezing_goes_along_the_graph() -> None:
    net = two_heads()
    net.freeze()
    assert net.trainable_weight_names == ["size/kernel", "size/bias", "kind/kernel", "kind/bias"]
    net.freeze("size")
    assert net.trainable_weight_names == ["kind/kernel", "kind/bias"]
    net.unfreeze("dense")
    assert len(net.trainable_weight_names) == 6
    net.discriminate(0.5)
    assert [layer.learning_rate_multiplier for layer in net.layers] == [1.0, 0.5, 1.0, 1.0]
    net.freeze()
    unfreezing = callbacks.GradualUnfreezing()
    net.fit(X, (SIZE, KIND), epochs=2, callbacks=[unfreezing])
    assert len(net.trainable_weight_names) == 6
    x = layers.Input((4,))
    with pytest.raises(ValueError, match=r"\[freeze\] the network has no layer with weights befor"):
        Model(x, [layers.Dense(1)(x), layers.Dense(2)(x)]).freeze()
    shared = layers.Dense(4)
    again = Model(x, layers.Dense(1)(shared(layers.Dense(4)(shared(x)))))
    again.freeze()
    assert again.trainable_weight_names == ["dense_2/kernel", "dense_2/bias"]


def test_one_output_of_a_dict_is_a_dict_for_one_row_too() -> None:
    x = layers.Input((4,))
    net = Model(x, {"only": layers.Dense(2)(x)})
    row = np.zeros((1, 4))
    assert [list(net.predict(row)) for _ in range(3)] == [["only"]] * 3


# As Keras takes it.


def test_the_only_input_and_output_may_be_named_too() -> None:
    x = layers.Input((4,))
    net = Model(
        {"a": x},
        [layers.Dense(1, name="o")(x)],
        loss={"o": "mse"},
        metrics={"o": ["mae"]},
        loss_weights={"o": 2.0},
    )
    net.fit({"a": X}, {"o": SIZE}, validation_data=({"a": X}, {"o": SIZE}))
    assert list(net.history_) == ["loss", "mae", "val_loss", "val_mae"]
    assert np.array_equal(net.predict({"a": X}), net.predict(X))
    net.compile(loss=["mse"], metrics=[["mae", "mse"]])
    assert len(net.metrics) == 2
    with pytest.raises(ValueError, match=r"\[fit\] y must have the names 'o', got \['p'\]"):
        net.fit(X, {"p": SIZE})


def test_metrics_of_several_outputs_without_lists() -> None:
    for metrics in (["mae", "accuracy"], {"size": "mae", "kind": "accuracy"}):
        logs = two_heads(metrics=metrics).evaluate(X, (SIZE, KIND))
        assert {"size_mae", "kind_accuracy"} <= set(logs)


def test_inputs_of_one_feature_may_have_one_axis() -> None:
    a, b = layers.Input((1,)), layers.Input((1,))
    net = Model({"a": a, "b": b}, layers.Concatenate()([a, b]))
    expected = np.float32(X[:, :2])
    np.testing.assert_array_equal(net.predict({"a": X[:, 0], "b": X[:, 1]}), expected)


def test_activations_are_operations_of_a_graph() -> None:
    x = layers.Input((4,))
    net = Model(x, activations.LeakyReLU(0.5)(x) + activations.get("relu")(2.0 * x))
    expected = np.where(X > 0, X, 0.5 * X) + np.maximum(2.0 * X, 0)
    np.testing.assert_allclose(net.predict(X), expected, atol=1e-6)


def test_messages_for_habits_of_keras() -> None:
    a, net = layers.Input((4,)), two_heads()
    with pytest.raises(TypeError, match=r"must be called with a list: Add\(...\)\(\[a, b\]\)"):
        layers.Add()(a, a)
    with pytest.raises(TypeError, match=r"\[Dense\] expected layers.Input .* got ndarray; ops.eva"):
        layers.Dense(2)(X)
    for weight in ([np.ones(24), np.ones(24)], {"size": np.ones(24)}):
        with pytest.raises(TypeError, match=r"sample_weight must be one array, .*loss_weights"):
            net.fit(X, (SIZE, KIND), sample_weight=weight)
    with pytest.raises(TypeError, match=r"got Model.*: ganglion.Model joins networks"):
        Sequential([net])
    for given in (net, [net]):
        with pytest.raises(TypeError, match="a Model is trained by its own fit"):
            NeuralClassifier(given).fit(X, KIND)


def test_layers_and_outputs_may_have_the_same_names() -> None:
    words = layers.Input((None, 3))
    steps = layers.GRU(4, return_sequences=True, name="kept")(words)
    pooled = layers.GlobalAveragePooling1D()(steps)
    net = Model(words, {"kept": layers.Dense(2)(pooled), "steps": steps})
    lists = [RNG.normal(size=(n, 3)) for n in (2, 5)]
    assert [len(part) for part in net.layer_outputs(lists)["kept"]] == [2, 5]
    predicted = net.predict(lists)
    assert predicted["kept"].shape == (2, 2) and [len(p) for p in predicted["steps"]] == [2, 5]


# What else takes a network.


def test_checkpoints_and_backups_of_graphs(tmp_path: Path) -> None:
    net = two_heads()
    checkpoint = callbacks.ModelCheckpoint(tmp_path / "best", monitor="val_kind_accuracy")
    stopping = callbacks.EarlyStopping("val_size_loss", patience=1, restore_best_weights=True)
    net.fit(X, (SIZE, KIND), epochs=3, validation_split=0.25, callbacks=[checkpoint, stopping])
    assert Model.load(tmp_path / "best").weight_names == net.weight_names
    with pytest.raises(ValueError, match="'val_kind_los' is not in the logs; did you mean 'val_ki"):
        net.fit(
            X,
            (SIZE, KIND),
            validation_split=0.25,
            callbacks=[callbacks.EarlyStopping("val_kind_los")],
        )


def test_range_test_layers_and_attribution_of_graphs() -> None:
    net = two_heads()
    with pytest.warns(UserWarning, match="50 or more tell better"):
        assert find_learning_rate(net, X, (SIZE, KIND), steps=10).suggestion > 0
    assert {name: part.shape for name, part in net.layer_outputs(X).items()} == {
        "input": (24, 4),
        "dense": (24, 8),
        "size": (24, 1),
        "kind": (24, 3),
    }
    with pytest.raises(TypeError, match=r"\[saliency\] net must have one input and one output"):
        attribution.saliency(net, X)
    x = layers.Input((4,))
    single = Model(x, layers.Dense(1)(layers.Add()([x, layers.Dense(4)(x)])))
    kernel, _, last, _ = single.get_weights()
    seen = np.abs((np.eye(4) + kernel) @ last)[:, 0]
    np.testing.assert_allclose(attribution.saliency(single, X)[0], seen, rtol=1e-5)
