"""States kept from batch to batch: one long sequence in parts."""

from __future__ import annotations

import numpy as np
import pytest

from ganglion import NeuralRegressor, Sequential, layers

KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]
BATCH, STEPS, FEATURES = 3, 4, 2


def data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def stateful(kind: type = layers.LSTM, **settings) -> Sequential:
    chain = [
        layers.Input((STEPS, FEATURES), batch_size=BATCH),
        kind(5, stateful=True, return_sequences=True),
        layers.Dense(1),
    ]
    net = Sequential(chain, random_state=0, dtype="float64", **settings)
    net.build((None, STEPS, FEATURES))
    return net


@pytest.mark.parametrize("kind", [*KINDS])
def test_parts_of_a_sequence_give_what_the_whole_gives(kind):
    net, x = stateful(kind), data(BATCH, 3 * STEPS, FEATURES)
    whole = Sequential([kind(5, return_sequences=True), layers.Dense(1)], dtype="float64")
    whole.build((None, 3 * STEPS, FEATURES))
    states = [name for name in net.weight_names if name.endswith("_state")]
    assert states and not set(states) & set(net.trainable_weight_names)
    pairs = zip(net.weight_names, net.get_weights(), strict=True)
    whole.set_weights([weight for name, weight in pairs if name not in states])
    parts = [net.predict(part) for part in np.split(x, 3, axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole.predict(x), rtol=1e-12)
    net.reset_states()
    np.testing.assert_array_equal(net.predict(x[:, :STEPS]), parts[0])


def test_batches_of_one_call_follow_each_other():
    net, x = stateful(), data(2 * BATCH, STEPS, FEATURES)
    one = net.predict(x, batch_size=BATCH)
    net.reset_states()
    np.testing.assert_array_equal(net.predict(x[:BATCH]), one[:BATCH])
    np.testing.assert_array_equal(net.predict(x[BATCH:]), one[BATCH:])


def test_both_directions_keep_their_states():
    chain = [
        layers.Input((STEPS, FEATURES), batch_size=BATCH),
        layers.Bidirectional(layers.GRU(3, stateful=True)),
    ]
    net = Sequential(chain, random_state=0)
    net.build((None, STEPS, FEATURES))
    x = data(BATCH, STEPS, FEATURES)
    first, second = net.predict(x), net.predict(x)
    assert (first != second).all()
    net.reset_states()
    np.testing.assert_array_equal(net.predict(x), first)


def test_training_carries_the_states_on_and_looks_leave_them():
    net = stateful(loss="mse")
    x, y = data(2 * BATCH, STEPS, FEATURES), data(2 * BATCH, STEPS, 1)

    def states() -> list[np.ndarray]:
        named = zip(net.weight_names, net.get_weights(), strict=True)
        return [weight for name, weight in named if name.endswith("_state")]

    assert not np.any(states())
    net.fit(x, y, epochs=2, batch_size=BATCH, shuffle=False, validation_data=(x, y))
    kept = states()
    assert np.all(kept)
    net.loss_and_gradients(x[:BATCH], y[:BATCH])
    net.layer_outputs(x[:BATCH])
    np.testing.assert_array_equal(states(), kept)
    net.evaluate(x[:BATCH], y[:BATCH])
    assert np.any(np.not_equal(states(), kept))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net, x, y: net.predict(x[:2]), "got 2 samples in batches of 2"),
        (lambda net, x, y: net.predict(x), "got 6 samples in batches of 6"),
        (lambda net, x, y: net.predict(x[:5], batch_size=3), "got 5 samples in batches of 3"),
        (lambda net, x, y: net.evaluate(x, y), "got 6 samples in batches of 6"),
        (lambda net, x, y: net.fit(x, y, batch_size=2, shuffle=False), "in batches of 2"),
        (lambda net, x, y: net.fit(x, y, batch_size=3), "pass shuffle=False"),
        (
            lambda net, x, y: net.fit(
                x, y, batch_size=3, shuffle=False, validation_data=(x[:4], y[:4])
            ),
            r"\[fit, validation_data\] .* got 4 samples in batches of 3",
        ),
        (
            lambda net, x, y: net.fit(x, y, batch_size=3, shuffle=False, validation_split=0.2),
            r"\[fit, training with validation_split=0\.2\] .* got 4 samples in batches of 3",
        ),
        (lambda net, x, y: net.train_on_batch(x, y), "got 6 samples in batches of 6"),
        (lambda net, x, y: net.forward(x), "got 6 samples in batches of 6"),
        (lambda net, x, y: net.loss_and_gradients(x, y), "got 6 samples in batches of 6"),
        (lambda net, x, y: net.layer_outputs(x), "got 6 samples in batches of 6"),
    ],
)
def test_batches_of_another_size_are_refused_before_any_work(call, message):
    net = stateful(loss="mse")
    before = net.get_weights()
    with pytest.raises(ValueError, match=message):
        call(net, data(2 * BATCH, STEPS, FEATURES), data(2 * BATCH, STEPS, 1))
    for got, wanted in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_batch_size_must_be_a_number():
    with pytest.raises(ValueError, match=r"\[Input\] batch_size must be a positive integer, got 0"):
        layers.Input((3, 2), batch_size=0)


