"""The face of a network: fit, predict, evaluate, passes, weights, copies."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from small_networks import X, Y, assert_same_weights, classifier, linear

from ganglion import NotFittedError, Sequential, epochs, layers, optimizers

RNG = np.random.default_rng(1)


def test_fit_returns_itself_and_learns():
    net = classifier(optimizer=optimizers.Adam(0.01), metrics=["accuracy"])
    assert net.fit(X, Y, epochs=60) is net
    assert net.evaluate(X, Y)["accuracy"] > 0.97
    assert net.history_["loss"][-1] < net.history_["loss"][0]
    assert list(net.history_) == ["loss", "accuracy"]


def test_sgd_step_by_hand():
    net = linear(optimizer=optimizers.SGD(0.1)).fit(X[:4], Y[:4], batch_size=None)
    fresh = linear()
    fresh.build((None, 6))
    kernel = fresh.get_weights()[0]
    residual = X[:4].astype(np.float64) @ kernel - Y[:4, None]
    np.testing.assert_allclose(
        net.get_weights()[0],
        kernel - 0.1 * X[:4].T.astype(np.float64) @ residual * 2 / 4,
        rtol=1e-12,
    )
    np.testing.assert_allclose(net.history_["loss"], [np.mean(residual**2)], rtol=1e-12)


def test_partial_last_batch_counts_its_rows():
    net = linear(optimizer=optimizers.SGD(0.0)).fit(X, Y, batch_size=32)
    np.testing.assert_allclose(net.history_["loss"][0], net.evaluate(X, Y)["loss"], rtol=1e-12)
    assert net.step_ == 4


@pytest.mark.parametrize(("batch_size", "steps"), [(None, 1), (1, 100), (33, 4), (1000, 1)])
def test_batch_size(batch_size, steps):
    assert linear().fit(X, Y, batch_size=batch_size).step_ == steps


def test_counters_and_history_go_on():
    net = classifier(metrics=["accuracy"]).fit(X, Y, epochs=2)
    net.fit(X, Y, epochs=1, validation_split=0.5)
    assert (net.epoch_, net.step_) == (3, 4 + 4 + 2)
    assert {len(values) for values in net.history_.values()} == {3}
    assert np.isnan(net.history_["val_loss"][:2]).all()
    assert np.isfinite(net.history_["val_loss"][2])


def test_two_fits_are_one():
    once = classifier(optimizer="adam").fit(X, Y, epochs=4)
    twice = classifier(optimizer="adam").fit(X, Y, epochs=1).fit(X, Y, epochs=3)
    assert_same_weights(once, twice)
    assert once.history_ == twice.history_


def test_random_state_none_is_drawn_and_kept():
    net = classifier(random_state=None)
    net.build((None, 6))
    other = classifier(random_state=net.seed_)
    other.build((None, 6))
    assert_same_weights(net, other)


def test_reset_starts_anew():
    net = classifier(optimizer="adam").fit(X, Y, epochs=2)
    history = net.history_
    net.reset()
    assert (net.epoch_, net.step_, net.history_) == (0, 0, {})
    assert net.fit(X, Y, epochs=2).history_ == history


def test_shuffle_is_a_function_of_seed_and_epoch():
    def kernel(**settings):
        return linear(optimizer="sgd").fit(X, Y, batch_size=7, **settings).get_weights()[0]

    np.testing.assert_array_equal(kernel(), kernel())
    assert np.any(kernel() != kernel(shuffle=False))


@pytest.mark.parametrize(
    "values",
    [
        X.astype(np.float64),
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        np.hstack([X, X])[:, :6],
        X[::-1][::-1],
        X.tolist(),
    ],
    ids=["float64", "fortran", "every_second", "columns", "reversed", "list"],
)
def test_layout_of_the_data_does_not_matter(values):
    expected = classifier().fit(X, Y)
    net = classifier().fit(values, Y.tolist())
    assert_same_weights(net, expected)
    np.testing.assert_array_equal(net.predict(values), expected.predict(X))


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "bool", "float16"])
def test_integers_are_taken_as_they_are(dtype):
    integers = (X > 0).astype(dtype)
    integers.flags.writeable = False
    expected = classifier().fit((X > 0).astype(np.float32), Y)
    assert_same_weights(classifier().fit(integers, Y), expected)


@pytest.mark.parametrize("shape", [(100,), (100, 1)])
def test_targets_with_or_without_last_axis(shape):
    assert_same_weights(classifier().fit(X, Y.reshape(shape)), classifier().fit(X, Y))
    assert_same_weights(linear().fit(X, Y.reshape(shape)), linear().fit(X, Y))


def test_predict_does_not_depend_on_the_batch():
    net = classifier().fit(X, Y)
    whole = net.predict(X, batch_size=100)
    np.testing.assert_array_equal(net.predict(X, batch_size=7), whole)
    np.testing.assert_array_equal(np.vstack([net.predict(X[i : i + 1]) for i in range(100)]), whole)
    assert whole.dtype == np.float32


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_predict_one_row_twice(dtype):
    net = classifier().fit(X, Y)
    row = np.round(10 * X[:1]).astype(dtype)
    np.testing.assert_array_equal(net.predict(row), net.predict(row))
    np.testing.assert_array_equal(net.predict(row), net.predict(np.vstack([row, row]))[:1])


def test_predict_one_row_that_overflows_when_squared():
    net = linear(dtype="float32").fit(X, Y)
    row = np.full((1, 6), 1e30, np.float32)
    np.testing.assert_array_equal(net.predict(row), net.predict(np.vstack([row, row]))[:1])


def test_evaluate_is_the_mean_over_samples():
    net = classifier(metrics=["accuracy"]).fit(X, Y)
    found = net.evaluate(X, Y, batch_size=33)
    probabilities = net.predict(X).astype(np.float64)
    expected = -np.log(probabilities[np.arange(100), Y]).mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)
    assert found["accuracy"] == pytest.approx(np.mean(probabilities.argmax(1) == Y))


def test_validation_split_takes_the_last_samples():
    split = classifier(metrics=["accuracy"]).fit(X, Y, epochs=2, validation_split=0.2)
    given = classifier(metrics=["accuracy"])
    given.fit(X[:80], Y[:80], epochs=2, validation_data=(X[80:], Y[80:]))
    assert split.history_ == given.history_
    assert split.history_["val_loss"][-1] == given.evaluate(X[80:], Y[80:])["loss"]


def test_train_on_batch_is_a_step_of_fit():
    fitted = classifier(optimizer="adam").fit(X[:32], Y[:32], shuffle=False)
    stepped = classifier(optimizer="adam")
    assert stepped.train_on_batch(X[:32], Y[:32])["loss"] == fitted.history_["loss"][0]
    assert_same_weights(fitted, stepped)
    assert stepped.step_ == 1


def test_partial_fit_is_one_epoch():
    assert_same_weights(classifier().partial_fit(X, Y), classifier().fit(X, Y))


def test_gradient_accumulation_over_epochs():
    rule = optimizers.SGD(0.1, gradient_accumulation_steps=4)
    small = linear(optimizer=rule).fit(X, Y, batch_size=25, shuffle=False)
    large = linear(optimizer=optimizers.SGD(0.1)).fit(X, Y, batch_size=None)
    np.testing.assert_allclose(small.get_weights()[0], large.get_weights()[0], rtol=1e-12)


def test_learning_rate_can_be_set():
    net = linear(optimizer=optimizers.SGD(0.1))
    net.learning_rate = 0.0
    net.build((None, 6))
    before = net.get_weights()
    net.fit(X, Y)
    np.testing.assert_array_equal(net.get_weights()[0], before[0])
    net.reset()
    assert net.learning_rate == 0.1


def test_learning_rate_of_a_schedule_is_fixed():
    schedule = optimizers.SGD(lambda step: 0.1 / (1 + step))
    net = linear(optimizer=schedule).fit(X, Y)
    assert net.learning_rate == pytest.approx(0.1 / 5)
    with pytest.raises(TypeError, match="learning_rate"):
        net.learning_rate = 0.1


def test_forward_and_backward_against_differences():
    net = Sequential(
        [layers.Dense(4, activation="tanh"), layers.BatchNormalization(), layers.Dense(3)],
        random_state=0,
        dtype="float64",
    )
    samples = X[:5].astype(np.float64)
    seed = RNG.normal(size=(5, 3))
    for training in (False, True):
        net.forward(samples, training=training)
        d_x = net.backward(seed)

        def value(samples=samples, training=training):
            return float((net.forward(samples, training=training) * seed).sum())

        step = 1e-6
        for index in [(0, 0), (4, 5)]:
            moved = samples.copy()
            moved[index] += step
            up = value(moved)
            moved[index] -= 2 * step
            assert d_x[index] == pytest.approx((up - value(moved)) / (2 * step), rel=1e-6)
        gradients = [gradient.copy() for gradient in net.gradients_]
        weights = net.get_weights()
        up_weights = [weight.copy() for weight in weights]
        up_weights[0][1, 2] += step
        net.set_weights(up_weights)
        up = value()
        up_weights[0][1, 2] -= 2 * step
        net.set_weights(up_weights)
        assert gradients[0][1, 2] == pytest.approx((up - value()) / (2 * step), rel=1e-6)
        net.set_weights(weights)
    assert [gradient.shape for gradient in gradients] == [(6, 4), (4,), (4,), (4,), (4, 3), (3,)]


def test_backward_leaves_weights_and_statistics():
    net = Sequential([layers.BatchNormalization()], random_state=0)
    net.forward(X, training=True)
    before = net.get_weights()
    net.backward(X)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_weights_in_keras_order():
    net = Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)])
    net.build((None, 3))
    assert net.weight_names == [
        "dense/kernel",
        "dense/bias",
        "batch_normalization/gamma",
        "batch_normalization/beta",
        "batch_normalization/moving_mean",
        "batch_normalization/moving_variance",
        "dense_1/kernel",
        "dense_1/bias",
    ]
    assert net.count_params() == 12 + 4 + 4 * 4 + 8 + 2


def test_get_weights_are_copies():
    net = classifier().fit(X, Y)
    net.get_weights()[0][:] = 0
    assert np.any(net.get_weights()[0])


def test_input_builds_at_once():
    net = Sequential([layers.Input((6,)), layers.Dense(2)])
    assert (net.input_shape, net.output_shape) == ((None, 6), (None, 2))
    assert net.predict(X).shape == (100, 2)


def test_add_keeps_the_weights_there_are():
    net = Sequential([layers.Input((6,)), layers.Dense(4)], random_state=0)
    kernel = net.get_weights()[0] + 1
    net.set_weights([kernel, np.ones(4)])
    net.add(layers.Dense(2))
    np.testing.assert_array_equal(net.get_weights()[0], kernel)
    assert net.output_shape == (None, 2)


def test_add_keeps_the_weights_of_a_layer_whose_name_is_taken():
    net = Sequential([layers.Input((4,)), layers.Dense(4)], random_state=0)
    kernel = net.get_weights()[0] + 1
    net.set_weights([kernel, np.ones(4)])
    net.add(layers.Dense(4, name="dense"))
    assert net.weight_names[::2] == ["dense_1/kernel", "dense/kernel"]
    np.testing.assert_array_equal(net.get_weights()[0], kernel)
    assert np.any(net.get_weights()[2] != kernel)


def test_frozen_layer_stays_after_compile():
    net = classifier().fit(X, Y)
    net.layers[0].trainable = False
    net.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    before = net.get_weights()
    net.fit(X, Y)
    after = net.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert np.any(before[2] != after[2])


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]
)
def test_copies_train_on_alike_and_apart(duplicate):
    net = classifier(optimizer="adam", metrics=["accuracy"]).fit(X, Y, epochs=2)
    other = duplicate(net)
    np.testing.assert_array_equal(other.predict(X), net.predict(X))
    net.fit(X, Y, epochs=2)
    assert other.epoch_ == 2
    other.fit(X, Y, epochs=2)
    assert_same_weights(net, other)
    assert net.history_ == other.history_


def test_copy_of_an_unbuilt_network():
    assert not pickle.loads(pickle.dumps(classifier())).built


def test_eight_threads_predict_at_once():
    net = classifier().fit(X, Y)
    expected = net.predict(X)
    wrong = []

    def work() -> None:
        for _ in range(50):
            if not np.array_equal(net.predict(X), expected):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_predict_before_fit():
    with pytest.raises(NotFittedError, match=r"\[predict\]"):
        classifier().predict(X)


def test_layer_that_does_not_fit_is_not_added():
    net = Sequential([layers.Input((6,)), layers.Dense(4)])
    with pytest.raises(ValueError, match=r"\[Reshape\]"):
        net.add(layers.Reshape((3,)))
    assert len(net.layers) == 2
    assert net.predict(X).shape == (100, 4)


def test_names_that_were_given_are_not_taken_by_other_layers():
    net = Sequential(
        [layers.Input((6,)), layers.Dense(3), layers.Dense(3, name="dense"), layers.Dense(3)]
    )
    kernels = [name for name in net.weight_names if "kernel" in name]
    assert kernels == ["dense_1/kernel", "dense/kernel", "dense_2/kernel"]
    inner = [layers.Dense(6), layers.Dense(6, name="dense")]
    both = Sequential([layers.Input((6,)), layers.Residual(inner), layers.Branches([inner])])
    assert both.weight_names[:4:2] == ["residual/dense_1/kernel", "residual/dense/kernel"]


def test_largest_seed():
    net = linear(random_state=2**64 - 1).fit(X, Y)
    assert np.isfinite(net.predict(X)).all()


def test_arguments_that_may_be_none():
    net = linear(metrics=None).fit(X, Y, callbacks=None, verbose=np.int64(0))
    assert list(net.history_) == ["loss"]


def test_predict_one_row_of_another_byte_order():
    net = linear().fit(X, Y)
    expected = net.predict(X[:1])
    np.testing.assert_array_equal(net.predict(X[:1].astype(">f4")), expected)


def test_predict_one_row_checks_the_batch_size():
    net = linear().fit(X, Y)
    net.predict(X[:1])
    with pytest.raises(ValueError, match="batch_size"):
        net.predict(X[:1], batch_size=0)


def test_an_epoch_in_several_calls_is_the_same(monkeypatch):
    whole = classifier(metrics=["accuracy"]).fit(X, Y, epochs=2, batch_size=3)
    monkeypatch.setattr(epochs, "_STEPS_AT_ONCE", 4)
    parts = classifier(metrics=["accuracy"]).fit(X, Y, epochs=2, batch_size=3)
    assert_same_weights(whole, parts)
    assert whole.history_ == parts.history_


def test_a_fit_that_trains_nothing_says_so():
    net = classifier().fit(X, Y)
    for layer in net.layers:
        layer.trainable = False
    before = net.get_weights()
    with pytest.warns(UserWarning, match=r"\[fit\] nothing is trained: every layer that has weigh"):
        net.fit(X, Y)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
