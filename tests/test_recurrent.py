"""Recurrent layers: padding, states, both directions, dropout, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recurrent_formulas import run
from tolerances import FORWARD, assert_near
from traced import Traced

from ganglion import Sequential, layers, ops
from ganglion.initializers import RandomNormal
from ganglion.threads import threads

KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]
LENGTHS = np.array([5, 3, 0, 1, 4])
STEPS, FEATURES, UNITS = 5, 3, 4


def data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def endings() -> np.ndarray:
    """Padding behind, before, and everywhere."""
    mask = (np.arange(STEPS) < LENGTHS[:, None]).astype(float)
    mask[4] = mask[4, ::-1]
    return mask


def masked(layer: Any) -> Any:
    return lambda x, mask, *states: layer(
        ops.with_mask(x, mask), **({"initial_state": list(states)} if states else {})
    )


def own_weights(traced: Traced) -> dict[str, np.ndarray]:
    return {v.name.partition("/")[2]: traced.weight(v.name) for v in traced.variables}


def count_states(kind: type) -> int:
    return 2 if kind is layers.LSTM else 1


@pytest.mark.parametrize("carried", [False, True], ids=["zeros", "carried"])
@pytest.mark.parametrize("zeros", [False, True], ids=["repeated", "zero_output"])
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_does_not_happen(kind, sequences, backwards, zeros, carried):
    layer = kind(
        UNITS,
        bias_initializer=RandomNormal(),
        return_sequences=sequences,
        go_backwards=backwards,
        zero_output_for_mask=zeros,
    )
    x, mask = data(len(LENGTHS), STEPS, FEATURES), endings()
    states = [data(len(LENGTHS), UNITS)] * count_states(kind) if carried else []
    shapes = [(None, STEPS, FEATURES), (None, STEPS), *[(None, UNITS)] * len(states)]
    traced = Traced(masked(layer), shapes, wrt=[0, *range(2, len(shapes))])
    expected, _ = run(layer, own_weights(traced), x, backwards, mask, states or None)
    seed = np.ones(expected.shape)
    assert_near(traced.run(x, mask, *states, seed)[0], expected, 20 * FORWARD["float64"])
    traced.check_gradients(x, mask, *states, points=12)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("kind", [*KINDS, layers.Bidirectional])
def test_padded_and_unpadded_sequences_give_the_same_bits(kind, number):
    inner = layers.LSTM(UNITS) if kind is layers.Bidirectional else UNITS
    net = Sequential(
        [layers.Masking(9.0), kind(inner), layers.Dense(2)], random_state=0, dtype="float32"
    )
    x = data(64, STEPS, FEATURES)
    whole = np.concatenate([x, np.full((64, 3, FEATURES), 9.0)], axis=1)
    alone = Sequential(net.layers, random_state=0)
    alone.build((None, STEPS, FEATURES))
    net.build((None, STEPS + 3, FEATURES))
    with threads(number):
        np.testing.assert_array_equal(net.predict(whole), alone.predict(x))


@pytest.mark.parametrize("kind", [*KINDS, layers.Bidirectional])
def test_training_with_padding_gives_the_same_bits_on_any_number_of_threads(kind):
    x, y = data(50, 12, FEATURES), data(50, 12, 2)
    x[::3, 7:] = 0.0

    def trained(number: int) -> list[np.ndarray]:
        inner = UNITS
        if kind is layers.Bidirectional:
            inner = layers.GRU(UNITS, return_sequences=True, recurrent_dropout=0.2)
        settings = {} if kind is layers.Bidirectional else {"return_sequences": True}
        chain = [layers.Masking(), kind(inner, **settings), layers.Dense(2)]
        net = Sequential(chain, loss="mse", optimizer="adam", random_state=0)
        with threads(number):
            net.fit(x, y, epochs=3, batch_size=16)
        return net.get_weights()

    expected = trained(1)
    for number in (2, 3):
        for got, wanted in zip(trained(number), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


class Copier(layers.Layer):
    """An encoder and a decoder that begins with what the encoder ended with."""

    def __init__(self, kind: Any, both: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.kind = kind
        self.both = both

    def build(self, x):
        encoder = self.kind(UNITS, return_state=True, name="encoder")
        decoder = self.kind(UNITS, return_sequences=True, name="decoder")
        if self.both:
            encoder, decoder = layers.Bidirectional(encoder), layers.Bidirectional(decoder)
        _, *states = encoder(x)
        return decoder(x[:, :2], initial_state=states)


@pytest.mark.parametrize("both", [False, True], ids=["one", "bidirectional"])
@pytest.mark.parametrize("kind", KINDS)
def test_states_are_returned_and_given(kind, both):
    traced = Traced(Copier(kind, both), [(None, STEPS, FEATURES)], wrt=[0])
    traced.randomize(np.random.default_rng(1), 0.2)
    x = data(3, STEPS, FEATURES)
    y = traced.run(x, np.ones((3, *traced.output_shape[1:])))[0]
    traced.check_gradients(x, points=12)
    weights = {v.name.split("/", 1)[1]: traced.weight(v.name) for v in traced.variables}
    parts = []
    for way in ("", "backward_") if both else ("",):
        own = [
            {
                key.rpartition("/")[2]: value
                for key, value in weights.items()
                if f"/{key}".endswith(f"/{way}{name}/{key.rpartition('/')[2]}")
            }
            for name in ("encoder", "decoder")
        ]
        backwards = way != ""
        _, states = run(kind(UNITS), own[0], x, backwards)
        part = run(kind(UNITS, return_sequences=True), own[1], x[:, :2], backwards, None, states)[0]
        parts.append(part[:, ::-1] if backwards else part)
    assert_near(y, np.concatenate(parts, axis=-1), 20 * FORWARD["float64"])


def test_a_layer_that_is_called_again_begins_with_zeros_again():
    class Twice(layers.Layer):
        def build(self, x):
            inner = layers.GRU(UNITS)
            return inner(x, initial_state=[x[:, 0]]) + 0.0 * inner(x), inner(x)[..., :1]

    class Second(Twice):
        def build(self, x):
            return super().build(x)[1]

    x = data(2, STEPS, UNITS)
    alone = ops.evaluate(lambda x: layers.GRU(UNITS, name="gru")(x)[..., :1], x)
    assert ops.evaluate(Second(), x).shape == alone.shape


def test_states_of_two_layers_of_one_class_stand_apart():
    class States(layers.Layer):
        def build(self, x):
            both = layers.Bidirectional(
                layers.GRU(UNITS, return_state=True),
                backward_layer=layers.GRU(UNITS, return_state=True, go_backwards=True),
            )
            y, forward, backward = both(x)
            return y - ops.concat([forward, backward])

    assert not ops.evaluate(States(), data(2, STEPS, FEATURES)).any()


def test_bidirectional_can_return_both_outputs():
    class Difference(layers.Layer):
        def build(self, x):
            forward, backward = layers.Bidirectional(
                layers.GRU(UNITS, return_sequences=True), merge_mode=None
            )(x)
            return forward - backward

    x = data(2, STEPS, FEATURES)
    assert ops.evaluate(Difference(), x).shape == (2, STEPS, UNITS)


def test_go_backwards_turns_the_mask_too():
    layer = layers.LSTM(UNITS, return_sequences=True, go_backwards=True)

    def turned(x, mask):
        return masked(layer)(x, mask).mask

    x, mask = data(len(LENGTHS), STEPS, FEATURES), endings()
    np.testing.assert_array_equal(ops.evaluate(turned, x, mask), mask[:, ::-1])


def test_rows_of_nothing_but_padding_give_zeros():
    for kind in KINDS:
        layer = masked(kind(UNITS, bias_initializer="ones"))
        y = ops.evaluate(layer, data(2, STEPS, FEATURES), np.zeros((2, STEPS)))
        assert not y.any()


def test_the_bias_of_the_gate_that_keeps_begins_with_one():
    normal = RandomNormal(seed=1)
    for use, expected in ((True, 1.0), (False, None)):
        net = Sequential([layers.LSTM(3, bias_initializer=normal, unit_forget_bias=use)])
        net.build((None, 2, 2))
        bias = net.get_weights()[2]
        assert (expected is not None and (bias[3:6] == 1).all()) == use
        assert len(set(bias[:3]) | set(bias[6:])) == 9


def test_recurrent_kernels_begin_orthogonal():
    net = Sequential([layers.GRU(5)])
    net.build((None, 2, 3))
    kernel = net.get_weights()[1]
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(5), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_drawn_once_a_sequence(kind):
    """Without a recurrent part, steps that read the same give the same."""
    zeros = {"recurrent_initializer": "zeros", "return_sequences": True, "activation": None}
    layer = kind(UNITS, dropout=0.5, use_bias=False, **zeros)
    x = np.ones((40, STEPS, FEATURES))
    y = ops.evaluate(layer, x, training=True)
    if kind is layers.SimpleRNN:
        np.testing.assert_array_equal(y, np.repeat(y[:, :1], STEPS, axis=1))
    assert len(np.unique(y[:, 0], axis=0)) > 3  # each sequence has its own
    np.testing.assert_array_equal(ops.evaluate(layer, x), ops.evaluate(layer, x[:1]).repeat(40, 0))


def test_recurrent_dropout_leaves_out_its_share():
    ones = {"kernel_initializer": "zeros", "recurrent_initializer": "identity"}
    layer = layers.SimpleRNN(200, None, use_bias=False, recurrent_dropout=0.25, **ones)

    def one_step(x, h):
        return layer(x, initial_state=[h])

    y = ops.evaluate(one_step, np.ones((50, 1, 1)), np.ones((50, 200)), training=True)
    assert set(np.unique(y.round(6))) == {0.0, round(4 / 3, 6)}
    assert abs((y == 0).mean() - 0.25) < 0.02


WRONG = [
    (lambda: layers.LSTM(0), ValueError, r"\[LSTM\] units must be a positive integer, got 0"),
    (lambda: layers.GRU(3, dropout=1.0), ValueError, r"\[GRU\] dropout must be one number in"),
    (lambda: layers.SimpleRNN(3, return_state=1), ValueError, r"\[SimpleRNN\] return_state"),
    (lambda: layers.LSTM(3, unroll=True), TypeError, "the loop over the steps runs in the core"),
    (lambda: layers.GRU(3, return_sequence=True), TypeError, "return_sequences"),
    (lambda: layers.Bidirectional(layers.Dense(2)), TypeError, "must be a recurrent layer, got"),
    (lambda: layers.Bidirectional(layers.LSTM(2), "add"), ValueError, "merge_mode must be in"),
    (
        lambda: layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2)),
        ValueError,
        "must differ in go_backwards, got False of both",
    ),
    (
        lambda: layers.Bidirectional(
            layers.LSTM(2), backward_layer=layers.GRU(2, go_backwards=True, return_sequences=True)
        ),
        ValueError,
        "must have the same return_sequences, got False and True",
    ),
    (lambda: layers.TimeDistributed("dense"), TypeError, r"layer must be a Layer, got 'dense'"),
    (lambda: layers.RepeatVector(0), ValueError, r"\[RepeatVector\] n must be a positive integer"),
    (
        lambda: Sequential([layers.LSTM(2, return_state=True)]),
        ValueError,
        r"\[Sequential\] LSTM\(2, return_state=True\) returns several values, and a chain passes",
    ),
    (
        lambda: layers.Residual([layers.Bidirectional(layers.GRU(2), None)]),
        ValueError,
        r"\[Residual\] Bidirectional\(.* returns several values",
    ),
]


@pytest.mark.parametrize(("make", "error", "message"), WRONG)
def test_wrong_settings_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.LSTM(3), (4,), r"\[LSTM\] expected \(None, steps, features\), got \(None, 4\)"),
        (layers.GRU(3), (4, 4, 1), r"\[GRU\] expected \(None, steps, features\), got \(None, 4, 4"),
        (layers.Bidirectional(layers.LSTM(3)), (4,), r"\[LSTM\] expected \(None, steps, features"),
        (layers.TimeDistributed(layers.Dense(2)), (4,), r"expected \(None, steps, ...\), got"),
        (layers.RepeatVector(2), (4, 3), r"\[RepeatVector\] expected \(None, features\), got"),
        (
            layers.LSTM(3, stateful=True),
            (4, 3),
            r"\[LSTM\] stateful=True needs batches of one size",
        ),
        (layers.TimeDistributed(layers.LSTM(3)), (2, 4, 3), "cannot stand within TimeDistributed"),
    ],
)
def test_wrong_inputs_are_named(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        Sequential([layer]).build((None, *shape))


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (lambda x: [x[:, 0]], "initial_state must be a list of 2 values"),
        (lambda x: x[:, 0], "initial_state must be a list of 2 values"),
        (
            lambda x: [x[:, 0], x[:, 0, :2]],
            r"state 'cell_state' must be \(None, 3\), got \(None, 2\)",
        ),
    ],
)
def test_wrong_states_are_named(states, message):
    layer = layers.LSTM(FEATURES)
    with pytest.raises((TypeError, ValueError), match=message):
        ops.evaluate(lambda x: layer(x, initial_state=states(x)), data(2, STEPS, FEATURES))


def test_other_features_than_it_was_built_for_are_named():
    net = Sequential([layers.LSTM(2)])
    net.build((None, STEPS, FEATURES))
    with pytest.raises(ValueError, match=r"\[predict\]"):
        net.predict(data(2, STEPS, FEATURES + 1))


def test_networks_with_them_can_be_saved(tmp_path):
    chain = [
        layers.Bidirectional(layers.GRU(3, return_sequences=True), "ave"),
        layers.TimeDistributed(layers.Dense(4)),
        layers.LSTM(2, go_backwards=True),
        layers.RepeatVector(3),
        layers.SimpleRNN(2, "relu"),
    ]
    net = Sequential(chain, loss="mse", random_state=0)
    x = data(4, STEPS, FEATURES)
    net.fit(x, data(4, 2))
    net.save(tmp_path / "net.safetensors")
    there = Sequential.load(tmp_path / "net.safetensors")
    assert repr(there) == repr(net)
    np.testing.assert_array_equal(there.predict(x), net.predict(x))
    assert list(net.layer_outputs(x))[:3] == [
        "bidirectional/gru",
        "bidirectional/backward_gru",
        "bidirectional",
    ]
