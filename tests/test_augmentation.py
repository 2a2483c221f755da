"""Layers that change images at random: where pixels go, how often, and that it is training only."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import Case, Operand, check_gradient
from scipy import stats
from tolerances import STANDARD_ERRORS, assert_near
from traced import Traced

from ganglion import Sequential, _core, layers, ops
from ganglion.layers.augmentation import symmetric_beta
from ganglion.threads import threads

Array = np.ndarray
IMAGES = np.random.default_rng(0).uniform(0.1, 0.9, size=(300, 6, 8, 3))
EVERY = {
    "flip": layers.RandomFlip(),
    "translation": layers.RandomTranslation(0.3, 0.3),
    "rotation": layers.RandomRotation(0.2, fill_mode="wrap"),
    "zoom": layers.RandomZoom(0.4, fill_mode="nearest"),
    "crop": layers.RandomCrop(5, 5),
    "contrast": layers.RandomContrast(0.5, (0, 1)),
    "brightness": layers.RandomBrightness(0.3, (0, 1)),
    "erasing": layers.RandomErasing(value_range=(0, 1)),
    "mix_up": layers.MixUp(),
    "cut_mix": layers.CutMix(),
}
LAYERS = [pytest.param(layer, id=name) for name, layer in EVERY.items()]


def trained(layer: Any, images: Array = IMAGES, seed: int = 1, step: int = 1) -> Array:
    """What the layer makes of images in a training step."""
    traced = Traced(layer, [(None, *images.shape[1:])], training=True)
    return traced.run(images, seed=seed, step=step)[0]


def near(share: float, wanted: float, deviation: float, count: int) -> bool:
    return abs(share - wanted) < STANDARD_ERRORS * deviation / np.sqrt(count)


# In training only, and repeatable.


@pytest.mark.parametrize("layer", LAYERS)
def test_images_change_in_training_only(layer: Any) -> None:
    net = Sequential([layer], random_state=0, dtype="float64")
    net.build((None, *IMAGES.shape[1:]))
    predicted = net.predict(IMAGES)
    if not isinstance(layer, layers.RandomCrop):
        np.testing.assert_array_equal(predicted, IMAGES)
    assert (net.forward(IMAGES, training=True) != predicted).any(axis=(1, 2, 3)).mean() > 0.2


@pytest.mark.parametrize("layer", LAYERS)
def test_draws_are_new_in_each_step_and_the_same_again(layer: Any) -> None:
    first = trained(layer)
    np.testing.assert_array_equal(trained(layer), first)
    assert (trained(layer, step=2) != first).any()
    assert (trained(layer, seed=2) != first).any()


@pytest.mark.parametrize("layer", LAYERS)
def test_images_are_drawn_for_one_by_one(layer: Any) -> None:
    """Those of a batch differ, and what an image gets does not depend on how many follow."""
    same = np.broadcast_to(IMAGES[:1], IMAGES.shape)
    if not isinstance(layer, (layers.MixUp, layers.CutMix)):
        changed = trained(layer, same).reshape(len(same), -1)
        assert len(np.unique(changed, axis=0)) > 1
        np.testing.assert_array_equal(trained(layer, same[:7]).reshape(7, -1), changed[:7])


@pytest.mark.parametrize("layer", LAYERS)
def test_bits_do_not_depend_on_the_threads(layer: Any) -> None:
    draw = np.random.default_rng(0)
    x = draw.uniform(size=(100, 24, 20, 3)).astype(np.float32)
    y = draw.integers(0, 3, 100)
    results = []
    for count in (1, 2, 3):
        with threads(count):
            hidden = [layers.Flatten(), layers.Dense(200, "relu"), layers.Dense(3, "softmax")]
            net = Sequential(
                [layer, *hidden], loss="sparse_categorical_crossentropy", random_state=0
            )
            net.fit(x, y, epochs=2, batch_size=48, verbose=0)
            results.append([*net.get_weights(), net.forward(x, training=True)])
    for other in results[1:]:
        for one, several in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, several)


# Prints a hash of all that each of the layers makes of images, and of its gradient.
PROGRAM = """
import hashlib, sys
import numpy as np
from ganglion import Sequential
from test_augmentation import EVERY

