"""Attention beside Keras's with masks, and an encoder of it: outputs, gradients, training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mirror import numpy, tensor  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402
from training import Pair  # noqa: E402

from ganglion import Sequential, applications, layers, losses, optimizers  # noqa: E402

STEPS, FEATURES = 7, 8
LENGTHS = np.array([7, 3, 5, 1, 6, 2])
COUNTED = np.arange(STEPS) < LENGTHS[:, None]


def sequences(seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), STEPS, FEATURES))
    return np.where(COUNTED[..., None], x, 0.0)


def masked(layer: layers.MultiHeadAttention) -> Any:
    """Keras's layer behind one that masks."""
    x = keras.Input((STEPS, FEATURES))
    y = keras.layers.Masking()(x)
    attention = keras.layers.MultiHeadAttention(
        layer.num_heads, layer.key_dim, layer.value_dim, dropout=layer.dropout
    )
    return keras.Model(x, attention(y, y, use_causal_mask=layer.causal))


# Where some shares may be dropped Keras computes them by themselves, and what a step of padding
# sees is 0; else PyTorch's attention is called, where it is the mean of all.
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_outputs_and_gradients_with_a_mask(causal: bool, dropout: float, dtype: str) -> None:
    layer = layers.MultiHeadAttention(2, 3, value_dim=4, causal=causal, dropout=dropout)
    net = Sequential([layers.Masking(), layer], dtype=dtype, random_state=0)
    net.build((None, STEPS, FEATURES))
    theirs = masked(layer)
    draw = np.random.default_rng(1)
    weights = [w + draw.uniform(0.1, 0.6, w.shape) for w in net.get_weights()]
    net.set_weights(weights)
    theirs.set_weights(weights)
    x = sequences()
    there = tensor(x, dtype).requires_grad_()
    expected = theirs(there, training=False)
    at = COUNTED if dropout == 0 else np.ones_like(COUNTED)
    y = net.forward(x)
    assert_near(y[at], numpy(expected)[at], PARITY[dtype], name="output")
    if dropout > 0:  # a backward pass is one of training, in which shares are dropped
        return
    seed = draw.normal(size=y.shape) * COUNTED[..., None]
    net.forward(x, training=True)
    expected.backward(tensor(seed, dtype))
    d_x = net.backward(seed)
    assert_near(d_x[COUNTED], there.grad.numpy()[COUNTED], PARITY[dtype], name="d_x")
    gradients = [numpy(variable.value.grad) for variable in theirs.trainable_variables]
    # That of the keys' bias, of which nothing depends, is what rounding leaves.
    for ours, wanted in zip(net.gradients_, gradients, strict=True):
        assert_near(ours, wanted, PARITY[dtype], name="gradient", absolute=PARITY[dtype])


def encoder_of_keras(width: int, heads: int, causal: bool, mask: bool) -> Any:
    k = keras.layers
    x = keras.Input((STEPS, width))
    y = k.Masking()(x) if mask else x
    for _ in range(2):
        inner = k.LayerNormalization()(y)
        attention = k.MultiHeadAttention(heads, width // heads)
        y = k.Add()([attention(inner, inner, use_causal_mask=causal), y])
        inner = k.LayerNormalization()(y)
        inner = k.Dense(width)(k.Dense(2 * width, activation="gelu")(inner))
        y = k.Add()([inner, y])
    y = k.LayerNormalization()(y)
    return keras.Model(x, k.Dense(2)(k.GlobalAveragePooling1D()(y)))


@pytest.mark.parametrize("mask", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_fifty_steps_of_an_encoder(causal: bool, mask: bool, dtype: str) -> None:
    network = [
        *[layers.Masking()] * mask,
        *applications.transformer_encoder(FEATURES, 2, 16, 2, activation="gelu", causal=causal),
        layers.GlobalAveragePooling1D(),
        layers.Dense(2),
    ]
    pair = Pair(
        network,
        losses.MeanSquaredError(),
        optimizers.Adam(0.003),
        (STEPS, FEATURES),
        dtype,
        counterparts=[encoder_of_keras(FEATURES, 2, causal, mask)],
    )
    x = np.concatenate([sequences(seed) for seed in range(7)])
    y = np.random.default_rng(9).normal(size=(len(x), 2))
    ours, expected = pair.losses(x, y)
    assert_near(ours, expected, PARITY[dtype])


@pytest.mark.parametrize("mask", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_an_encoder_is_read(causal: bool, mask: bool, dtype: str) -> None:
    model = encoder_of_keras(FEATURES, 2, causal, mask)
    draw = np.random.default_rng(4)
    model.set_weights([w + draw.uniform(0.1, 0.5, w.shape) for w in model.get_weights()])
    net = Sequential.from_keras(model)
    attention = [layer for one in net.layers for layer in getattr(one, "layers", [])][1]
    assert (attention.num_heads, attention.key_dim, attention.causal) == (2, 4, causal)
    x = sequences()
    assert_near(net.predict(x), numpy(model(tensor(x, dtype))), PARITY[dtype], name="output")


def test_attention_to_another_sequence_is_refused() -> None:
    x = keras.Input((STEPS, FEATURES))
    attention = keras.layers.MultiHeadAttention(2, 3)
    model = keras.Model(x, attention(x, keras.layers.Dense(4)(x)))
    with pytest.raises(ValueError, match=r"must be called with one value, layer\(x, x\)"):
        Sequential.from_keras(model)
