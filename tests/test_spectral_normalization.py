"""`SpectralNormalization`: the singular value it divides by, its vector, its mistakes."""

from __future__ import annotations

import numpy as np
import pytest
from traced import Traced

from ganglion import Sequential, layers, ops


def largest(kernel: np.ndarray) -> float:
    return float(np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), ord=2))


def test_power_iteration_goes_on_from_step_to_step() -> None:
    traced = Traced(layers.SpectralNormalization(layers.Dense(5)), [(None, 4)], training=True)
    traced.randomize(np.random.default_rng(0))
    kernel = traced.weight("spectral_normalization/dense/kernel").copy()
    for _ in range(200):
        y = traced.run(np.eye(4))[0] - traced.weight("spectral_normalization/dense/bias")
    np.testing.assert_allclose(y, kernel / largest(kernel), rtol=1e-10)
    np.testing.assert_array_equal(traced.weight("spectral_normalization/dense/kernel"), kernel)


@pytest.mark.parametrize(
    ("inner", "shape"),
    [(layers.Dense(4, activation="tanh"), (3,)), (layers.Conv2D(3, 2), (4, 4, 2))],
    ids=["dense", "conv"],
)
def test_gradient_once_the_vectors_are_singular(
    inner: layers.Layer, shape: tuple[int, ...]
) -> None:
    layer = layers.SpectralNormalization(inner, power_iterations=300)
    traced = Traced(layer, [(None, *shape)], training=True, wrt=[0])
    traced.randomize(np.random.default_rng(1))
    traced.check_gradients(np.random.default_rng(2).normal(size=(3, *shape)))


def test_a_kernel_of_zeros_stays_zero() -> None:
    dense = layers.Dense(2, kernel_initializer="zeros")
    y = ops.evaluate(layers.SpectralNormalization(dense), np.ones((3, 4)), training=True)
    np.testing.assert_array_equal(y, np.zeros((3, 2)))


def test_a_layer_used_twice_has_one_kernel() -> None:
    layer = layers.SpectralNormalization(layers.Dense(4))
    traced = Traced(lambda x: layer(layer(x)), [(None, 4)], training=True)
    assert [v.name.rpartition("/")[2] for v in traced.variables] == ["kernel", "vector_u", "bias"]


def test_training_bounds_how_much_a_network_stretches() -> None:
    wide = [layers.SpectralNormalization(layers.Dense(n, use_bias=False)) for n in (8, 1)]
    net = Sequential(wide, loss="mse", optimizer="adam", random_state=0)
    X = np.random.default_rng(0).normal(size=(200, 3))
    net.fit(X, 100 * X[:, 0], epochs=40, verbose=0)
    slope = np.abs(net.predict(np.eye(3)) - net.predict(np.zeros((3, 3))))
    assert np.linalg.norm(slope) < 1.01


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        (lambda: layers.SpectralNormalization("dense"), TypeError, "layer must be a Layer"),
        (
            lambda: layers.SpectralNormalization(layers.Dense(2), power_iterations=0),
            ValueError,
            "power_iterations must be a positive integer, got 0",
        ),
        (
            lambda: ops.evaluate(layers.SpectralNormalization(layers.ReLU()), [[1.0]]),
            ValueError,
            r"\[SpectralNormalization\] layer must have a kernel, .* got ReLU\(\)",
        ),
    ],
    ids=["no layer", "no iterations", "no kernel"],
)
def test_a_mistake_is_named(layer, error, message) -> None:
    with pytest.raises(error, match=message):
        layer()