images = np.random.default_rng(0).uniform(size=(37, 19, 23, 3))
digest = hashlib.sha256()
for layer in EVERY.values():
    net = Sequential([layer], random_state=0, dtype=sys.argv[1])
    y = net.forward(images, training=True)
    digest.update(y.tobytes() + net.backward(y).tobytes())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_instruction_set(dtype: str) -> None:
    isas = sorted({"avx2", "avx512"} & set(_core.available_isas()))
    if len(isas) < 2:
        pytest.skip("this machine has one of avx2 and avx512 at most")
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, dtype],
            env={**os.environ, "GANGLION_ISA": isa},
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for isa in isas
    }
    assert len(digests) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_gradient_passes_to_layers_before(layer: Any) -> None:
    """A trainable layer before an augmentation: all that it changes is differentiated."""

    def network(x: Any) -> Any:
        return layer(ops.reshape(layers.Dense(4 * 5 * 2)(x), (None, 4, 5, 2)))

    if isinstance(layer, layers.RandomCrop):
        layer = layers.RandomCrop(3, 3)
    traced = Traced(network, [(None, 3)], training=True, wrt=[0])
    traced.check_gradients(np.random.default_rng(0).normal(size=(3, 3)), seed=3, step=2)


# Where pixels go.


def test_a_flip_is_one_of_four_pictures_each_as_often() -> None:
    pictures = [IMAGES, IMAGES[:, :, ::-1], IMAGES[:, ::-1], IMAGES[:, ::-1, ::-1]]
    for mode, count in [("horizontal", 2), ("vertical", 2), ("horizontal_and_vertical", 4)]:
        flipped = trained(layers.RandomFlip(mode))
        found = [(flipped == picture).all(axis=(1, 2, 3)) for picture in pictures]
        shares = np.array([one.mean() for one in found])
        assert sum(shares) == 1 and (shares > 0).sum() == count
        for share in shares[shares > 0]:
            assert near(share, 1 / count, np.sqrt((1 - 1 / count) / count), len(IMAGES))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect", "wrap"])
def test_a_translation_by_whole_pixels(fill_mode: str, interpolation: str) -> None:
    layer = layers.RandomTranslation(
        (1 / 6, 1 / 6), (-0.25, -0.25), fill_mode, interpolation, fill_value=7.0
    )
    margins = {"constant": "constant", "nearest": "edge", "reflect": "symmetric", "wrap": "wrap"}
    more = {"constant_values": 7.0} if fill_mode == "constant" else {}
    wide = np.pad(IMAGES, [(0, 0), (1, 0), (0, 2), (0, 0)], margins[fill_mode], **more)
    assert_near(trained(layer), wide[:, :6, 2:], 1e-14)


def test_translations_are_uniform_within_their_bounds() -> None:
    columns = np.broadcast_to(np.arange(100.0).reshape(1, 1, 100, 1), (2000, 3, 100, 1))
    moved = columns - trained(layers.RandomTranslation(0, (-0.1, 0.3)), columns)
    moved = moved[:, 1, 50, 0]
    assert stats.kstest(moved, stats.uniform(-10, 40).cdf).pvalue > 0.01


def test_rotations_are_uniform_within_their_bounds() -> None:
    """Seen by the directions in which a slope rises."""
    y, x = np.mgrid[-10.0:11.0, -10.0:11.0]
    slope = np.broadcast_to(x.reshape(1, 21, 21, 1), (2000, 21, 21, 1))
    turned = trained(layers.RandomRotation((-0.1, 0.2)), slope)[:, :, :, 0]
    across, down = turned[:, 10, 11] - turned[:, 10, 9], turned[:, 11, 10] - turned[:, 9, 10]
    angles = np.arctan2(-down, across) / (2 * np.pi)
    assert stats.kstest(angles, stats.uniform(-0.1, 0.3).cdf).pvalue > 0.01


def test_zooms_are_uniform_within_their_bounds() -> None:
    columns = np.broadcast_to(np.arange(21.0).reshape(1, 1, 21, 1), (2000, 21, 21, 1))
    seen = trained(layers.RandomZoom((0.0, 0.1), (-0.4, 0.2)), columns)[:, 10, :, 0]
    np.testing.assert_allclose(seen[:, 10], 10)  # the middle stays
    assert stats.kstest(seen[:, 11] - seen[:, 10], stats.uniform(0.6, 0.6).cdf).pvalue > 0.01


def test_a_zoom_of_one_factor_keeps_proportions() -> None:
    y, x = np.mgrid[-10.0:11.0, -10.0:11.0]
    both = np.broadcast_to(np.stack([y, x], axis=-1), (50, 21, 21, 2))
    seen = trained(layers.RandomZoom((-0.5, 0.0)), both)[:, 15, 15]
    np.testing.assert_allclose(seen[:, 0], seen[:, 1], rtol=1e-12)
    assert seen.std() > 0.1


def test_crops_are_windows_each_as_often() -> None:
    cut = trained(layers.RandomCrop(5, 6))
    found = np.zeros((2, 3))
    for top in range(2):
        for left in range(3):
            window = IMAGES[:, top : top + 5, left : left + 6]
            found[top, left] = (cut == window).all(axis=(1, 2, 3)).mean()
    assert found.sum() == 1
    assert all(near(share, 1 / 6, np.sqrt(5) / 6, len(IMAGES)) for share in found.ravel())
    net = Sequential([layers.RandomCrop(5, 6)], dtype="float64")
    net.build((None, 6, 8, 3))
    np.testing.assert_array_equal(net.predict(IMAGES), IMAGES[:, :5, 1:7])


