"""The layers on which tests run: the registry's examples, and arguments beyond them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from registry import examples

from ganglion import layers

# (layer, shape of a sample)
GRID: list[tuple[Any, tuple[int, ...]]] = [
    (layers.Dense(4, activation="silu", use_bias=False), (3, 5)),
    (layers.Dense(1, activation="sigmoid"), (7,)),
    (layers.Dense(3, activation="softmax", kernel_regularizer="l1", bias_regularizer="l2"), (1,)),
    (layers.Embedding(300, 2), (3, 5)),
    (layers.Embedding(3, 40, embeddings_regularizer="l1"), (9,)),
    (layers.Conv2D(5, 3, padding="same", activation="relu"), (7, 5, 2)),
    (layers.Conv2D(4, (1, 2), strides=2, use_bias=False), (6, 7, 3)),
    (layers.Conv2D(4, 2, padding="same", dilation_rate=(2, 1), groups=2), (5, 4, 4)),
    (layers.Conv2D(3, 5, strides=(2, 3), padding="same", kernel_regularizer="l1"), (3, 8, 1)),
    (layers.Conv1D(4, 2, strides=2, padding="same", bias_regularizer="l2"), (7, 2)),
    (layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=3), (9, 3)),
    (layers.DepthwiseConv2D((2, 3), padding="same", use_bias=False), (4, 5, 17)),
    (layers.DepthwiseConv2D(2, depth_multiplier=3, dilation_rate=2), (5, 4, 2)),
    (layers.SeparableConv2D(3, 3, strides=2, pointwise_regularizer="l2"), (7, 6, 4)),
    (layers.Conv2DTranspose(2, 3, strides=2, padding="same"), (3, 4, 3)),
    (layers.Conv2DTranspose(3, (1, 2), strides=3, use_bias=False), (2, 3, 2)),
    (layers.Conv2DTranspose(2, 4, strides=2, activation="tanh"), (3, 3, 2)),
    (layers.Conv2DTranspose(4, 2, dilation_rate=2), (4, 3, 2)),
    (layers.BatchNormalization(axis=1, momentum=0.7, epsilon=0.01), (3, 5)),
    (layers.BatchNormalization(center=False), (5,)),
    (layers.BatchNormalization(scale=False), (4, 3)),
    (layers.BatchNormalization(beta_regularizer="l2", gamma_regularizer="l1"), (5,)),
    (layers.BatchNormalization(trainable=False), (5,)),
    (layers.LayerNormalization(epsilon=0.1), (5,)),
    (layers.LayerNormalization(axis=(1, 2)), (3, 4)),
    (layers.LayerNormalization(center=False, scale=False), (5,)),
    (layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[0.5, 1.0, 2.0]), (3,)),
    (layers.Normalization(axis=None, mean=0.5, variance=2.0, invert=True), (2, 3)),
    (layers.PReLU(shared_axes=(1,)), (3, 4)),
    (layers.Rescaling([0.5, 2.0, 1.0], offset=[1.0, 0.0, -1.0]), (3,)),
    (layers.Reshape((2, -1)), (3, 4)),
    (layers.Flatten(), (2, 3, 4)),
    (layers.Activation("log_softmax"), (3, 4)),
    (layers.Dropout(0.5), (4,)),
    (layers.MaxPooling2D(3, strides=2), (7, 5, 2)),
    (layers.MaxPooling2D((1, 4), padding="same"), (2, 9, 17)),
    (layers.MaxPooling1D(2, strides=3), (8, 1)),
    (layers.AveragePooling2D((2, 3), strides=(1, 2)), (5, 7, 3)),
    (layers.AveragePooling1D(3, strides=2, padding="same"), (7, 2)),
    (layers.UpSampling2D(3), (1, 5, 1)),
    (layers.Resizing(4, 4), (4, 4, 2)),
    (layers.Resizing(3, 8, "nearest"), (9, 4, 1)),
    (layers.Resizing(6, 5, crop_to_aspect_ratio=True), (3, 9, 1)),
    (layers.CenterCrop(2, 9), (5, 4, 1)),
    (layers.ZeroPadding2D(((0, 0), (0, 2))), (2, 3, 1)),
    (layers.Cropping2D((0, 1)), (3, 4, 2)),
    (layers.Permute((2, 1)), (3, 4)),
    (layers.GroupNormalization(3), (5, 9)),
    (layers.GroupNormalization(2, gamma_regularizer="l2", beta_regularizer="l1"), (4,)),
    (layers.MultiHeadAttention(1, 5, value_dim=3, output_shape=1), (1, 4)),
    (layers.MultiHeadAttention(2, 8, bias_regularizer="l1", kernel_initializer="normal"), (40, 5)),
    (layers.MultiHeadAttention(2, 4, causal=True), (35, 8)),
    (layers.PositionEmbedding(9), (7, 3)),
    (layers.PositionalEncoding(50.0), (33, 4)),
    (layers.BatchNormalization(), (3, 4, 5)),
    (layers.LayerNormalization(), (3, 4, 5)),
    (
        layers.Residual(
            [layers.MaxPooling2D(), layers.BatchNormalization()],
            shortcut=[layers.AveragePooling2D(2)],
        ),
        (4, 6, 3),
    ),
    (
        layers.Branches(
            [[layers.MaxPooling2D(3, strides=1, padding="same")], [layers.Dense(2)], []]
        ),
        (4, 5, 3),
    ),
    (layers.SimpleRNN(5, "relu", return_sequences=True), (1, 2)),
    (layers.SimpleRNN(4, None, go_backwards=True), (5, 1)),
    (layers.LSTM(17, return_sequences=True), (6, 5)),
    (layers.LSTM(4, "elu", "softsign", use_bias=False), (7, 3)),
    (layers.LSTM(3, bias_initializer="normal", go_backwards=True, return_sequences=True), (3, 4)),
    (layers.GRU(17, return_sequences=True), (6, 5)),
    (layers.GRU(4, use_bias=False, return_sequences=True), (7, 3)),
    (layers.GRU(5, "relu", bias_initializer="normal", reset_after=False), (3, 2)),
    (layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True), "sum"), (4, 2)),
    (
        layers.Bidirectional(
            layers.LSTM(3, go_backwards=True, return_sequences=True),
            backward_layer=layers.LSTM(3, return_sequences=True),
        ),
        (4, 2),
    ),
    (layers.Residual([layers.GRU(4, return_sequences=True)]), (5, 4)),
    (layers.TimeDistributed(layers.Conv2D(2, 2)), (3, 4, 4, 2)),
    (layers.TimeDistributed(layers.Flatten()), (3, 4, 2)),
    (layers.RepeatVector(4), (17,)),
    (layers.GaussianSampling(2.0), (3, 4)),
    (layers.SpectralNormalization(layers.Conv2D(4, 3, strides=2), 2), (5, 6, 3)),
    (layers.SpectralNormalization(layers.Conv2DTranspose(2, 3, strides=2)), (3, 4, 3)),
    (layers.SpectralNormalization(layers.Dense(3), trainable=False), (5,)),
    (
        layers.Residual([layers.BatchNormalization(), layers.Dense(5)], activity_regularizer="l2"),
        (5,),
    ),
]
EVERY = [
    *(pytest.param(p.values[0], p.values[0].example_shape, id=p.id) for p in examples("layer")),
    *(pytest.param(layer, shape, id=f"{layer!r}-{shape}") for layer, shape in GRID),
]


def is_random(layer: Any) -> bool:
    """Whether it draws random numbers in training."""
    rates = (getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout"))
    inner = getattr(layer, "layer", None)
    within = inner is not None and is_random(inner)
    return layer.registered_name in RANDOM or any(rates) or within


def has_loop(layer: Any) -> bool:
    """Whether it loops over the steps of sequences."""
    within = [getattr(layer, "layer", None), *getattr(layer, "layers", [])]
    names = ("simple_rnn", "lstm", "gru")
    return layer.registered_name in names or any(has_loop(one) for one in within if one)


RANDOM = {
    "dropout",
    "gaussian_noise",
    "gaussian_sampling",
    "spatial_dropout1d",
    "spatial_dropout2d",
    "random_flip",
    "random_translation",
    "random_rotation",
    "random_zoom",
    "random_crop",
    "random_contrast",
    "random_brightness",
    "random_erasing",
    "mix_up",
    "cut_mix",
}


def samples(layer: Any, shape: tuple[int, ...], rows: int, draw: np.random.Generator) -> np.ndarray:
    """What a layer reads: ids of its vocabulary, or any numbers."""
    if layer.vocabulary is not None:
        return draw.integers(0, layer.vocabulary, size=(rows, *shape)).astype(float)
    return draw.normal(size=(rows, *shape))
