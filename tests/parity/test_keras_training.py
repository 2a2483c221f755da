"""Fifty steps of training beside Keras: every optimizer with its options, every loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from mirror import WITHOUT, tensor  # noqa: E402
from registry import classes, examples  # noqa: E402
from test_losses import targets  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402
from training import Pair  # noqa: E402

from ganglion import layers, losses, optimizers, regularizers, schedules  # noqa: E402

ROWS, FEATURES, OUTPUTS = 44, 5, 3

OPTIONS: list[dict[str, Any]] = [
    {"weight_decay": 0.01},
    {"clipnorm": 0.1},
    {"clipvalue": 0.05},
    {"global_clipnorm": 0.2},
    {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 4},
    {"gradient_accumulation_steps": 3},
    {"learning_rate": schedules.CosineDecay(0.05, 40)},
]
VARIANTS = [
    *(p.values[0] for p in examples("optimizer")),
    *(cls(**options) for cls in classes("optimizer").values() for options in OPTIONS),
]


def data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(ROWS, FEATURES))
    return x, np.tanh(x @ draw.normal(size=(FEATURES, OUTPUTS))) + 0.1


def check(pair: Pair, x: np.ndarray, y: np.ndarray, dtype: str, steps: int = 50) -> None:
    ours, theirs = pair.losses(x, y, steps)
    assert np.isfinite(theirs).all()
    assert_near(ours, theirs, PARITY[dtype])
    for got, wanted in pair.weights():
        assert_near(got, wanted, 10 * PARITY[dtype])


@pytest.mark.parametrize("optimizer", VARIANTS, ids=repr)
def test_optimizer(optimizer: Any, dtype: str) -> None:
    x, y = data()
    network = [layers.Dense(7, activation="tanh"), layers.Dense(OUTPUTS)]
    check(Pair(network, losses.MeanSquaredError(), optimizer, (FEATURES,), dtype), x, y, dtype)


LAST = {
    "probability": "sigmoid",
    "distribution": "softmax",
    "class_index": "softmax",
    "non_negative": "softplus",
}


@pytest.mark.parametrize("loss", examples("loss"))
def test_loss(loss: Any, dtype: str) -> None:
    if loss.registered_name in WITHOUT["loss"]:
        pytest.skip(WITHOUT["loss"][loss.registered_name])
    x, shape_like = data()
    y = targets(loss, shape_like, np.random.default_rng(1))
    last = None if getattr(loss, "from_logits", False) else LAST.get(loss.target_kind)
    network = [layers.Dense(7, activation="tanh"), layers.Dense(OUTPUTS, activation=last)]
    # Percentages of targets near zero are large, and so are their gradients.
    rate = 1e-5 if loss.registered_name == "mean_absolute_percentage_error" else 0.02
    pair = Pair(network, loss, optimizers.SGD(rate, momentum=0.9), (FEATURES,), dtype)
    check(pair, x, y, dtype)


def test_penalties_on_kernel_bias_and_activity(dtype: str) -> None:
    x, y = data()
    network = [
        layers.Dense(
            7,
            activation="sigmoid",
            kernel_regularizer=regularizers.L1L2(0.01, 0.02),
            bias_regularizer=regularizers.L2(0.03),
            activity_regularizer=regularizers.L1(0.04),
        ),
        layers.Dense(OUTPUTS),
    ]
    pair = Pair(network, losses.MeanSquaredError(), optimizers.Adam(0.01), (FEATURES,), dtype)
    check(pair, x, y, dtype)


def test_weights_of_samples(dtype: str) -> None:
    x, y = data()
    weight = np.random.default_rng(2).uniform(0.1, 2.0, ROWS)
    pair = Pair([layers.Dense(OUTPUTS)], losses.Huber(0.5), optimizers.SGD(), (FEATURES,), dtype)
    prediction = pair.model(tensor(x, dtype))
    expected = pair.loss(tensor(y, dtype), prediction, sample_weight=tensor(weight, dtype))
    got = pair.net.evaluate(x, y, sample_weight=weight)["loss"]
    assert got == pytest.approx(expected.item(), rel=PARITY[dtype])


def test_frozen_layers_stay(dtype: str) -> None:
    x, y = data()
    network = [layers.Dense(7, activation="tanh", trainable=False), layers.Dense(OUTPUTS)]
    pair = Pair(network, losses.MeanSquaredError(), optimizers.Adam(0.01), (FEATURES,), dtype)
    before = pair.net.get_weights()[0]
    check(pair, x, y, dtype, steps=10)
    np.testing.assert_array_equal(pair.net.get_weights()[0], before)
