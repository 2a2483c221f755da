"""Reusing networks: what is frozen stays and costs nothing, what goes on goes on exactly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from registry import names
from small_networks import X, Y, assert_same_weights
from transfer_networks import changed, network, weights

from ganglion import (
    DivergenceWarning,
    NotFittedError,
    Sequential,
    applications,
    callbacks,
    layers,
    optimizers,
)


def listing(net: Sequential, capsys) -> list[str]:
    """The lines of the training program."""
    capsys.readouterr()
    net.program("train")
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("upto", [None, "dropout", 4, -2])
def test_what_is_frozen_stays(upto):
    net = network()
    net.freeze(upto)
    before = weights(net)
    net.fit(X, Y, epochs=2)
    assert changed(net, before) == {"head"}
    assert net.trainable_weight_names == ["head/kernel", "head/bias"]


def test_layers_are_frozen_by_name_place_or_themselves():
    for upto in ("batch_normalization", 2, -4):
        net = network()
        net.freeze(upto)
        assert [layer.trainable for layer in net.layers] == [False] * 3 + [True] * 3
        net.unfreeze(net.layers[1])
        assert [layer.trainable for layer in net.layers] == [False, *[True] * 5]
        net.unfreeze()
        assert all(layer.trainable for layer in net.layers)


def test_setting_trainable_is_enough():
    net = network().fit(X, Y)
    net.layers[1].trainable = False
    before = weights(net)
    net.fit(X, Y)
    assert changed(net, before) == {"batch_normalization", "second", "head"}
    net.layers[1].trainable = True
    net.train_on_batch(X, Y)
    assert "first" in changed(net, before)


def test_a_frozen_normalisation_acts_as_in_prediction():
    net = network(dropout=0.0)
    net.fit(X, Y)
    net.freeze()
    np.testing.assert_array_equal(net.forward(X, training=True), net.predict(X))


def test_frozen_layers_cost_no_backward_pass(capsys):
    net = network()
    whole = listing(net, capsys)
    net.freeze()
    head = listing(net, capsys)
    for name in ("first", "second"):
        assert sum(line.startswith(name) for line in head) == 1  # its part of the forward pass
        assert sum(line.startswith(name) for line in whole) > 1
    # The forward pass, the head's two gradients, and no gradient of what reaches the head.
    assert sum(line.startswith("head") for line in head) < sum(
        line.startswith("head") for line in whole
    )
    net.fit(X, Y)
    states = net._built.get_states()
    assert {state.size for state in states.values()} == {32}  # 18 weights, each of them padded


@pytest.mark.parametrize("cls", names("optimizer"))
def test_the_state_of_what_stays_trained_is_kept(cls):
    def trained(unfrozen: bool) -> Sequential:
        net = network(0.0, optimizer=cls(use_ema=True), dtype="float64")
        net.layers[2].trainable = False
        net.freeze()
        net.fit(X, Y, epochs=2, batch_size=20)
        if unfrozen:
            for layer in net.layers[:3]:
                layer.learning_rate_multiplier = 1e-300
            net.layers[1].trainable = True
        return net.fit(X, Y, epochs=2, batch_size=20)

    for one, other in zip(trained(True).get_weights(), trained(False).get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_what_is_unfrozen_begins_with_a_step_of_the_right_length():
    rate = 1e-3
    net = network(optimizer=optimizers.Adam(rate))
    net.freeze("first")
    net.fit(X, Y, epochs=20, batch_size=20)
    net.unfreeze()
    before = weights(net)["first/kernel"]
    net.train_on_batch(X, Y)
    step = np.abs(weights(net)["first/kernel"] - before)
    # Without a count of its own the mean of squares would begin as if it had seen 100 updates.
    assert 0.9 * rate < step.max() < 1.1 * rate


@pytest.mark.parametrize("duplicate", ["file", "copy"])
def test_a_network_in_the_middle_of_unfreezing_goes_on_with_the_same_bits(duplicate, tmp_path):
    net = network(optimizer="nadam")
    net.freeze()
    net.discriminate(0.5)
    net.fit(X, Y, epochs=2)
    net.unfreeze("second")
    net.fit(X, Y, epochs=2)
    if duplicate == "file":
        net.save(tmp_path / "net.safetensors", training_state=True)
        other = Sequential.load(tmp_path / "net.safetensors")
    else:
        other = copy.deepcopy(net)
    assert [layer.trainable for layer in other.layers[1:]] == [False] * 2 + [True] * 3
    assert other.layers[3].learning_rate_multiplier == 0.5
    for each in (net, other):
        each.unfreeze()
        each.fit(X, Y, epochs=2)
    assert_same_weights(net, other)
    for each in (net, other):
        each.reset_optimizer()
        each.fit(X, Y)
    assert_same_weights(net, other)


def test_resetting_counts_all_updates_anew():
    net = network()
    net.freeze()
    net.fit(X, Y)
    net.unfreeze()
    net.fit(X, Y)
    net.reset()
    assert_same_weights(net.fit(X, Y), network().fit(X, Y))


def test_a_multiplier_is_a_learning_rate_of_its_own():
    net, slower = network(0.0, optimizer="sgd"), network(0.0, optimizer="sgd")
    slower.layers[1].learning_rate_multiplier = 0.25
    start = weights(net)
    net.train_on_batch(X, Y)
    slower.train_on_batch(X, Y)
    for name, value in weights(net).items():
        share = 0.25 if name.startswith("first") else 1.0
        step, own_step = value - start[name], weights(slower)[name] - start[name]
        np.testing.assert_allclose(own_step, share * step, rtol=1e-3, atol=1e-7)


def test_multipliers_of_layers_within_each_other_multiply():
    inner = layers.Dense(6, learning_rate_multiplier=0.5)
    net = Sequential([layers.Input((6,)), layers.Residual([inner], learning_rate_multiplier=0.1)])
    assert {v.learning_rate_multiplier for v in net._built.variables} == {0.05}


def test_without_multipliers_the_program_is_what_it_was(capsys):
    net = network()
    plain = listing(net, capsys)
    net.discriminate(0.5)
    assert listing(net, capsys) != plain
    net.discriminate(1)
    assert listing(net, capsys) == plain


def test_layers_learn_slower_one_by_one():
    net = network()
    net.discriminate(0.5)
    assert [layer.learning_rate_multiplier for layer in net.layers] == [1, 0.125, 0.25, 0.5, 1, 1]


def test_unfreezing_from_the_head_downward(capsys):
    net = network()
    net.freeze()
    rows: list[list[str]] = []
    seen = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rows.append(
            sorted({name.split("/")[0] for name in net.trainable_weight_names})
        )
    )
    unfreezing = callbacks.GradualUnfreezing(every=2, verbose=1)
    net.fit(X, Y, epochs=7, callbacks=[unfreezing, seen], validation_split=0.2)
    two, three = ["head", "second"], ["batch_normalization", "head", "second"]
    everything = sorted([*three, "first"])
    assert rows == [["head"], ["head"], two, two, three, three, everything]
    assert "epoch 3: second is trained\n" in capsys.readouterr().out
    assert all(layer.trainable for layer in net.layers)
    assert net.epoch_ == len(net.history_["val_loss"]) == 7
    net.fit(X, Y, callbacks=[unfreezing])  # nothing is left to unfreeze


def test_unfreezing_goes_on_when_a_fit_is_resumed(tmp_path):
    path = tmp_path / "net.safetensors"

    def fit(net: Sequential, epochs: int) -> Sequential:
        keeping = callbacks.ModelCheckpoint(path, save_best_only=False, training_state=True)
        unfreezing = callbacks.GradualUnfreezing(every=2, layers=2)
        return net.fit(X, Y, epochs=epochs, callbacks=[unfreezing, keeping])

    straight, first = network(), network()
    straight.freeze()
    first.freeze()
    fit(first, 3)
    resumed = fit(Sequential.load(path), 3)
    assert_same_weights(resumed, fit(straight, 6))
    assert all(layer.trainable for layer in resumed.layers)


def test_what_a_batch_hook_freezes_is_frozen_from_the_next_epoch_on():
    net = network().fit(X, Y)
    seen = []

    def freeze(batch, logs):
        net.freeze()
        seen.append(weights(net))

    net.fit(X, Y, epochs=2, callbacks=[callbacks.LambdaCallback(on_train_batch_end=freeze)])
    assert changed(net, seen[3]) == {"head"}
    assert np.any(seen[0]["first/kernel"] != seen[3]["first/kernel"])


def test_a_callback_cannot_replace_what_is_being_trained():
    net, head = network(), layers.Dense(2, "softmax")
    replacing = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: epoch == 1 and net.replace_head([head])
    )
    with pytest.raises(RuntimeError, match=r"\[fit\] a callback added or replaced layers"):
        net.fit(X, Y, epochs=3, callbacks=[replacing])
    assert net.fit(X, Y).epoch_ == 1


def test_a_fit_that_diverges_after_unfreezing_has_its_best_weights():
    net = network(optimizer=optimizers.SGD(1e-3))
    net.freeze()

    def raise_rate(epoch, logs):
        net.learning_rate = 1e-3 if epoch < 2 else 1e38

    hooks = [callbacks.LambdaCallback(on_epoch_begin=raise_rate), callbacks.GradualUnfreezing()]
    with pytest.warns(DivergenceWarning):
        net.fit(X, Y, epochs=4, validation_data=(X, Y), callbacks=hooks)
    assert net.evaluate(X, Y)["loss"] == pytest.approx(min(net.history_["val_loss"]), rel=1e-6)
    assert net.epoch_ == 2


def convolutional() -> Sequential:
    return Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Conv2D(6, 3, activation="relu", name="second"),
            layers.Flatten(),
            layers.Dense(3, "softmax", name="head"),
        ],
        loss="sparse_categorical_crossentropy",
        random_state=0,
    )


def test_a_frozen_convolution_has_a_forward_pass_only(capsys):
    net = convolutional()
    assert any("gradient" in line for line in listing(net, capsys) if line.startswith("second"))
    net.freeze()
    frozen = listing(net, capsys)
    assert not [line for line in frozen if "gradient" in line and not line.startswith("loss")]
    images = np.random.default_rng(0).normal(size=(40, 8, 8, 1))
    before = weights(net)
    net.fit(images, np.arange(40) % 3, epochs=2)
    assert changed(net, before) == {"head"}
    net.discriminate(0.3)
    net.fit(images, np.arange(40) % 3, epochs=5, callbacks=[callbacks.GradualUnfreezing()])
    assert changed(net, before) == {"first", "batch_normalization", "second", "head"}


def test_a_residual_network_is_unfrozen_block_by_block():
    net = applications.ResNet8((8, 8, 1), 3, random_state=0)
    net.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
    net.freeze()
    images, labels = np.random.default_rng(0).normal(size=(30, 8, 8, 1)), np.arange(30) % 3
    before = weights(net)
    net.fit(images, labels, epochs=2)
    assert changed(net, before) == {"dense"}
    net.fit(images, labels, epochs=3, callbacks=[callbacks.GradualUnfreezing()])
    assert changed(net, before) == {"residual_1", "residual_2", "dense"}


# Mistakes.


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda net: net.freeze("frist"), "no layer is named 'frist'; did you mean 'first'?"),
        (
            lambda net: net.freeze(-1),
            r"\[freeze\] nothing would be left to train: behind layer 'head'",
        ),
        (lambda net: net.freeze("head"), "nothing would be left to train"),
        (lambda net: net.freeze(6), "upto must be a whole number of at least -6 and less than 6"),
        (lambda net: net.unfreeze("none"), "no layer is named 'none'"),
        (lambda net: net.unfreeze(True), "downto must be a whole number"),
        (lambda net: net.discriminate(0), "factor must be positive, got 0: freeze layers instead"),
        (lambda net: net.discriminate(-1), "factor must be a number of at least 0, got -1"),
        (lambda net: net.discriminate("slow"), "factor must be a number of at least 0, got 'slow'"),
    ],
)
def test_mistakes_are_named_and_change_nothing(action, message):
    net = network()
    with pytest.raises((TypeError, ValueError), match=message):
        action(net)
    assert all(layer.trainable for layer in net.layers)
    assert {layer.learning_rate_multiplier for layer in net.layers} == {1.0}


def test_freezing_needs_a_body():
    net = Sequential([layers.Input((6,)), layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer with weights before its last one"):
        net.freeze()
    with pytest.raises(NotFittedError, match=r"\[freeze\] the network has no weights yet"):
        Sequential([layers.Dense(2), layers.Dense(2)]).freeze()


@pytest.mark.parametrize("multiplier", [0, -0.5, np.inf, "fast", True])
def test_a_multiplier_must_be_positive(multiplier):
    wanted = r"\[Dense\] learning_rate_multiplier must be positive"
    with pytest.raises((TypeError, ValueError), match=wanted):
        layers.Dense(2, learning_rate_multiplier=multiplier)
    net = network()
    net.layers[1].learning_rate_multiplier = multiplier
    with pytest.raises((TypeError, ValueError), match=wanted):
        net.fit(X, Y)
    net.layers[1].learning_rate_multiplier = 0.5
    net.fit(X, Y)


def test_trainable_must_be_true_or_false():
    net = network()
    net.layers[1].trainable = "no"
    with pytest.raises(TypeError, match=r"\[Dense\] trainable must be True or False, got 'no'"):
        net.fit(X, Y)


@pytest.mark.parametrize("settings", [{"every": 0}, {"layers": -1}, {"every": 1.5}])
def test_unfreezing_has_settings_in_range(settings):
    with pytest.raises((TypeError, ValueError), match="must be a positive integer"):
        callbacks.GradualUnfreezing(**settings)


def test_unfreezing_needs_something_frozen():
    with pytest.raises(ValueError, match=r"no layer of the network is frozen: call freeze\(\)"):
        network().fit(X, Y, callbacks=[callbacks.GradualUnfreezing()])