# Values.


def test_contrast_keeps_means_and_spreads_uniformly() -> None:
    images = np.random.default_rng(0).uniform(size=(2000, 4, 5, 2))
    changed = trained(layers.RandomContrast((0.5, 0.2), (-9.0, 9.0)), images)
    assert_near(changed.mean(axis=(1, 2)), images.mean(axis=(1, 2)), 1e-13)
    factors = changed.std(axis=(1, 2)) / images.std(axis=(1, 2))
    assert_near(factors[:, 0], factors[:, 1], 1e-12)  # one for the channels of an image
    assert stats.kstest(factors[:, 0], stats.uniform(0.5, 0.7).cdf).pvalue > 0.01


def test_brightness_is_uniform_and_cut() -> None:
    images = np.full((2000, 2, 2, 1), 100.0)
    changed = trained(layers.RandomBrightness((-0.2, 0.3)), images)
    assert (changed == changed[:, :1, :1]).all()
    added = (changed[:, 0, 0, 0] - 100) / 255
    assert stats.kstest(added, stats.uniform(-0.2, 0.5).cdf).pvalue > 0.01
    assert trained(layers.RandomBrightness(1.0), images).max() == 255


def test_erased_rectangles() -> None:
    images = np.zeros((2000, 40, 30, 2))
    layer = layers.RandomErasing((0.2, 0.6), scale=(0.1, 0.5), fill_value=(1.0, 2.0))
    erased = trained(layer, images)
    np.testing.assert_array_equal(2 * erased[..., 0], erased[..., 1])
    some = erased[..., 0].any(axis=(1, 2))
    assert near(some.mean(), 0.4, np.sqrt(0.24), len(images))
    rows, columns = erased[some].any(axis=(2, 3)), erased[some].any(axis=(1, 3))
    whole = rows[:, :, None] & columns[:, None, :]
    np.testing.assert_array_equal(erased[some][..., 0], whole)  # a rectangle
    for part in (rows, columns):
        assert abs((part.mean(axis=1) ** 2).mean() - 0.3) < 0.02
        # One piece: it begins and ends once, within the image or at its edge.
        assert (np.abs(np.diff(np.pad(part, [(0, 0), (1, 1)]).astype(int))).sum(axis=1) == 2).all()


def test_erased_by_noise_of_the_range() -> None:
    images = np.full((500, 20, 20, 1), 0.5)
    erased = trained(layers.RandomErasing((1, 1), scale=(1, 1), value_range=(-2, 2)), images)
    assert near((erased == -2).mean(), stats.norm.cdf(-1), 0.37, erased.size)
    inside = erased[np.abs(erased) < 2] / 2
    assert stats.kstest(inside[:5000], stats.truncnorm(-1, 1).cdf).pvalue > 0.01


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("alpha", [0.01, 0.2, 0.5, 1.0, 2.0, 8.0])
def test_beta_has_its_distribution(alpha: float, dtype: str) -> None:
    traced = Traced(lambda x: symmetric_beta(alpha, None), [(None, 1)], training=True, dtype=dtype)
    drawn = traced.run(np.zeros((20000, 1)), seed=4)[0].astype(np.float64)
    assert drawn.min() >= 0 and drawn.max() <= 1
    # In float32 the numbers closest to 0 and 1 stand together.
    inner = drawn[(drawn > 1e-4) & (drawn < 1 - 1e-4)]
    law = stats.beta(alpha, alpha)
    low, high = law.cdf(1e-4), law.cdf(1 - 1e-4)
    share = len(inner) / len(drawn)
    assert near(share, high - low, np.sqrt((high - low) * (1 - high + low)) + 1e-3, len(drawn))
    uniform = (law.cdf(inner) - low) / (high - low)
    assert stats.kstest(uniform, stats.uniform.cdf).pvalue > 0.01
    assert near((drawn < 0.5).mean(), 0.5, 0.5, len(drawn))


# Resampling.


def resampled(size: list[int], fill_mode: int) -> Any:
    attributes = {"size": size, "fill_mode": fill_mode, "interpolation": 1}

    def emit(builder: Any, ids: list[int]) -> list[int]:
        y = builder.apply("square", builder.apply("resample", ids, attributes), {})[0]
        return list(builder.gradient(y, ids[:1]))

    return emit


@pytest.mark.parametrize("fill_mode", range(4))
def test_gradient_of_the_gradient(fill_mode: int) -> None:
    from op_cases import matrices

    operands = [Operand((None, 4, 5, 2)), Operand((None, 6), matrices, False)]
    check_gradient(Case("resample", resampled([5, 3], fill_mode), operands), 3)


