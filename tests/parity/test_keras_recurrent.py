"""Recurrent layers beside Keras's: padding, states, batches that follow each other.

Outputs, gradients and fifty training steps without padding are in test_keras_layers.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mirror import mirror, numpy, tensor  # noqa: E402
from test_keras_layers import same_weights  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402
from training import Pair  # noqa: E402

from ganglion import Sequential, layers, losses, optimizers  # noqa: E402

LENGTHS = np.array([5, 3, 2, 1, 4, 2])
SHAPE = (5, 3)
RNN, LSTM, GRU, Bidirectional = (
    layers.SimpleRNN,
    layers.LSTM,
    layers.GRU,
    layers.Bidirectional,
)
GRID = [
    RNN(4),
    RNN(4, return_sequences=True, go_backwards=True),
    LSTM(4),
    LSTM(4, return_sequences=True),
    LSTM(4, return_sequences=True, zero_output_for_mask=True),
    LSTM(4, "softplus", "softsign", use_bias=False, go_backwards=True),
    GRU(4, return_sequences=True),
    GRU(4, go_backwards=True, reset_after=False),
    GRU(4, use_bias=False, return_sequences=True),
    Bidirectional(LSTM(3, return_sequences=True)),
    Bidirectional(GRU(3), "mul"),
    Bidirectional(RNN(3, return_sequences=True), "sum"),
    Bidirectional(GRU(3, return_sequences=True, reset_after=False), "ave"),
    Bidirectional(LSTM(2), backward_layer=LSTM(3, "softsign", go_backwards=True)),
]
NAMED = [pytest.param(layer, id=repr(layer)) for layer in GRID]


def padded(rows: int = len(LENGTHS)) -> np.ndarray:
    """Padding behind, before, and in between."""
    x = np.random.default_rng(0).normal(size=(rows, *SHAPE))
    lengths = np.resize(LENGTHS, rows)
    x[np.arange(SHAPE[0]) >= lengths[:, None]] = 0.0
    x[4] = x[4, ::-1]
    return x


@pytest.mark.parametrize("layer", NAMED)
def test_padding(layer: Any, dtype: str) -> None:
    net = Sequential([layers.Masking(), layer], dtype=dtype, random_state=0)
    net.build((None, *SHAPE))
    theirs = keras.Sequential([keras.Input(SHAPE), keras.layers.Masking(), mirror(layer)])
    same_weights(net, theirs)
    x = padded()
    there = tensor(x, dtype).requires_grad_()
    expected = theirs(there)
    y = net.forward(x)
    assert_near(y, numpy(expected), PARITY[dtype], name="output")
    seed = np.random.default_rng(1).normal(size=y.shape)
    expected.backward(tensor(seed, dtype))
    assert_near(net.backward(seed), there.grad.numpy(), PARITY[dtype], name="d_x")
    for ours, wanted in zip(net.gradients_, theirs.trainable_variables, strict=True):
        assert_near(ours, numpy(wanted.value.grad), PARITY[dtype], name="gradient")


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_fifty_steps_with_padding_in_the_loss(kind: type, dtype: str) -> None:
    network = [layers.Masking(), kind(4, return_sequences=True), layers.Dense(2)]
    pair = Pair(network, losses.MeanSquaredError(), optimizers.SGD(0.05, 0.5), SHAPE, dtype)
    x, y = padded(44), np.random.default_rng(2).normal(size=(44, SHAPE[0], 2))
    ours, expected = pair.losses(x, y)
    # Keras adds 1e-7 to the number of steps that count.
    assert_near(ours, expected, max(PARITY[dtype], 1e-6))


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("both", [False, True], ids=["one", "bidirectional"])
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_states(kind: Any, both: bool, reset_after: bool, dtype: str) -> None:
    settings: dict[str, Any] = {"reset_after": reset_after} if kind is GRU else {}

    def around(library: Any, layer: Any) -> Any:
        return library.Bidirectional(layer) if both else layer

    class Copier(layers.Layer):
        def build(self, x: Any) -> Any:
            y, *states = around(layers, kind(3, return_state=True, name="a", **settings))(x)
            again = around(layers, kind(3, return_sequences=True, name="b", **settings))
            return y[:, None, :] + again(x[:, :4], initial_state=states)

    their_kind = getattr(keras.layers, kind.__name__)
    x = keras.Input(SHAPE)
    y, *states = around(keras.layers, their_kind(3, return_state=True, **settings))(x)
    again = around(keras.layers, their_kind(3, return_sequences=True, **settings))
    z = again(x[:, :4], initial_state=states)
    model = keras.Model(x, keras.ops.expand_dims(y, 1) + z)
    net = Sequential([Copier()], dtype=dtype, random_state=0)
    net.build((None, *SHAPE))
    same_weights(net, model)
    given = np.random.default_rng(0).normal(size=(6, *SHAPE))
    there = tensor(given, dtype).requires_grad_()
    expected = model(there)
    out = net.forward(given)
    assert_near(out, numpy(expected), PARITY[dtype])
    seed = np.random.default_rng(1).normal(size=out.shape)
    expected.backward(tensor(seed, dtype))
    assert_near(net.backward(seed), there.grad.numpy(), PARITY[dtype])


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_batches_that_follow_each_other(kind: Any, dtype: str) -> None:
    layer = kind(3, stateful=True)
    net = Sequential([layers.Input(SHAPE, batch_size=4), layer], dtype=dtype, random_state=0)
    net.build((None, *SHAPE))
    model = keras.Sequential([keras.Input(SHAPE, batch_size=4), mirror(layer)])
    count = 2 if kind is LSTM else 1
    weights = [w + 0.2 for w in net.get_weights()[:-count]]
    model.set_weights(weights)
    net.set_weights([*weights, *net.get_weights()[-count:]])
    for seed in range(3):
        x = np.random.default_rng(seed).normal(size=(4, *SHAPE))
        assert_near(net.predict(x), numpy(model(tensor(x, dtype))), PARITY[dtype])
    net.reset_states()
    model.layers[0].reset_state()
    assert_near(net.predict(x), numpy(model(tensor(x, dtype))), PARITY[dtype])
    read = Sequential.from_keras(model)
    assert repr(read.layers[0]) == "Input((5, 3), batch_size=4)"
    model.layers[0].reset_state()
    assert_near(read.predict(x), numpy(model(tensor(x, dtype))), PARITY[dtype])


@pytest.mark.parametrize("layer", NAMED)
def test_models_are_read(layer: Any) -> None:
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Masking(),
            mirror(layer),
        ]
    )
    draw = np.random.default_rng(0)
    model.set_weights([w + draw.uniform(0.1, 0.4, w.shape) for w in model.get_weights()])
    net = Sequential.from_keras(model)
    x = padded().astype(net.dtype)
    assert_near(net.predict(x), numpy(model(x)), PARITY[net.dtype])
