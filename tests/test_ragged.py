"""Sequences of any number of steps, and of different lengths."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ganglion import NeuralClassifier, Sequential, _core, callbacks, layers, losses
from ganglion.buckets import MOST_BUCKETS, Buckets, bucket_ends, rounded_up

Array = NDArray[Any]


def sequences(count: int = 60, longest: int = 40, features: int = 3, seed: int = 0) -> list[Array]:
    draw = np.random.default_rng(seed)
    return [
        draw.normal(size=(steps, features)).astype("float32")
        for steps in draw.integers(1, longest + 1, count)
    ]


def labels(X: list[Array]) -> Array:
    return np.array([int(x[:, 0].sum() > 0) for x in X])


def step_labels(X: list[Array]) -> list[Array]:
    return [(x[:, 0] > 0).astype(int) for x in X]


def classifier(*, steps: int | None = None, by_step: bool = False, **settings: Any) -> Sequential:
    return Sequential(
        [
            layers.Input((steps, 3)),
            layers.LSTM(8, return_sequences=by_step),
            layers.Dense(2, activation="softmax"),
        ],
        loss="sparse_categorical_crossentropy",
        optimizer="adam",
        metrics=["accuracy"],
        random_state=0,
        **settings,
    )


X = sequences()
Y = labels(X)
STEPS = step_labels(X)

# Any number of steps.


def test_a_network_takes_arrays_of_any_number_of_steps() -> None:
    net, draw = classifier(), np.random.default_rng(1)
    for steps in (7, 4, 7, 19):
        x = draw.normal(size=(16, steps, 3))
        y = labels(list(x))
        before = net.evaluate(x, y)["loss"]
        net.fit(x, y, epochs=2)
        assert net.predict(x).shape == (16, 2)
        assert net.evaluate(x, y)["loss"] != before
    assert net.input_shape == (None, None, 3)
    assert net.output_shape == (None, 2)


def test_steps_stay_open_in_summaries_and_copies(tmp_path: Any, capsys: Any) -> None:
    net = classifier(by_step=True)
    net.summary()
    assert "(None, None, 8)" in capsys.readouterr().out
    assert "Input((None, 3))" in repr(net)
    net.fit(X, STEPS)
    net.save(tmp_path / "net", training_state=True)
    for other in (
        Sequential.load(tmp_path / "net"),
        pickle.loads(pickle.dumps(net)),
        copy.deepcopy(net),
    ):
        assert other.input_shape == (None, None, 3)
        assert other.output_shape == (None, None, 2)
        for mine, theirs in zip(net.predict(X), other.predict(X), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        other.fit(X, STEPS)
    net.fit(X, STEPS)
    np.testing.assert_array_equal(net.get_weights()[0], other.get_weights()[0])


def test_what_follows_the_steps_is_open_too() -> None:
    net = Sequential([layers.Input((None, 3)), layers.Conv1D(4, 3, strides=2)])
    assert net.output_shape == (None, None, 4)
    assert net.predict(np.ones((2, 9, 3))).shape == (2, 4, 4)
    d_x = net.forward(np.ones((2, 9, 3)))
    assert net.backward(d_x).shape == (2, 9, 3)


def test_ids_and_numbers_without_features() -> None:
    ids = [np.array([1, 2, 3]), np.array([4]), np.array([4, 4])]
    net = Sequential(
        [layers.Embedding(5, 4), layers.GRU(3), layers.Dense(1)], loss="mse", random_state=0
    )
    net.fit(ids, [1.0, 2.0, 3.0])
    assert net.input_shape == (None, None)
    assert net.predict(ids).shape == (3, 1)
    with pytest.raises(ValueError, match="id 5 at row 1, position 2"):
        net.predict([[1], [0, 1, 5]])


def test_a_weight_that_follows_the_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="weight 'dense/kernel' depends on the number of"):
        Sequential([layers.Input((None, 3)), layers.Flatten(), layers.Dense(2)])


def test_programs_kept_are_bounded() -> None:
    net = Sequential([layers.Input((None, 1)), layers.GlobalAveragePooling1D()])
    for steps in range(1, 120):
        net.predict(np.ones((1, steps, 1)))
    assert len(net._built._executables) < 60


# Bits: padding changes nothing.


NETWORKS = {
    "last": [layers.LSTM(8), layers.Dense(2)],
    "gru": [layers.GRU(8, reset_after=False), layers.Dense(2)],
    "stacked": [
        layers.Dense(4, activation="tanh"),
        layers.SimpleRNN(8, return_sequences=True),
        layers.LayerNormalization(),
        layers.GRU(8),
        layers.Dense(2),
    ],
    "mean": [layers.GRU(8, return_sequences=True), layers.GlobalAveragePooling1D()],
    "largest": [layers.GRU(8, return_sequences=True), layers.GlobalMaxPooling1D()],
    "backwards": [layers.LSTM(8, go_backwards=True), layers.Dense(2)],
    "attention": [
        layers.MultiHeadAttention(num_heads=2, key_dim=4),
        layers.GlobalAveragePooling1D(),
    ],
    "steps": [layers.LSTM(8, return_sequences=True), layers.Dense(2)],
}


def regressor(name: str, features: int = 3) -> Sequential:
    chain = copy.deepcopy(NETWORKS[name])
    return Sequential([layers.Input((None, features)), *chain], loss="mse", random_state=0)


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_changes_no_bit_of_a_prediction(name: str) -> None:
    net = regressor(name)
    # A softmax of more than 32 columns adds them in another order.
    given = [x[:32] for x in X] if name == "attention" else X
    together = net.predict(given)
    for x, prediction in zip(given, together, strict=True):
        np.testing.assert_array_equal(net.predict(x[np.newaxis])[0], prediction)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("steps", [17, 150])
def test_padding_changes_no_bit_of_a_gradient(name: str, steps: int) -> None:
    net, draw = regressor(name), np.random.default_rng(0)
    x = draw.normal(size=(70, steps, 3)).astype("float32")
    y = draw.normal(size=(70, *net.predict(x[:1]).shape[1:]))
    loss, gradients = net.loss_and_gradients(x, y)  # without padding
    padded_loss, padded = net.loss_and_gradients(list(x), list(y))
    assert rounded_up(steps) > steps
    assert loss == padded_loss
    for gradient, other in zip(gradients, padded, strict=True):
        np.testing.assert_array_equal(gradient, other)


def test_a_step_is_the_same_with_padding_and_without() -> None:
    x = np.random.default_rng(0).normal(size=(32, 17, 3))
    plain, ragged = classifier(), classifier()
    plain.train_on_batch(x, labels(list(x)))
    ragged.train_on_batch(list(x), labels(list(x)))
    for mine, theirs in zip(plain.get_weights(), ragged.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_loss_of_different_lengths_is_that_of_each_alone() -> None:
    net = classifier(by_step=True, dtype="float64")
    together, gradients = net.loss_and_gradients(X, STEPS)
    total, sums = 0.0, [np.zeros_like(gradient) for gradient in gradients]
    for x, y in zip(X, STEPS, strict=True):
        loss, alone = net.loss_and_gradients(x[np.newaxis], y[np.newaxis])
        total += loss * len(x)
        for gradient, part in zip(sums, alone, strict=True):
            gradient += part * len(x)
    steps = sum(map(len, X))
    assert together == pytest.approx(total / steps)
    for gradient, summed in zip(gradients, sums, strict=True):
        np.testing.assert_allclose(gradient, summed / steps, atol=1e-12)


# Training.


def test_it_learns_from_sequences_of_different_lengths() -> None:
    x = sequences(400, 12)
    net = classifier().fit(x, labels(x), epochs=30, batch_size=16)
    assert net.history_["accuracy"][-1] > 0.9
    net = classifier(by_step=True).fit(x, step_labels(x), epochs=20, batch_size=16)
    assert net.evaluate(x, step_labels(x))["accuracy"] > 0.95


@pytest.mark.parametrize("by_step", [False, True])
def test_training_is_a_function_of_seed_and_epoch(by_step: bool) -> None:
    def trained(**settings: Any) -> list[Array]:
        net = classifier(by_step=by_step)
        net.fit(X, STEPS if by_step else Y, batch_size=8, **settings)
        return net.get_weights()

    twice = classifier(by_step=by_step)
    for _ in range(2):
        twice.fit(X, STEPS if by_step else Y, batch_size=8)
    for a, b, c in zip(trained(epochs=2), trained(epochs=2), twice.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    unshuffled = trained(epochs=2, shuffle=False)
    ordered = trained(epochs=2, shuffle=lambda epoch: np.arange(len(X)))
    np.testing.assert_array_equal(unshuffled[0], ordered[0])
    assert not np.array_equal(unshuffled[0], trained(epochs=2)[0])


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path: Any) -> None:
    whole = classifier().fit(X, Y, epochs=4, batch_size=8)
    part = classifier().fit(X, Y, epochs=2, batch_size=8)
    part.save(tmp_path / "net", training_state=True)
    resumed = Sequential.load(tmp_path / "net").fit(X, Y, epochs=2, batch_size=8)
    for mine, theirs in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert whole.history_ == resumed.history_


def test_validation_callbacks_and_weights() -> None:
    seen = []
    net = classifier()
    net.fit(
        X,
        Y,
        epochs=3,
        batch_size=8,
        validation_split=0.25,
        class_weight={0: 2.0},
        callbacks=[
            callbacks.EarlyStopping(patience=5),
            callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch)),
        ],
    )
    assert seen == [*range(6)] * 3
    assert len(net.history_["val_loss"]) == 3
    held_out = net.evaluate(X[45:], Y[45:])["loss"]
    assert min(net.history_["val_loss"]) == pytest.approx(held_out, rel=1e-5)
    net.fit(X, Y, validation_data=(X[:7], Y[:7], np.ones(7)), sample_weight=np.ones(60))
    net.partial_fit(X, Y)
    assert net.epoch_ == 5


def test_a_weight_of_zero_leaves_out() -> None:
    weight = np.ones(len(X))
    weight[::2] = 0.0
    half = classifier().loss_and_gradients(X[1::2], Y[1::2])[1]
    weighed = classifier().loss_and_gradients(X, Y, weight)[1]
    for gradient, other in zip(half, weighed, strict=True):
        np.testing.assert_allclose(gradient / 2, other, atol=1e-6)


def test_normalization_learns_from_what_is_no_padding() -> None:
    net = Sequential(
        [layers.Normalization(), layers.LSTM(2), layers.Dense(1)], loss="mse", random_state=0
    )
    net.fit(X, Y, epochs=1)
    every = np.concatenate(X)
    np.testing.assert_allclose(net.get_weights()[0], every.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(net.get_weights()[1], every.var(axis=0), rtol=1e-5)


def test_layer_outputs_are_lists_where_they_have_steps() -> None:
    outputs = classifier().layer_outputs(X)
    assert [len(y) for y in outputs["input"]] == [len(x) for x in X]
    assert outputs["dense"].shape == (60, 2)
    turned = Sequential(
        [layers.Input((None, 3)), layers.LSTM(2, return_sequences=True, go_backwards=True)]
    )
    for x, y in zip(X, turned.predict(X), strict=True):
        np.testing.assert_array_equal(turned.predict(x[np.newaxis])[0], y)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float16", "float64", "bool"])
def test_sequences_of_any_number_type(dtype: str) -> None:
    net = classifier()
    given = [(4 * x).astype(dtype) for x in X]
    plain = [x.astype("float32") for x in given]
    np.testing.assert_array_equal(net.predict(given), net.predict(plain))
    mixed = [x.astype("float64") if row % 2 else x for row, x in enumerate(given)]
    np.testing.assert_array_equal(net.predict(mixed), net.predict(plain))
    strided = [np.repeat(x, 2, axis=0)[::2] for x in given]
    np.testing.assert_array_equal(net.predict(tuple(strided)), net.predict(plain))
    objects = np.empty(len(given), object)
    objects[:] = given
    np.testing.assert_array_equal(net.predict(objects), net.predict(plain))


# Weights of steps.


def test_weights_of_steps() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(20, 9, 3))
    y = (x[..., 0] > 0).astype(int)
    weight = draw.uniform(0, 2, (20, 9))
    net = classifier(steps=9, by_step=True)
    predicted = net.predict(x)
    crossentropy = -np.log(np.take_along_axis(predicted, y[..., np.newaxis], 2)[..., 0])
    scores = net.evaluate(x, y, sample_weight=weight)
    assert scores["loss"] == pytest.approx(np.mean(crossentropy * weight), rel=1e-5)
    right = predicted.argmax(-1) == y
    assert scores["accuracy"] == pytest.approx(np.sum(right * weight) / weight.sum(), rel=1e-5)
    net.fit(x, y, sample_weight=weight, validation_data=(x, y, weight))
    ragged = classifier(by_step=True)
    assert ragged.evaluate(list(x), list(y), sample_weight=list(weight))["loss"] == pytest.approx(
        scores["loss"]
    )


def test_weights_of_steps_of_different_lengths() -> None:
    net = classifier(by_step=True)
    weight = [np.full(len(x), 3.0) for x in X]
    plain = net.evaluate(X, STEPS)["loss"]
    assert net.evaluate(X, STEPS, sample_weight=weight)["loss"] == pytest.approx(3 * plain)
    for_all = net.evaluate(X, STEPS, sample_weight=np.full(len(X), 3.0))
    assert for_all["loss"] == pytest.approx(3 * plain)


# Batches.


def test_an_epoch_uses_each_sequence_once() -> None:
    lengths = np.random.default_rng(0).integers(5, 61, 1003)
    buckets = Buckets(lengths, 32, 64)
    for key in [(0, 0), (0, 1), None]:
        order, batches = buckets.batches(32, _core.epoch_order(1003, 0, 0), key)
        assert sorted(order) == list(range(1003))
        assert sorted(batches[:, 0]) == [1003 % 32] + [32] * (1003 // 32)
        ends = np.repeat(buckets.ends[batches[:, 1]], batches[:, 0])
        assert (lengths[order] <= ends).all()
        assert ends.sum() < 1.12 * lengths.sum()
    first, second = (buckets.batches(32, np.arange(1003), (0, epoch))[1] for epoch in (0, 1))
    assert not np.array_equal(first, second)
    order, batches = buckets.one_by_one(100)
    assert sorted(order) == list(range(1003))
    assert batches[:, 0].sum() == 1003


def test_buckets_pad_as_little_as_they_can() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        lengths = draw.integers(1, 12, draw.integers(1, 30))
        longest = int(lengths.max())
        for count in (1, 2, 3):
            ends = bucket_ends(lengths, count, longest)
            assert len(ends) <= count
            assert all(a < b for a, b in pairwise(ends))
            padded = ends[np.searchsorted(ends, lengths)].sum()
            for other in product(range(1, longest + 1), repeat=count - 1):
                at = np.sort([*other, longest])
                assert padded <= at[np.searchsorted(at, lengths)].sum()
    assert len(bucket_ends(np.arange(1, 3000), MOST_BUCKETS, 3000)) == MOST_BUCKETS


# Bad input.


BAD_X: dict[str, tuple[Any, str]] = {
    "none": ([], "X is empty"),
    "empty": ([X[0], np.zeros((0, 3))], "empty sequence at row 1"),
    "width": ([X[0], np.zeros((4, 2))], r"steps of shape \(2,\) at row 1"),
    "rank": ([X[0], np.zeros(4)], r"steps of shape \(\) at row 1"),
    "number": ([X[0], 4.0], "no sequence at row 1"),
    "nan": ([X[0], np.full((4, 3), np.nan)], "NaN at row 1"),
    "words": ([X[0], np.array([["a", "b", "c"]])], "row 1.* must hold numbers"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_sequences(case: str) -> None:
    values, message = BAD_X[case]
    net = classifier()
    for method in (net.predict, lambda x: net.fit(x, np.zeros(len(x), int))):
        with pytest.raises((TypeError, ValueError), match=message):
            method(values)
    assert (net.step_, net.history_) == (0, {})


BAD_Y: dict[str, tuple[Any, str]] = {
    "count": (STEPS[:5], "X has 60 rows and y has 5"),
    "length": ([*STEPS[:59], [0]], r"X has \d+ steps at row 59, and y has 1 steps"),
    "of_samples": (Y, "row 0, and y has one number"),
    "class": ([*STEPS[:59], STEPS[59] + 5], "got [56] in row 0 of the sequence at row 59"),
    "nan": ([*STEPS[:59], STEPS[59] * np.nan], "NaN at row 0 of the sequence at row 59"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_targets_of_steps(case: str) -> None:
    values, message = BAD_Y[case]
    with pytest.raises(ValueError, match=message):
        classifier(by_step=True).fit(X, values)


def test_bad_weights_of_steps() -> None:
    net = classifier(by_step=True)
    weight = [np.ones(len(x)) for x in X]
    with pytest.raises(ValueError, match="row 59, and sample_weight has"):
        net.fit(X, STEPS, sample_weight=[*weight[:59], np.ones(99)])
    with pytest.raises(ValueError, match="negative"):
        net.fit(X, STEPS, sample_weight=[*weight[:59], -weight[59]])
    with pytest.raises(ValueError, match=r"\(4,\) or \(4, 7\), got \(4, 6\)"):
        net.fit(np.ones((4, 7, 3)), np.ones((4, 7)), sample_weight=np.ones((4, 6)))
    with pytest.raises(ValueError, match="class_weight is for one class a sample"):
        net.fit(X, STEPS, class_weight={0: 2.0})


def test_networks_that_take_no_different_lengths() -> None:
    with pytest.raises(ValueError, match=r"different lengths.*Input\(\(None, 3\)\)"):
        classifier(steps=9).fit(X, Y)
    net = Sequential(
        [layers.Input((None, 3)), layers.Conv1D(4, 3), layers.GlobalMaxPooling1D()], loss="mse"
    )
    with pytest.raises(ValueError, match=r"\[Conv1D\] takes the padding.*'conv1d'"):
        net.predict(X)
    with pytest.raises(ValueError, match=r"\[fit\] X has rows of different lengths: \[Dense\]"):
        Sequential([layers.Flatten(), layers.Dense(1)], loss="mse").fit(X, Y)
    with pytest.raises(TypeError, match=r"\[forward\] takes one batch"):
        classifier().forward(X)
    with pytest.raises(
        ValueError, match=r"\[fit\] X has sequences of no steps: shape \(60, 0, 3\)"
    ):
        classifier().fit(np.zeros((60, 0, 3)), Y)
    with pytest.raises(ValueError, match=r"targets must have shape \(n,\) .* got \(60, 5\)"):
        classifier().fit(X, np.zeros((60, 5)))
    turned = Sequential(
        [layers.Input((None, 3)), layers.LSTM(2, return_sequences=True, go_backwards=True)],
        loss=losses.MeanSquaredError(),
    )
    with pytest.raises(ValueError, match="turned round"):
        turned.fit(X, STEPS)


# Estimators.


def test_estimators_take_sequences_of_different_lengths() -> None:
    x = sequences(200, 12)
    words = np.array(["no", "yes"])[labels(x)]
    settings = {"epochs": 20, "early_stopping": True, "random_state": 0}
    model = NeuralClassifier([layers.LSTM(8)], **settings).fit(x, words)
    assert set(model.predict(x)) == {"no", "yes"}
    assert model.score(x, words) > 0.7
    assert model.predict(x[:1]).shape == (1,)
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(x, words[:7])


def test_likelihoods_of_batches_count_by_their_samples() -> None:
    net = Sequential([layers.Input((None, 2)), layers.Dense(1)], loss="gaussian_nll")
    generator = np.random.default_rng(0)
    sequences = [generator.normal(size=(steps, 2)) for steps in (3, 9, 30, 41)]
    wanted = [np.ones((len(one), 1)) for one in sequences]
    alone = [net.evaluate([x], [y])["loss"] for x, y in zip(sequences, wanted, strict=True)]
    for batch in (1, 3, 4):
        found = net.evaluate(sequences, wanted, batch_size=batch)["loss"]
        np.testing.assert_allclose(found, np.mean(alone), rtol=1e-5)


def test_losses_of_batches_count_by_their_steps() -> None:
    net = classifier(by_step=True)
    loss, _ = net.loss_and_gradients(X, STEPS)
    assert net.evaluate(X, STEPS, batch_size=7)["loss"] == pytest.approx(loss, rel=1e-5)
