"""Layers on images and sequences: bits, ties, numbers that are none, what is said of bad input."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from traced import Traced

from ganglion import Sequential, _core, layers, ops
from ganglion.value import Value

# Trains a network of all kinds of layers on images, and prints a hash of all that comes out.
RNG = np.random.default_rng(0)

PROGRAM = """
import hashlib
import numpy as np
from ganglion import Sequential, layers

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(200, 11, 9, 5)).astype(np.float32), rng.integers(0, 3, 200)
pooled = layers.MaxPooling2D(3, strides=1, padding="same")
net = Sequential(
    [
        layers.Dense(19, activation="relu"),
        layers.BatchNormalization(),
        layers.Branches([[pooled], [layers.AveragePooling2D(3, 1, "same")], [layers.Dense(3)]]),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.GroupNormalization(1),
        layers.SpatialDropout2D(0.2),
        layers.UpSampling2D(),
        layers.Resizing(7, 8),
        layers.AveragePooling2D(2),
        layers.ZeroPadding2D(),
        layers.Residual([layers.LayerNormalization(), layers.Dense(41)]),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ],
    loss="sparse_categorical_crossentropy",
    optimizer="adam",
    random_state=0,
)
net.fit(X, Y, epochs=2, batch_size=72, verbose=0)
digest = hashlib.sha256()
for array in [*net.get_weights(), net.predict(X), np.array(net.history_["loss"])]:
    digest.update(np.ascontiguousarray(array).tobytes())