def test_a_gradient_by_the_matrix_is_refused() -> None:
    class Turned(layers.Layer):
        def build(self, x: Any) -> Any:
            matrix = self.add_weight("matrix", (6,), "ones")
            return ops.resample(x, ops.broadcast_to(matrix, (None, 6)))

    net = Sequential([Turned(), layers.Flatten(), layers.Dense(1)], loss="mse")
    message = "no gradient is known of the operation 'resample' with respect to operand 1"
    with pytest.raises(ValueError, match=message):
        net.fit(IMAGES, np.zeros(len(IMAGES)), verbose=0)


@pytest.mark.parametrize("far", [1e9, 1e30, -1e30, np.inf, np.nan])
@pytest.mark.parametrize("fill_mode", ["constant", "nearest", "reflect", "wrap"])
def test_places_far_away_read_nothing_else(fill_mode: str, far: float) -> None:
    """However far the place, what is read is a pixel, or what fills."""
    matrix = [far, 0.0, 0.0, 0.0, 1.0, far]
    for dtype in ("float32", "float64"):
        traced = Traced(
            lambda x, m: ops.resample(x, m, fill_mode=fill_mode),
            [(None, 6, 8, 3), (None, 6)],
            wrt=[0],
            dtype=dtype,
        )
        y, d_x = traced.run(IMAGES[:2], np.tile(matrix, (2, 1)), IMAGES[:2])
        assert (np.isnan(y) | ((y >= 0) & (y <= 1))).all()
        assert d_x.shape == (2, 6, 8, 3)


# Bad input.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomFlip("sideways"), r"[RandomFlip] unknown mode 'sideways'"),
        (
            lambda: layers.RandomTranslation(1.5, 0.1),
            "[RandomTranslation] height_factor must be one or two numbers in [-1, 1], got 1.5",
        ),
        (
            lambda: layers.RandomTranslation(0.1, (0.1, 0.2, 0.3)),
            "[RandomTranslation] width_factor must be one or two numbers",
        ),
        (
            lambda: layers.RandomTranslation(0.1, 0.1, fill_mode="reflekt"),
            "[RandomTranslation] unknown fill_mode 'reflekt'; did you mean 'reflect'?",
        ),
        (
            lambda: layers.RandomZoom(0.1, interpolation="cubic"),
            "[RandomZoom] unknown interpolation 'cubic'",
        ),
        (lambda: layers.RandomRotation(2), "[RandomRotation] factor must be one or two numbers"),
        (lambda: layers.RandomCrop(0, 3), "[RandomCrop] height must be a positive integer, got 0"),
        (lambda: layers.RandomContrast(-0.1), "[RandomContrast] factor must be one or two numbers"),
        (
            lambda: layers.RandomBrightness(0.1, (1, 0)),
            "[RandomBrightness] value_range must be two numbers, the lower one first, got (1, 0)",
        ),
        (lambda: layers.RandomErasing(scale=2), "[RandomErasing] scale must be one or two numbers"),
        (lambda: layers.MixUp(0), "[MixUp] alpha must be positive, got 0"),
        (lambda: layers.CutMix((0.5, 1.5)), "[CutMix] factor must be one or two numbers in [0, 1]"),
    ],
)
def test_settings_out_of_range(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize("factor", ["0.1", None, [[0.1]], (0.1, "a")])
def test_a_factor_that_is_no_number(factor: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"\[RandomRotation\] factor must be"):
        layers.RandomRotation(factor)


@pytest.mark.parametrize("layer", [p for p in LAYERS if p.id != "mix_up"])
def test_what_is_no_image(layer: Any) -> None:
    def build(*shape: int) -> None:
        Sequential([layer]).build((None, *shape))

    name = type(layer).__name__
    with pytest.raises(ValueError, match=rf"\[{name}\] needs .*begin with Reshape\(\(28, 28, 1\)"):
        build(28, 28)
    with pytest.raises(ValueError, match=rf"\[{name}\] needs an input of shape"):
        build(784)
    with pytest.raises(ValueError, match=rf"\[{name}\] .*looks like channels first"):
        build(3, 32, 32)


def test_a_window_larger_than_the_images() -> None:
    message = r"\[RandomCrop\] a window of 7 x 3 does not fit images of 6 x 8"
    with pytest.raises(ValueError, match=message):
        Sequential([layers.RandomCrop(7, 3)]).build((None, 6, 8, 3))


def test_colours_that_are_not_as_many_as_channels() -> None:
    with pytest.raises(ValueError, match=r"\[RandomErasing\] fill_value .* 3 channels"):
        Sequential([layers.RandomErasing(fill_value=(0.0, 1.0))]).build((None, 6, 8, 3))
