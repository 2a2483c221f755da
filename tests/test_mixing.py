"""Samples mixed with others of the batch: whose targets count in the loss of which, and how much.

With the rows of the unit matrix for samples, what a mixing layer puts out says it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tolerances import STANDARD_ERRORS

from ganglion import Sequential, layers, losses

Array = np.ndarray
SAMPLES = 12
UNIT = np.eye(SAMPLES)
SMALL = np.random.default_rng(0).normal(size=(SAMPLES, 6, 6, 1))

MIXERS = {
    "mix_up": lambda: [layers.MixUp(0.7)],
    "twice": lambda: [layers.MixUp(0.7), layers.MixUp(1.0)],
}
EVERY = [pytest.param(make, id=name) for name, make in MIXERS.items()]


def network(hidden: list[Any], outputs: int, loss: Any, **settings: Any) -> Sequential:
    activation = "softmax" if outputs > 1 and loss != "mse" else None
    return Sequential(
        [*hidden, layers.Dense(outputs, activation, kernel_initializer="he_normal", name="last")],
        loss=loss,
        random_state=3,
        dtype="float64",
        **settings,
    )


def mixture(mixers: list[Any], samples: int = SAMPLES) -> Array:
    """What each sample counts in each that the network sees in its first step."""
    return Sequential(mixers, random_state=3, dtype="float64").forward(
        np.eye(SAMPLES)[:samples], training=True
    )[:, :samples]


def expected(net: Sequential, loss: Any, mixed: Array, x: Array, y: Array, weight: Array) -> float:
    """The mean over samples of the losses against each target, weighted."""
    alone = Sequential([*net.layers[-1:]], loss=loss, random_state=3, dtype="float64")
    alone.build((None, SAMPLES))
    alone.set_weights(net.get_weights())
    total = 0.0
    for sample, shares in enumerate(mixed):
        for other, share in enumerate(shares):
            against = alone.evaluate(mixed[sample : sample + 1] @ x, y[other : other + 1])["loss"]
            total += share * weight[other] * against
    return total / len(mixed)


TARGETS = {
    "class_index": ("sparse_categorical_crossentropy", 3),
    "one_hot": ("categorical_crossentropy", 3),
    "regression": ("mse", 2),
}


def targets(kind: str) -> Array:
    draw = np.random.default_rng(5)
    index = draw.integers(0, 3, SAMPLES)
    if kind == "one_hot":
        return np.eye(3)[index]
    return draw.normal(size=(SAMPLES, 2)) if kind == "regression" else index


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("make", EVERY)
def test_loss_is_shared_among_targets(make: Any, kind: str, weighted: bool) -> None:
    loss, outputs = TARGETS[kind]
    y = targets(kind)
    weight = np.random.default_rng(6).uniform(0.5, 2.0, SAMPLES) if weighted else np.ones(SAMPLES)
    net = network(make(), outputs, loss)
    net.build((None, SAMPLES))
    wanted = expected(net, loss, mixture(make()), UNIT, y, weight)
    got = net.train_on_batch(UNIT, y, sample_weight=weight if weighted else None)["loss"]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_class_weights_go_with_the_targets() -> None:
    y = targets("class_index")
    net = network([layers.MixUp(1.0)], 3, "sparse_categorical_crossentropy")
    net.build((None, SAMPLES))
    classes = {0: 0.5, 1: 2.0, 2: 3.0}
    weight = np.array([classes[one] for one in y])
    wanted = expected(net, net.loss, mixture([layers.MixUp(1.0)]), UNIT, y, weight)
    got = net.train_on_batch(UNIT, y, class_weight=classes)["loss"]
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


def test_class_numbers_and_mixed_one_hot_rows_train_alike() -> None:
    y = targets("class_index")
    nets = [
        network([layers.MixUp(1.0)], 3, f"{kind}categorical_crossentropy", optimizer="adam")
        for kind in ("sparse_", "")
    ]
    for net, target in zip(nets, (y, np.eye(3)[y]), strict=True):
        net.fit(UNIT, target, epochs=5, batch_size=5, verbose=0)
    for one, other in zip(*(net.get_weights() for net in nets), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_targets_that_are_ignored_count_for_nobody() -> None:
    """Nor are they among those that the sum is divided by."""
    y = targets("class_index")
    y[[2, 7, 8]] = -1
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    net = network([layers.MixUp(1.0)], 3, loss)
    net.build((None, SAMPLES))
    kept = (y >= 0).astype(float)
    mixed = mixture([layers.MixUp(1.0)])
    plain = "sparse_categorical_crossentropy"
    wanted = expected(net, plain, mixed, UNIT, np.maximum(y, 0), kept) / kept.mean()
    np.testing.assert_allclose(net.train_on_batch(UNIT, y)["loss"], wanted, rtol=1e-12)


@pytest.mark.parametrize("samples", [1, 2, 5])
def test_every_share_is_counted_in_small_batches(samples: int) -> None:
    mixed = mixture([layers.MixUp(1.0), layers.MixUp(1.0)], samples)
    np.testing.assert_allclose(mixed.sum(axis=1), 1.0)
    if samples == 1:
        np.testing.assert_allclose(mixed, 1.0)
    net = network([layers.MixUp(1.0)], 3, "sparse_categorical_crossentropy")
    net.fit(UNIT, targets("class_index"), batch_size=samples, epochs=2, verbose=0)
    assert np.isfinite(net.history_["loss"]).all()


def test_cutmix_shares_the_loss_by_pixels() -> None:
    images = np.broadcast_to(np.arange(SAMPLES).reshape(-1, 1, 1, 1), (SAMPLES, 6, 6, 1))
    cut = Sequential([layers.CutMix()], random_state=3, dtype="float64")
    own = cut.forward(images, training=True)[..., 0] == images[..., 0]
    shares = own.mean(axis=(1, 2))
    assert ((shares > 0) & (shares < 1)).any()
    net = network([layers.CutMix(), layers.Flatten()], 3, "sparse_categorical_crossentropy")
    net.build((None, 6, 6, 1))
    y = targets("class_index")
    flat = np.where(own[..., None], SMALL, np.roll(SMALL, 1, axis=0)).reshape(SAMPLES, -1)
    alone = network([], 3, "sparse_categorical_crossentropy")
    alone.build((None, 36))
    alone.set_weights(net.get_weights())
    wanted = [
        share * alone.evaluate(x[None], [mine])["loss"]
        + (1 - share) * alone.evaluate(x[None], [other])["loss"]
        for share, x, mine, other in zip(shares, flat, y, np.roll(y, 1), strict=True)
    ]
    got = net.train_on_batch(SMALL, y)["loss"]
    np.testing.assert_allclose(got, np.mean(wanted), rtol=1e-12)


def test_cutmix_shares_are_as_wide_as_beta() -> None:
    """Of Beta(1, 1), all shares are as likely; rectangles of half pixels shift them little."""
    numbers = np.arange(3000.0).reshape(-1, 1, 1, 1)
    cut = Sequential([layers.CutMix((1, 1))], random_state=0, dtype="float64")
    images = np.broadcast_to(numbers, (3000, 40, 40, 1))
    shares = (cut.forward(images, training=True) == images).mean(axis=(1, 2, 3))
    error = STANDARD_ERRORS * np.sqrt(1 / 12 / len(shares))
    assert abs(shares.mean() - 0.5) < error
    assert abs(np.mean(shares**2) - 1 / 3) < error


def test_metrics_and_evaluation_look_at_the_targets_as_they_are() -> None:
    y = targets("class_index")
    mixed = network([layers.MixUp(1.0)], 3, "sparse_categorical_crossentropy", metrics=["accuracy"])
    plain = network([], 3, "sparse_categorical_crossentropy", metrics=["accuracy"])
    for net in (mixed, plain):
        net.build((None, SAMPLES))
    assert mixed.evaluate(UNIT, y) == plain.evaluate(UNIT, y)
    prediction = mixed.forward(UNIT, training=True)
    accuracy = (prediction.argmax(axis=1) == y).mean()
    assert mixed.train_on_batch(UNIT, y)["accuracy"] == pytest.approx(accuracy)
    np.testing.assert_array_equal(
        mixed.fit(UNIT, y, validation_data=(UNIT, y), verbose=0).history_["val_loss"][-1],
        mixed.evaluate(UNIT, y)["loss"],
    )


def test_a_penalty_counts_once() -> None:
    last = {"kernel_regularizer": "l2", "name": "last"}
    values = []
    for mixers in ([layers.MixUp()], [layers.MixUp(), layers.MixUp()]):
        net = Sequential(
            [*mixers, layers.Dense(2, kernel_initializer="ones", **last)],
            loss="mse",
            dtype="float64",
        )
        zeros = np.zeros((SAMPLES, 3))
        values.append(net.train_on_batch(zeros, zeros[:, :2])["loss"])
    np.testing.assert_allclose(values, 0.01 * 6)


def test_mixing_is_refused_within_another_layer() -> None:
    net = network([layers.Residual([layers.MixUp()])], 3, "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"\[MixUp\] mixes targets: it cannot stand within"):
        net.fit(UNIT, targets("class_index"), verbose=0)


def test_a_network_that_mixes_learns_and_is_saved(tmp_path: Any) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(600, 4))
    y = (x @ [1.0, -2.0, 0.5, 1.5] > 0).astype(int)
    net = Sequential(
        [layers.MixUp(0.4), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")],
        loss="binary_crossentropy",
        optimizer="adam",
        metrics=["accuracy"],
        random_state=0,
    )
    net.fit(x, y, epochs=30, verbose=0)
    assert net.evaluate(x, y)["accuracy"] > 0.95
    net.save(tmp_path / "net.safetensors")
    again = Sequential.load(tmp_path / "net.safetensors")
    assert again.layers[0] == layers.MixUp(0.4)
    np.testing.assert_array_equal(again.predict(x), net.predict(x))
