"""Initializers: distribution, range, fans, and that a seed decides alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from registry import classes, examples
from tolerances import STANDARD_ERRORS

from ganglion import Sequential, initializers, layers

Array = np.ndarray
SHAPES = [(300, 200), (3, 3, 60, 90), (50000,)]
TRUNCATION = 0.87962566103423978  # deviation of a standard normal cut at two deviations
FIXED = {"zeros", "ones", "constant", "orthogonal", "identity"}


def draw(initializer: Any, shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.asarray(initializer.draw(shape, np.random.default_rng(seed)))


def fans(shape: tuple[int, ...]) -> tuple[float, float]:
    if len(shape) == 1:
        return float(shape[0]), float(shape[0])
    field = math.prod(shape[:-2])
    return float(field * shape[-2]), float(field * shape[-1])


def scaled(
    scale: float, mode: str, distribution: str, shape: tuple[int, ...]
) -> tuple[float, float, float]:
    """Mean, deviation and largest size of variance scaling."""
    fan_in, fan_out = fans(shape)
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    deviation = math.sqrt(scale / n)
    limits = {
        "uniform": math.sqrt(3) * deviation,
        "truncated_normal": 2 * deviation / TRUNCATION,
        "untruncated_normal": math.inf,
    }
    return 0.0, deviation, limits[distribution]


def expected(s: Any, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Mean, deviation and largest distance from the mean."""
    name = s.registered_name
    if name == "random_normal":
        return s.mean, s.stddev, math.inf
    if name == "random_uniform":
        return (s.minval + s.maxval) / 2, (s.maxval - s.minval) / 12**0.5, (s.maxval - s.minval) / 2
    if name == "truncated_normal":
        return s.mean, s.stddev * TRUNCATION, 2 * s.stddev
    if name == "variance_scaling":
        return scaled(s.scale, s.mode, s.distribution, shape)
    family, kind = name.split("_")
    scale, mode = {"glorot": (1.0, "fan_avg"), "he": (2.0, "fan_in"), "lecun": (1.0, "fan_in")}[
        family
    ]
    return scaled(scale, mode, {"uniform": "uniform", "normal": "truncated_normal"}[kind], shape)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("initializer", examples("initializer"))
def test_samples_follow_the_distribution(initializer: Any, shape: tuple[int, ...]) -> None:
    if initializer.registered_name in FIXED:
        pytest.skip("not random, or not independent: see the tests below")
    mean, deviation, limit = expected(initializer, shape)
    values = draw(initializer, shape)
    assert values.shape == shape
    error = deviation / math.sqrt(values.size)
    assert abs(values.mean() - mean) < STANDARD_ERRORS * error
    assert abs(values.std() - deviation) < STANDARD_ERRORS * error
    assert np.abs(values - mean).max() <= limit * (1 + 1e-9)
    if math.isfinite(limit):
        assert np.abs(values - mean).max() > 0.97 * limit


def test_every_initializer_is_judged() -> None:
    for name, cls in classes("initializer").items():
        if name not in FIXED:
            expected(cls.examples()[0], (3, 3))


@pytest.mark.parametrize("initializer", examples("initializer"))
def test_a_seed_decides_alone(initializer: Any) -> None:
    shape = (7, 7)
    np.testing.assert_array_equal(draw(initializer, shape, 1), draw(initializer, shape, 1))
    if initializer.registered_name not in ("zeros", "ones", "constant", "identity"):
        assert (draw(initializer, shape, 1) != draw(initializer, shape, 2)).any()


def test_zeros_ones_and_constant() -> None:
    assert not draw(initializers.Zeros(), (3, 4)).any()
    assert (draw(initializers.Ones(), (3, 4)) == 1).all()
    assert (draw(initializers.Constant(0.25), (3, 4)) == 0.25).all()


@pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 8), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_orthogonal(shape: tuple[int, ...], gain: float) -> None:
    values = draw(initializers.Orthogonal(gain=gain), shape)
    assert values.shape == shape
    matrix = values.reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, gain**2 * np.eye(matrix.shape[1]), atol=1e-12)


def test_identity() -> None:
    np.testing.assert_array_equal(draw(initializers.Identity(), (4, 4)), np.eye(4))
    np.testing.assert_array_equal(draw(initializers.Identity(2.0), (3, 5)), 2 * np.eye(3, 5))
    with pytest.raises(ValueError, match=r"\[Identity\]"):
        draw(initializers.Identity(), (4,))


def test_layers_of_one_network_draw_different_numbers_and_repeat() -> None:
    def weights(seed: int) -> list[Array]:
        net = Sequential([layers.Dense(8), layers.Dense(8)], loss="mse", random_state=seed)
        net.build((None, 8))
        return list(net.get_weights())

    first, again, other = weights(0), weights(0), weights(1)
    assert (first[0] != first[2]).any() and (first[0] != other[0]).any()
    for left, right in zip(first, again, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_seed_of_its_own_wins_over_the_network_s() -> None:
    def kernel(seed: int) -> Array:
        layer = layers.Dense(4, kernel_initializer=initializers.RandomNormal(seed=7))
        net = Sequential([layer], loss="mse", random_state=seed)
        net.build((None, 4))
        return np.asarray(net.get_weights()[0])

    np.testing.assert_array_equal(kernel(0), kernel(1))
