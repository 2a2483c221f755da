"""Attention and positions: formulas in NumPy, what is hidden from whom, an encoder of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attention_formulas import attention
from traced import Traced

from ganglion import Sequential, applications, layers, losses, ops, optimizers
from ganglion.threads import threads

STEPS, FEATURES = 5, 6
LENGTHS = np.array([5, 2, 4, 1])
COUNTED = np.arange(STEPS) < LENGTHS[:, None]

Array = np.ndarray


def sequences(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=shape or (len(LENGTHS), STEPS, FEATURES))


def attending(layer: layers.Layer, *before: layers.Layer, steps: int = STEPS) -> Sequential:
    """A network of the layer in double precision, with weights away from 0."""
    chain = [layers.Input((steps, FEATURES)), *before, layer]
    net = Sequential(chain, loss="mse", random_state=0, dtype="float64")
    net.build((None, steps, FEATURES))
    draw = np.random.default_rng(1)
    net.set_weights([w + draw.normal(scale=0.5, size=w.shape) for w in net.get_weights()])
    return net


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_it_is_the_formula(causal: bool, masked: bool) -> None:
    layer = layers.MultiHeadAttention(3, 4, value_dim=2, output_shape=7, causal=causal)
    net = attending(layer, *[layers.Masking()] * masked)
    x = np.where(COUNTED[..., None] | (not masked), sequences(), 0.0)
    y = net.predict(x)
    names = (name.partition("/")[2] for name in net.weight_names)
    weights = dict(zip(names, net.get_weights(), strict=True))
    expected = attention(layer, weights, x, False, COUNTED if masked else None)
    at = COUNTED if masked else np.ones_like(COUNTED)
    np.testing.assert_allclose(y[at], expected[at], rtol=1e-10)
    np.testing.assert_allclose(y[~at], np.broadcast_to(net.get_weights()[-1], y[~at].shape))


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_gradients_with_a_mask(causal: bool) -> None:
    layer = layers.MultiHeadAttention(2, 3, causal=causal, bias_initializer="normal")

    def masked(x: Any, mask: Any) -> Any:
        return layer(ops.with_mask(x, mask))

    shapes = [(None, STEPS, FEATURES), (None, STEPS)]
    mask = COUNTED.astype(float)
    mask[1] = 0.0  # a sequence of which nothing counts
    Traced(masked, shapes, wrt=[0]).check_gradients(sequences(), mask)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sequence_of_nothing_but_padding_stays_finite(dtype: str) -> None:
    mask = [layers.Rescaling(2.0), layers.Masking()]  # the first layer would refuse it
    chain = [*mask, *applications.transformer_encoder(FEATURES, 2), layers.Dense(1)]
    net = Sequential(chain, loss="mse", random_state=0, dtype=dtype)
    x = sequences()
    x[1] = 0.0
    net.fit(x, sequences(len(x), STEPS, 1), epochs=2, verbose=0)
    assert np.isfinite(net.predict(x)).all()
    assert all(np.isfinite(weight).all() for weight in net.get_weights())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_padding_changes_no_bit(dtype: str) -> None:
    layer = layers.MultiHeadAttention(2, 4)
    short, long = (
        Sequential([layers.Masking(), layer], random_state=0, dtype=dtype) for _ in range(2)
    )
    x = sequences(3, STEPS, FEATURES)
    short.build((None, STEPS, FEATURES))
    long.build((None, STEPS + 9, FEATURES))
    padded = np.concatenate([x, np.zeros((3, 9, FEATURES))], axis=1)
    np.testing.assert_array_equal(long.predict(padded)[:, :STEPS], short.predict(x))


def test_causal_steps_see_nothing_of_what_follows() -> None:
    net = attending(layers.MultiHeadAttention(2, 3, causal=True))
    x = sequences()
    changed = x.copy()
    changed[:, 3:] += 1.0
    y, other = net.predict(x), net.predict(changed)
    np.testing.assert_array_equal(y[:, :3], other[:, :3])
    assert (y[:, 3:] != other[:, 3:]).all()


def test_dropout_takes_shares_away_in_training_alone() -> None:
    x = np.ones((2000, 4, FEATURES))
    # Of equal values the shares add up to 1, with those that are dropped to 1 on average.
    layer = layers.MultiHeadAttention(1, 2, dropout=0.5, kernel_initializer="ones")
    whole = ops.evaluate(layer, x)
    dropped = ops.evaluate(layer, x, training=True)
    np.testing.assert_allclose(whole, whole[0, 0, 0])
    assert len(np.unique((dropped / whole[0, 0, 0]).round(6))) == 5  # 0 to 4 of 4, doubled
    assert dropped.mean() == pytest.approx(whole[0, 0, 0], rel=0.03)
    other = layers.MultiHeadAttention(1, 2, dropout=0.5, kernel_initializer="ones", seed=1)
    assert not np.array_equal(dropped, ops.evaluate(other, x, training=True))
    none = layers.MultiHeadAttention(1, 2, dropout=1.0)
    np.testing.assert_array_equal(ops.evaluate(none, x, training=True), 0.0)


def test_the_program_has_a_product_for_each_and_hides_within_one() -> None:
    net = attending(layers.MultiHeadAttention(2, 3, causal=True), layers.Masking())
    kinds = [
        one["kind"] for one in net._built.executable("predict").program.describe()["operations"]
    ]
    assert kinds.count("matmul") == 6
    assert kinds.count("softmax") == 1
    behind = kinds[kinds.index("softmax") - 1]
    assert behind == "matmul"  # scores, to which what hides is added as they are made


@pytest.mark.parametrize("steps", [5, 40])
def test_same_bits_with_any_number_of_threads(steps: int) -> None:
    x, y = sequences(37, steps, 8), np.arange(37) % 3

    def trained() -> list[Array]:
        net = Sequential(
            [
                layers.Input((steps, 8)),
                layers.PositionEmbedding(steps),
                *applications.transformer_encoder(8, 2, blocks=2, dropout=0.2, causal=True),
                layers.GlobalAveragePooling1D(),
                layers.Dense(3),
            ],
            loss=losses.SparseCategoricalCrossentropy(from_logits=True),
            random_state=0,
        )
        return net.fit(x, y, epochs=2, batch_size=16, verbose=0).get_weights()

    with threads(1):
        first = trained()
    for number in (2, 3):
        with threads(number):
            for weight, other in zip(first, trained(), strict=True):
                np.testing.assert_array_equal(weight, other)


def test_positions_are_the_waves_of_the_paper() -> None:
    waves = ops.evaluate(layers.PositionalEncoding(100.0), np.zeros((1, 50, 7)))[0]
    for step in (0, 1, 17, 49):
        for feature in range(7):
            angle = step / 100.0 ** (2 * (feature // 2) / 7)
            wanted = np.cos(angle) if feature % 2 else np.sin(angle)
            assert waves[step, feature] == pytest.approx(wanted, abs=1e-12)


def test_short_sequences_have_the_first_positions() -> None:
    layer = layers.PositionEmbedding(9, "normal")
    short, long = (ops.evaluate(layer, np.zeros((1, steps, 3))) for steps in (4, 9))
    np.testing.assert_array_equal(short, long[:, :4])


def test_positions_are_learned_for_the_steps_there_are() -> None:
    net = attending(layers.PositionEmbedding(9), steps=4)
    before = net.get_weights()[0].copy()
    x = sequences(8, 4, FEATURES)
    net.fit(x, x, epochs=1, verbose=0)
    changed = (net.get_weights()[0] != before).any(axis=1)
    assert changed.tolist() == [True] * 4 + [False] * 5


def test_an_encoder_learns_what_needs_two_steps() -> None:
    """Whether the last symbol stood anywhere before."""
    draw = np.random.default_rng(0)
    symbols = draw.integers(0, 6, size=(600, 8))
    y = (symbols[:, :-1] == symbols[:, -1:]).any(axis=1).astype(int)
    net = Sequential(
        [
            layers.Input((8, 6)),
            layers.Dense(16),
            layers.PositionalEncoding(),
            *applications.transformer_encoder(16, 4, blocks=2, dropout=0.0),
            layers.GlobalAveragePooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ],
        loss="binary_crossentropy",
        optimizer=optimizers.Adam(0.005),
        metrics=["accuracy"],
        random_state=0,
    )
    net.fit(np.eye(6)[symbols], y, epochs=50, batch_size=32, verbose=0)
    assert net.evaluate(np.eye(6)[symbols], y)["accuracy"] > 0.9


def test_masks_pass_on() -> None:
    chain = [
        layers.Masking(),
        layers.PositionalEncoding(),
        layers.PositionEmbedding(STEPS),
        *applications.transformer_encoder(FEATURES, 3, dropout=0.1),
        layers.GlobalAveragePooling1D(),
    ]
    net = Sequential(chain, random_state=0, dtype="float64")
    net.build((None, STEPS, FEATURES))
    x = np.where(COUNTED[..., None], sequences(), 0.0)
    y = net.predict(x)
    for row, length in enumerate(LENGTHS):
        alone = Sequential(chain, dtype="float64")
        alone.build((None, int(length), FEATURES))
        alone.set_weights(net.get_weights())
        np.testing.assert_allclose(alone.predict(x[row : row + 1, :length])[0], y[row], rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.MultiHeadAttention(0, 3), ValueError, "num_heads must be a positive"),
        (lambda: layers.MultiHeadAttention(2, 1.5), ValueError, "key_dim must be a positive"),
        (lambda: layers.MultiHeadAttention(2, 3, value_dim=-1), ValueError, "value_dim must be"),
        (lambda: layers.MultiHeadAttention(2, 3, dropout=1.5), ValueError, r"dropout must be in"),
        (lambda: layers.MultiHeadAttention(2, 3, output_shape=(4, 0)), ValueError, r"\(4, 0\)"),
        (lambda: layers.MultiHeadAttention(2, 3, output_shape=()), ValueError, r"got \(\)"),
        (lambda: layers.MultiHeadAttention(2, 3, causal=1), ValueError, "causal must be True or"),
        (lambda: layers.MultiHeadAttention(2, 3, seed=-1), ValueError, "seed must be"),
        (lambda: layers.MultiHeadAttention(2, 3, num_head=2), TypeError, "mean 'num_heads'"),
        (lambda: layers.PositionalEncoding(0), ValueError, "max_wavelength must be positive"),
        (lambda: layers.PositionEmbedding("5"), TypeError, "sequence_length must be a positive"),
        (lambda: applications.transformer_encoder(7, 2), ValueError, "multiple of num_heads"),
        (lambda: applications.transformer_encoder(8, 0), ValueError, "num_heads must be a whole"),
        (lambda: applications.transformer_encoder(8, 2, blocks=0), ValueError, "blocks must be"),
        (lambda: applications.transformer_encoder(8, 2, 0), ValueError, "hidden_units must be"),
    ],
)
def test_bad_settings_are_named(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (layers.MultiHeadAttention(2, 3), (6,), r"\[MultiHeadAttention\] expected \(None, steps"),
        (layers.MultiHeadAttention(2, 3), (4, 4, 3), r"got \(None, 4, 4, 3\)"),
        (layers.PositionalEncoding(), (6,), r"\[PositionalEncoding\] expected"),
        (layers.PositionEmbedding(3), (6,), r"\[PositionEmbedding\] expected"),
        (layers.PositionEmbedding(3), (4, 2), "sequence_length is 3, and the input .* has 4 steps"),
    ],
)
def test_inputs_that_do_not_fit_are_named(layer: Any, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sequential([layer]).build((None, *shape))
