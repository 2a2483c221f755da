"""The layers on which tests run: the registry's examples, and arguments beyond them."""

from __future__ import annotations

from typing import Any

import pytest
from registry import examples

from ganglion import layers

# (layer, shape of a sample)
GRID: list[tuple[Any, tuple[int, ...]]] = [
    (layers.Dense(4, activation="silu", use_bias=False), (3, 5)),
    (layers.Dense(1, activation="sigmoid"), (7,)),
    (layers.Dense(3, activation="softmax", kernel_regularizer="l1", bias_regularizer="l2"), (1,)),
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
    (
        layers.Residual([layers.BatchNormalization(), layers.Dense(5)], activity_regularizer="l2"),
        (5,),
    ),
]
EVERY = [
    *(pytest.param(p.values[0], p.values[0].example_shape, id=p.id) for p in examples("layer")),
    *(pytest.param(layer, shape, id=f"{layer!r}-{shape}") for layer, shape in GRID),
]
RANDOM = {
    "dropout",
    "gaussian_noise",
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
