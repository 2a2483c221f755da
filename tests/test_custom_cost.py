"""What is written by a user runs as what is built in does: the program is the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, initializers, layers, losses, metrics, ops
from ganglion.value import Value

draw = np.random.default_rng(0)
X = draw.normal(size=(200, 12)).astype(np.float32)
IMAGES = draw.normal(size=(100, 8, 8, 3)).astype(np.float32)
Y = draw.integers(0, 3, 200)


class OwnDense(layers.Layer):
    def __init__(self, units: int, activation: Any = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.units, self.activation = units, activation

    def build(self, x: Value) -> Value:
        y = x @ self.add_weight("kernel", (x.shape[-1], self.units))
        y = y + self.add_weight("bias", (self.units,), initializer="zeros")
        return y if self.activation is None else self.activation(y)


class OwnNormalization(layers.Layer):
    def build(self, x: Value) -> Value:
        gain = self.add_weight("gamma", x.shape[-1:], initializers.Ones())
        shift = self.add_weight("beta", x.shape[-1:], initializers.Zeros())
        mean = ops.mean(x, axis=-1, keepdims=True)
        variance = ops.variance(x, axis=-1, keepdims=True)
        return (x - mean) * ops.rsqrt(variance + 1e-3) * gain + shift


class OwnConvolution(layers.Layer):
    def build(self, x: Value) -> Value:
        kernel = self.add_weight("kernel", (3, 3, x.shape[-1], 8))
        bias = self.add_weight("bias", (8,), initializer="zeros")
        return ops.relu(ops.convolution(x, kernel) + bias)


class OwnCrossentropy(losses.Loss):
    target_kind = "class_index"

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.sparse_crossentropy(prediction, target)


@ganglion.activation
def own_silu(x: Value) -> Value:
    return x * ops.sigmoid(x)


@ganglion.loss
def own_squares(target: Value, prediction: Value) -> Value:
    return ops.mean(ops.square(prediction - target), axis=-1)


@ganglion.metric
def own_distance(target: Value, prediction: Value) -> Value:
    return ops.absolute(prediction - target)


LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)
PAIRS = {
    "Dense": ([layers.Dense(20, "relu"), layers.Dense(3)], [OwnDense(20, ops.relu), OwnDense(3)]),
    "activation": ([layers.Dense(20, "silu")], [layers.Dense(20, own_silu)]),
    "LayerNormalization": ([layers.LayerNormalization()], [OwnNormalization()]),
    "Conv2D": ([layers.Conv2D(8, 3, activation="relu")], [OwnConvolution()]),
}


def named(chain: list[Any]) -> list[Any]:
    for index, layer in enumerate(chain):
        layer.name = f"layer_{index}"
    return chain


def trained(chain: list[Any], x: np.ndarray, **settings: Any) -> Sequential:
    chain = [*named(chain), layers.Flatten(), layers.Dense(3)]
    net = Sequential(chain, random_state=0, **{"loss": LOGITS, **settings})
    y = Y if net.loss.target_kind == "class_index" else X[:, :3]
    return net.fit(x, y[: len(x)], epochs=2, verbose=0)


def programs(net: Sequential, capsys: pytest.CaptureFixture[str]) -> list[str]:
    texts = []
    for name in ("predict", "evaluate", "train"):
        net.program(name)
        texts.append(capsys.readouterr().out)
    return texts


@pytest.mark.parametrize("name", PAIRS)
def test_a_layer_makes_the_program_of_the_one_built_in(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    x = IMAGES if name == "Conv2D" else X
    theirs, own = (trained(chain, x) for chain in PAIRS[name])
    assert programs(own, capsys) == programs(theirs, capsys)
    assert own.history_ == theirs.history_


def test_a_loss_makes_the_program_of_the_one_built_in(capsys: pytest.CaptureFixture[str]) -> None:
    theirs, own = (trained([], X, loss=loss) for loss in (LOGITS, OwnCrossentropy()))
    assert programs(own, capsys) == programs(theirs, capsys)


def test_a_metric_makes_the_program_of_the_one_built_in(
    capsys: pytest.CaptureFixture[str],
) -> None:
    built_in = {"loss": losses.MeanSquaredError(), "metrics": [metrics.MeanAbsoluteError(name="m")]}
    theirs = trained([], X, **built_in)
    own = trained([], X, loss=own_squares, metrics=[own_distance(name="m")])
    assert programs(own, capsys) == programs(theirs, capsys)
    assert own.history_ == theirs.history_