print(digest.hexdigest())
"""


def bits(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_bits_depend_neither_on_threads_nor_on_the_instruction_set() -> None:
    expected = bits(GANGLION_NUM_THREADS="1")
    for threads in ("2", "5"):
        assert bits(GANGLION_NUM_THREADS=threads) == expected
    for isa in {"avx2", "avx512"} & set(_core.available_isas()) - {_core.kernel_isa()}:
        assert bits(GANGLION_ISA=isa) == expected


@pytest.mark.parametrize("channels", [1, 3, 16, 37])
@pytest.mark.parametrize("window", [2, 3, (1, 4)], ids=str)
def test_the_largest_element_is_nan_where_one_is(window: Any, channels: int) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2, 8, 8, channels))
    x[draw.uniform(size=x.shape) < 0.05] = np.nan
    x[draw.uniform(size=x.shape) < 0.05] = -np.inf
    x[0, :4, :4] = -np.inf
    rows, columns = np.broadcast_to(window, 2)
    count = (2, 8 // rows, rows, 8 // columns, columns, channels)
    expected = x[:, : 8 // rows * rows, : 8 // columns * columns].reshape(count).max(axis=(2, 4))
    np.testing.assert_array_equal(ops.evaluate(layers.MaxPooling2D(window), x), expected)


@pytest.mark.parametrize("window", [2, 3, (1, 4)], ids=str)
def test_the_first_of_equal_elements_gets_the_gradient(window: Any) -> None:
    traced = Traced(layers.MaxPooling2D(window, strides=4), [(None, 8, 8, 2)], wrt=[0])
    for x in (np.zeros((3, 8, 8, 2)), np.full((3, 8, 8, 2), -np.inf)):
        _, gradient = traced.run(x, np.ones((3, *traced.output_shape[1:])))
        expected = np.zeros_like(x)
        expected[:, ::4, ::4] = 1.0
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize(("window", "strides"), [(2, 2), (3, 2), (3, 1)], ids=str)
def test_relu_before_windows_is_masked_behind_them(window: int, strides: int) -> None:
    """As if something else read its result, which makes the gradients meet at every element."""
    pool = layers.MaxPooling2D(window, strides=strides, padding=1)

    def masked_at_every_element(x: Value) -> Value:
        y = ops.relu(x)
        return pool(y) + ops.sum(y, axis=(1, 2), keepdims=True) * 0.0

    shape = (None, 7, 8, 5)
    x = RNG.integers(-3, 4, (3, 7, 8, 5)).astype(float)
    x[1] = -1.0
    early = Traced(lambda x: pool(ops.relu(x)), [shape], wrt=[0])
    late = Traced(masked_at_every_element, [shape], wrt=[0])
    seed = RNG.normal(size=(3, *early.output_shape[1:]))
    for ours, expected in zip(early.run(x, seed), late.run(x, seed), strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_the_first_within_the_image_where_a_window_begins_outside() -> None:
    layer = layers.MaxPooling2D(3, strides=3, padding=1)
    traced = Traced(layer, [(None, 4, 4, 1)], wrt=[0])
    _, gradient = traced.run(np.full((1, 4, 4, 1), -np.inf), np.ones((1, 2, 2, 1)))
    assert np.argwhere(gradient[0, ..., 0]).tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]


@pytest.mark.parametrize("padding", [1, (1, 2), ((2, 1), (0, 1))], ids=str)
@pytest.mark.parametrize("window", [3, (4, 5)], ids=str)
def test_padding_in_numbers(padding: Any, window: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 7, 3))
    edges = layers.ZeroPadding2D(padding)
    outside = ops.evaluate(edges, np.ones_like(x)) == 0
    padded = np.where(outside, -np.inf, ops.evaluate(edges, x))
    expected = ops.evaluate(layers.MaxPooling2D(window, 2), padded)
    found = ops.evaluate(layers.MaxPooling2D(window, 2, padding), x)
    np.testing.assert_array_equal(found, expected)
    total, count = (
        ops.evaluate(layers.AveragePooling2D(window, 2), one)
        for one in (np.where(outside, 0.0, padded), 1.0 - outside)
    )
    found = ops.evaluate(layers.AveragePooling2D(window, 2, padding), x)
    np.testing.assert_allclose(found, total / count, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.3, 0.7])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(layers.SpatialDropout2D, (3, 4, 50)), (layers.SpatialDropout1D, (6, 50))],
    ids=["2d", "1d"],
)
def test_spatial_dropout_drops_whole_channels(layer: Any, shape: Any, rate: float) -> None:
    traced = Traced(layer(rate), [(None, *shape)], training=True, wrt=[0])
    y, d_x = traced.run(np.ones((60, *shape)), np.ones((60, *shape)), seed=1, step=1)
    axes = tuple(range(1, y.ndim - 1))
    np.testing.assert_array_equal(y.min(axis=axes), y.max(axis=axes))
    np.testing.assert_array_equal(y, d_x)
    assert abs((y == 0).mean() - rate) < 0.05
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-14)


def test_a_gray_picture_is_not_moved_before_it_is_resized() -> None:
    for channels, moves in ((1, 2), (2, 3)):
        traced = Traced(layers.Resizing(5, 7, "nearest"), [(None, 4, 3, channels)])
        kinds = [operation["kind"] for operation in traced.program.describe()["operations"]]
        assert kinds.count("transpose") == moves


@pytest.mark.parametrize("layer", [layers.Resizing(5, 7), layers.CenterCrop(6, 3)], ids=repr)
def test_each_picture_of_a_sequence_is_resized(layer: Any) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(3, 2, 4, 6, 2))
    d_y = draw.normal(size=(3, 2, layer.height, layer.width, 2))
    steps = Traced(layers.TimeDistributed(layer), [(None, 2, 4, 6, 2)], wrt=[0])
    alone = Traced(layer, [(None, 4, 6, 2)], wrt=[0])
    got = steps.run(x, d_y)
    wanted = alone.run(x.reshape(6, 4, 6, 2), d_y.reshape(6, *d_y.shape[2:]))
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one, other.reshape(one.shape))


BUILDS = {
    "channels_first_colours": (layers.MaxPooling2D(), (3, 224, 224), "looks like channels first"),
    "channels_first_gray": (layers.GlobalAveragePooling2D(), (1, 28, 28), "channels first; begin "),
    "no_channels": (layers.MaxPooling2D(), (28, 28), r"begin with Reshape\(\(28, 28, 1\)\)"),
    "flat": (
        layers.AveragePooling2D(2),
        (784,),
        r"\(None, height, width, channels\), got \(None, 7",
    ),
    "images_for_a_sequence": (
        layers.MaxPooling1D(),
        (8, 8, 3),
        r"needs .* \(None, steps, channels",
    ),
    "small": (layers.MaxPooling2D(3), (9, 2, 4), "pool_size 3 is larger than the input of 9 x 2"),
    "short": (layers.AveragePooling1D(4), (3, 4), "pool_size 4 is larger than the input of 3;"),
    "cropped_away": (layers.Cropping2D(2), (4, 9, 1), "cropping 2 and 2 leaves nothing of 4"),
    "groups": (layers.GroupNormalization(4), (5, 5, 6), "6 channels .* cannot be in 4 groups"),
    "not_the_last_axis": (
        layers.GroupNormalization(2, axis=1),
        (6, 5),
        "must be the last one, got 1",
    ),
    "permutation": (layers.Permute((2, 1)), (2, 3, 4), r"dims \(2, 1\) do not fit an input"),
}


@pytest.mark.parametrize("case", BUILDS)
def test_an_input_that_does_not_fit_is_named(case: str) -> None:
    layer, shape, message = BUILDS[case]
    with pytest.raises(ValueError, match=rf"\[{type(layer).__name__}\] .*{message}"):
        Sequential([layer]).build((None, *shape))


@pytest.mark.parametrize("shape", [(3, 9, 16), (3, 32, 8), (1, 128, 9), (3, 16, 16), (2, 32, 32)])
def test_images_with_few_rows_and_many_channels_are_taken(shape: tuple[int, ...]) -> None:
    Sequential([layers.GlobalMaxPooling2D()]).build((None, *shape))


def test_sizes_are_not_looked_at_behind_another_layer() -> None:
    net = Sequential([layers.Rescaling(2.0), layers.GlobalMaxPooling2D()])
    net.build((None, 3, 32, 32))


SETTINGS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "window": (layers.MaxPooling2D, {"pool_size": 0}, "pool_size must be a positive .* got 0"),
    "windows": (layers.MaxPooling2D, {"pool_size": (2, 2, 2)}, r"tuple of 2, got \(2, 2, 2\)"),
    "word": (layers.AveragePooling1D, {"pool_size": "2"}, "pool_size must be .* got '2'"),
    "strides": (layers.MaxPooling1D, {"strides": -1}, "strides must be a positive .* got -1"),
    "padding": (layers.MaxPooling2D, {"padding": "sam"}, "unknown padding 'sam'; did you mean 'sa"),
    "too_wide": (
        layers.MaxPooling2D,
        {"padding": 2},
        r"must be less than pool_size \(2, 2\), got 2",
    ),
    "below_zero": (layers.ZeroPadding2D, {"padding": (-1, 1)}, r"non-negative .* got \(-1, 1\)"),
    "one_side": (
        layers.ZeroPadding1D,
        {"padding": (1, 2, 3)},
        r"\(before, after\), got \(1, 2, 3\)",
    ),
    "crop": (layers.Cropping2D, {"cropping": "1"}, "cropping must be .* got '1'"),
    "interpolation": (
        layers.Resizing,
        {"height": 2, "width": 2, "interpolation": "cubic"},
        "unknown",
    ),
    "size": (
        layers.CenterCrop,
        {"height": 2, "width": 0},
        "width must be a positive integer, got 0",
    ),
    "factors": (layers.UpSampling2D, {"size": 1.5}, "size must be .* got 1.5"),
    "dims": (layers.Permute, {"dims": (0, 1)}, r"numbers from 1 on in some order, got \(0, 1\)"),
    "groups": (layers.GroupNormalization, {"groups": 0}, "groups must be positive or -1, got 0"),
    "rate": (layers.SpatialDropout2D, {"rate": 1.5}, r"rate must be in \[0, 1\], got 1.5"),
    "keepdims": (
        layers.GlobalMaxPooling2D,
        {"keepdims": 2},
        "keepdims must be True or False, got 2",
    ),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_bad_settings_are_named(case: str) -> None:
    cls, settings, message = SETTINGS[case]
    with pytest.raises((TypeError, ValueError), match=rf"\[{cls.__name__}\] .*{message}"):
        cls(**settings)


def test_bad_arguments_of_the_operations() -> None:
    x = np.zeros((1, 4, 4, 1))
    for call, message in [
        (lambda x: ops.max_pool(x, 2, padding="full"), "padding must be 'valid' or 'same'"),
        (lambda x: ops.max_pool(x, (2, 2, 2)), "one for each of 2 axes"),
        (lambda x: ops.max_pool(x, 5), "a window of 5 is larger than an image of size 4"),
        (lambda x: ops.average_pool(ops.reshape(x, (None, 16)), 2), "needs images"),
        (lambda x: ops.resize(x, (2, 2), "cubic"), "interpolation must be"),
        (lambda x: ops.resize(ops.reshape(x, (None, 16)), (2, 2)), "needs images"),
    ]:
        with pytest.raises(ValueError, match=message):
            ops.evaluate(call, x)
