"""Graphs over sequences: their lengths, their masks, and the states of layers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from tolerances import FORWARD, assert_near

from ganglion import Model, Sequential, layers, ops

RNG = np.random.default_rng(0)


def test_states_go_from_layer_to_layer() -> None:
    source, target = layers.Input((5, 3)), layers.Input((4, 3))
    _, *states = layers.LSTM(6, return_state=True)(source)
    y = layers.LSTM(6, return_sequences=True)(target, initial_state=states)
    net = Model([source, target], layers.Dense(2)(y), loss="mse", random_state=0)
    a, b = RNG.normal(size=(8, 5, 3)), RNG.normal(size=(8, 4, 3))
    net.fit((a, b), np.ones((8, 4, 2)), epochs=2)
    assert net.output_shape == (None, 4, 2)
    other = net.predict((a[::-1], b))
    assert not np.allclose(net.predict((a, b)), other)
    copied = pickle.loads(pickle.dumps(net))
    assert np.array_equal(copied.predict((a, b)), net.predict((a, b)))


def test_sequences_of_different_lengths_beside_features() -> None:
    words, extra = layers.Input((None,), name="words"), layers.Input((2,), name="extra")
    read = layers.GRU(5)(layers.Embedding(9, 4, mask_zero=False)(words))
    y = layers.Dense(1)(layers.Concatenate()([read, extra]))
    net = Model([words, extra], y, loss="mse", random_state=0)
    lists = [RNG.integers(0, 9, n) for n in (3, 7, 2, 5, 7, 1)]
    features = RNG.normal(size=(6, 2))
    net.fit((lists, features), np.ones((6, 1)), epochs=2, batch_size=2)
    together = net.predict((lists, features))
    for row, sequence in enumerate(lists):
        alone = net.predict((sequence[np.newaxis], features[row : row + 1]))
        np.testing.assert_array_equal(alone[0], together[row])
    with pytest.raises(ValueError, match="has the id 9 at row 0, position 1"):
        net.predict((np.array([[1, 9]]), features[:1]))


def test_states_are_kept_for_the_batch_that_an_input_says() -> None:
    a, b = layers.Input((5, 3), batch_size=2), layers.Input((2,))
    recurrent = layers.GRU(4, stateful=True)
    net = Model([a, b], layers.Concatenate()([recurrent(a), b]), random_state=0)
    alone = Sequential([layers.Input((5, 3), batch_size=2), recurrent], random_state=0)
    steps, sizes = RNG.normal(size=(2, 5, 3)), np.ones((2, 2))
    for _ in range(2):
        np.testing.assert_array_equal(net.predict((steps, sizes))[:, :4], alone.predict(steps))
    with pytest.raises(ValueError, match="keeps the states of 2 samples"):
        net.predict((np.ones((4, 5, 3)), np.ones((4, 2))), batch_size=4)
    other = layers.Input((5, 3), batch_size=3)
    with pytest.raises(ValueError, match="batch_size is 3, and 2 of another input"):
        Model([a, other], layers.Add()([a, other]))


def test_steps_of_several_sequences_go_together() -> None:
    a, b = layers.Input((None, 3), name="a"), layers.Input((None, 2), name="b")
    net = Model([a, b], layers.SimpleRNN(4)(ops.concat([a, b])))
    lists = [[np.ones((n, width)) for n in (3, 5)] for width in (3, 2)]
    assert net.predict(tuple(lists)).shape == (2, 4)
    with pytest.raises(ValueError, match="at row 1 5 steps for 'a' and 4 for 'b'"):
        net.predict((lists[0], [lists[1][0], np.ones((4, 2))]))
    with pytest.raises(ValueError, match="3 steps for 'a' and 4 for 'b'"):
        net.predict((np.ones((2, 3, 3)), np.ones((2, 4, 2))))
    with pytest.raises(ValueError, match="arrays and lists of sequences for 'a', 'b'"):
        net.predict((lists[0], np.ones((2, 4, 2))))


def test_operations_pass_on_masks() -> None:
    x = layers.Input((None, 3))
    average, weights = layers.GlobalAveragePooling1D(), ops.constant(RNG.normal(size=(3, 2)))
    sequences = [RNG.normal(size=(5, 3)), RNG.normal(size=(2, 3))]
    made = ops.softmax((2.0 * ops.tanh(x) @ weights)[..., :1] + x, axis=-1)
    for y in (made, layers.Add()([layers.Dense(3)(x), made])):
        net = Model(x, average(y), random_state=0)
        alone = [net.predict([one])[0] for one in sequences]
        assert_near(net.predict(sequences), alone, FORWARD["float32"])
    for y in (average(ops.flip(x, 1)), average(ops.softmax(x, axis=1)), ops.mean(x, axis=1)):
        net = Model(x, y)
        with pytest.raises(ValueError, match="takes the padding behind sequences"):
            net.predict(sequences)
    with pytest.raises(ValueError, match=r"\[reshape\] needs to know the number of steps"):
        ops.expand_dims(x, -1)


def test_operations_that_lose_a_mask_say_so() -> None:
    x = layers.Input((4, 3))
    steps = layers.Masking()(x)
    net = Model(x, layers.Dense(1)(ops.mean(steps, axis=1)), loss="mse")
    with pytest.warns(UserWarning, match=r"\[reduce_sum\] loses the mask"):
        net.fit(np.ones((2, 4, 3)), np.ones((2, 1)))
