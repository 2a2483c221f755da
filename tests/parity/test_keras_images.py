"""Pooling and resizing beside Keras's over a grid of sizes, windows, strides and paddings."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from keras import layers as theirs  # noqa: E402
from mirror import mirror, numpy, tensor  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402

from ganglion import Sequential, layers  # noqa: E402

SIZES = [(1, 1, 1), (5, 7, 3), (8, 6, 17)]
WINDOWS = [1, 2, 3, (2, 3)]
STRIDES = [None, 1, 2, (3, 1)]


def settings(average: bool) -> list[Any]:
    grid = []
    for shape, window, strides, padding in product(SIZES, WINDOWS, STRIDES, ("valid", "same")):
        pairs = np.broadcast_to(window, 2), np.broadcast_to(strides or window, 2)
        outside = [
            max((-(-size // step) - 1) * step + length - size, 0)
            for size, length, step in zip(shape[:2], *pairs, strict=True)
        ]
        if padding == "valid" and any(pairs[0] > shape[:2]):
            continue
        if average and padding == "same" and any(count % 2 for count in outside):
            continue  # Keras on PyTorch repeats the edge there, and on the others leaves it out
        grid.append(pytest.param(shape, window, strides, padding))
    return grid


def assert_same(layer: Any, shape: tuple[int, ...], dtype: str, rows: int) -> None:
    """Outputs and the gradient of the input."""
    theirs = mirror(layer)
    net = Sequential([layer], dtype=dtype)
    net.build((None, *shape))
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, *shape))
    there = tensor(x, dtype).requires_grad_()
    expected = theirs(there)
    y = net.forward(x)
    assert_near(y, numpy(expected), PARITY[dtype], name="output")
    seed = draw.normal(size=y.shape)
    expected.backward(tensor(seed, dtype))
    assert_near(net.backward(seed), there.grad.numpy(), PARITY[dtype], name="d_x")


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("shape", "window", "strides", "padding"), settings(average=False))
def test_max_pooling(shape: Any, window: Any, strides: Any, padding: str, rows: int) -> None:
    assert_same(layers.MaxPooling2D(window, strides, padding), shape, "float32", rows)


@pytest.mark.parametrize("rows", [1, 4])
@pytest.mark.parametrize(("shape", "window", "strides", "padding"), settings(average=True))
def test_average_pooling(shape: Any, window: Any, strides: Any, padding: str, rows: int) -> None:
    assert_same(layers.AveragePooling2D(window, strides, padding), shape, "float32", rows)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (5, 7), (10, 14), (13, 2)], ids=str)
@pytest.mark.parametrize("crop", [False, True], ids=["stretched", "cropped"])
def test_resizing(size: tuple[int, int], interpolation: str, crop: bool, dtype: str) -> None:
    layer = layers.Resizing(*size, interpolation, crop_to_aspect_ratio=crop)
    assert_same(layer, (5, 7, 3), dtype, 2)


@pytest.mark.parametrize("size", [(5, 7), (2, 2), (3, 4), (7, 3), (9, 9)], ids=str)
def test_center_crop(size: tuple[int, int], dtype: str) -> None:
    assert_same(layers.CenterCrop(*size), (5, 7, 3), dtype, 2)


def test_the_first_of_equal_elements_gets_the_gradient() -> None:
    net = Sequential([layers.MaxPooling2D()])
    net.build((None, 2, 2, 1))
    net.forward(np.ones((1, 2, 2, 1)))
    gradient = net.backward(np.ones((1, 1, 1, 1)))
    np.testing.assert_array_equal(gradient.ravel(), [1, 0, 0, 0])


def residual_block(x: Any, filters: int) -> Any:
    """Half the size, with a projection on the way past it (He et al. 2016)."""
    y = theirs.Conv2D(filters, 3, strides=2, padding="same", use_bias=False)(x)
    y = theirs.ReLU()(theirs.BatchNormalization()(y))
    y = theirs.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    past = theirs.BatchNormalization()(theirs.Conv2D(filters, 1, strides=2)(x))
    return theirs.ReLU()(theirs.Add()([theirs.BatchNormalization()(y), past]))


def inception_block(x: Any) -> Any:
    """Windows of several sizes beside each other (Szegedy et al. 2015)."""
    wide = theirs.Conv2D(4, 3, padding="same", activation="relu")(theirs.Conv2D(3, 1)(x))
    pooled = theirs.MaxPooling2D(3, strides=1, padding="same")(x)
    pooled = theirs.Conv2D(2, 1, activation="relu")(pooled)
    return theirs.Concatenate()([theirs.Conv2D(5, 1, activation="relu")(x), wide, pooled])


def test_blocks_of_residual_and_inception_networks(dtype: str) -> None:
    keras.utils.clear_session()
    x = keras.Input((9, 11, 3))
    y = inception_block(residual_block(x, 6))
    model = keras.Model(x, theirs.Dense(2)(theirs.GlobalAveragePooling2D()(y)))
    draw = np.random.default_rng(0)
    model.set_weights([w + draw.uniform(0.1, 0.3, w.shape) for w in model.get_weights()])
    net = Sequential.from_keras(model)
    kinds = [type(layer).__name__ for layer in net.layers[1:]]
    assert kinds == ["Residual", "ReLU", "Branches", "GlobalAveragePooling2D", "Dense"]
    samples = draw.normal(size=(3, 9, 11, 3))
    expected = model(tensor(samples, dtype), training=False)
    assert_near(net.predict(samples), numpy(expected), PARITY[dtype])