def test_a_network_that_was_saved_goes_on(tmp_path):
    net, x = stateful(), data(BATCH, STEPS, FEATURES)
    net.predict(x)
    net.save(tmp_path / "net.safetensors")
    there = Sequential.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(there.predict(x), net.predict(x))


def test_parts_of_a_stream_are_trained_on_as_they_come():
    one, other = stateful(loss="mse"), stateful(loss="mse")
    x, y = data(2 * BATCH, STEPS, FEATURES), data(2 * BATCH, STEPS, 1)
    one.fit(x, y, batch_size=BATCH, shuffle=False)
    for part in (slice(BATCH), slice(BATCH, None)):
        other.partial_fit(x[part], y[part], batch_size=BATCH, shuffle=False)
    for got, wanted in zip(other.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    "call",
    [
        lambda net, x, y: net.predict(x, batch_size=BATCH),
        lambda net, x, y: net.evaluate(x, y, batch_size=BATCH),
        lambda net, x, y: net.fit(x, y, batch_size=BATCH, shuffle=False),
        lambda net, x, y: net.train_on_batch(x[:BATCH], y[:BATCH]),
    ],
    ids=["predict", "evaluate", "fit", "train_on_batch"],
)
def test_sequences_that_would_come_in_another_order_are_refused(call):
    chain = [layers.Input((None, FEATURES), batch_size=BATCH), layers.GRU(2, stateful=True)]
    net = Sequential([*chain, layers.Dense(1)], loss="mse", random_state=0)
    x = [data(steps, FEATURES) for steps in (1, 40, 3, 90, 5, 6)]
    with pytest.raises(ValueError, match="a layer keeps states from batch to batch: bring them to"):
        net.build((None, None, FEATURES))
        call(net, x, np.zeros(len(x)))


def test_a_stream_may_have_ended():
    chain = [layers.Input((STEPS, FEATURES), batch_size=2), layers.Masking()]
    net = Sequential([*chain, layers.GRU(2, stateful=True)], random_state=0)
    x = data(2, STEPS, FEATURES)
    before = net.build((None, STEPS, FEATURES)) or net.predict(x)
    x[1] = 0.0
    np.testing.assert_array_equal(net.predict(x)[1], np.zeros(2))
    assert before[1].any()


@pytest.mark.parametrize(
    "layer", [layers.GRU(3, stateful=True), layers.Bidirectional(layers.GRU(3, stateful=True))]
)
def test_estimators_take_no_stateful_layers(layer):
    with pytest.raises(ValueError, match=r"\[NeuralRegressor\] .* not be stateful.*Sequential"):
        NeuralRegressor([layer]).fit(data(6, STEPS, FEATURES), np.arange(6.0))


def test_resetting_the_states_of_a_network_that_keeps_none_does_nothing():
    net = Sequential([layers.Input((STEPS, FEATURES)), layers.GRU(2)], random_state=0)
    before = net.get_weights()
    net.reset_states()
    for got, wanted in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)
