"""Regularizers: formula, gradient, and where layers apply them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formulas import REGULARIZERS
from registry import classes, examples
from tolerances import assert_near
from traced import Traced

from ganglion import Sequential, layers, regularizers

KERNEL = np.array([[0.5, -1.5], [2.0, 0.25], [-0.75, 1.0]])


def test_every_regularizer_has_a_formula() -> None:
    assert set(classes("regularizer")) == set(REGULARIZERS)


@pytest.mark.parametrize("regularizer", examples("regularizer"))
def test_penalty_of_a_kernel_follows_its_formula(regularizer: Any) -> None:
    traced = Traced(layers.Dense(2, kernel_regularizer=regularizer), [(None, 3)])
    traced.weight("dense/kernel")[:] = KERNEL
    assert traced.penalties == 1
    expected = REGULARIZERS[regularizer.registered_name](regularizer, KERNEL)
    assert traced.run(np.ones((4, 3)))[1] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("regularizer", examples("regularizer"))
def test_penalty_is_part_of_loss_and_gradient(regularizer: Any) -> None:
    """A network that predicts zero for targets of zero learns from the penalty alone."""
    net = Sequential(
        [layers.Dense(2, use_bias=False, kernel_regularizer=regularizer)],
        loss="mean_squared_error",
        optimizer="sgd",
        random_state=0,
        dtype="float64",
    )
    x, y = np.zeros((6, 3)), np.zeros((6, 2))
    net.build((None, 3))
    net.set_weights([KERNEL])
    expected = REGULARIZERS[regularizer.registered_name](regularizer, KERNEL)
    assert net.evaluate(x, y)["loss"] == pytest.approx(expected, rel=1e-14)
    net.train_on_batch(x, y)
    step = 1e-6
    slopes = np.zeros_like(KERNEL)
    for index in np.ndindex(KERNEL.shape):
        moved = KERNEL.copy()
        moved[index] += step
        slopes[index] = REGULARIZERS[regularizer.registered_name](regularizer, moved) - expected
    assert_near(net.get_weights()[0], KERNEL - 0.01 * slopes / step, 1e-7)


def test_bias_and_activity_are_penalised_too() -> None:
    layer = layers.Dense(
        2, bias_regularizer=regularizers.L1(0.5), activity_regularizer=regularizers.L2(0.25)
    )
    traced = Traced(layer, [(None, 3)])
    traced.weight("dense/kernel")[:] = KERNEL
    traced.weight("dense/bias")[:] = [1.0, -2.0]
    x = np.random.default_rng(0).normal(size=(4, 3))
    y, *penalties = traced.run(x)
    expected = sorted([0.5 * 3.0, 0.25 * ((x @ KERNEL + [1.0, -2.0]) ** 2).sum() / 4])
    np.testing.assert_allclose(sorted(float(p) for p in penalties), expected, rtol=1e-13)
    assert y.shape == (4, 2)
