"""What a network looks at: gradients against differences, maps against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from tolerances import GRADIENT, assert_near

from ganglion import NotFittedError, Sequential, attribution, layers, plot

pyplot = pytest.importorskip("matplotlib.pyplot")
pyplot.switch_backend("Agg")

SHAPE = (5, 6, 2)
PICTURES = np.random.default_rng(0).normal(size=(4, *SHAPE))


@pytest.fixture(autouse=True)
def no_figure_stays():
    yield
    pyplot.close("all")


def network(classes: int = 3, last: str | None = "softmax", **settings) -> Sequential:
    """Maps of four channels, made by one dense layer at each pixel, and a head that reads them."""
    settings = {"dtype": "float64", "random_state": 1, **settings}
    return Sequential(
        [
            layers.Input(SHAPE),
            layers.Dense(4, "tanh", name="maps"),
            layers.Flatten(),
            layers.Dense(7, "tanh"),
            layers.Dense(classes, last, name="head"),
        ],
        **settings,
    )


def scores(net: Sequential, X: np.ndarray, target: int) -> np.ndarray:
    """What is put into the softmax or sigmoid of the head."""
    hidden = net.layer_outputs(X)["dense"]
    kernel, bias = net.get_weights()[-2:]
    logits = hidden @ kernel + bias
    return logits[:, target] if logits.shape[1] > 1 else (2 * target - 1) * logits[:, 0]


def differences(function, X: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """Central differences of a function of samples, to each of their elements."""
    found = np.empty_like(X)
    for index in np.ndindex(X.shape[1:]):
        at = (slice(None), *index)
        up, down = X.copy(), X.copy()
        up[at] += step
        down[at] -= step
        found[at] = (function(up) - function(down)) / (2 * step)
    return found


@pytest.mark.parametrize("last", ["softmax", None])
def test_saliency_is_the_size_of_the_gradient(last):
    net = network(last=last)
    for target in range(3):
        gradient = differences(lambda X, t=target: scores(net, X, t), PICTURES)
        found = attribution.saliency(net, PICTURES, target)
        assert_near(found, np.abs(gradient).max(axis=-1), GRADIENT)


@pytest.mark.parametrize("target", [0, 1])
def test_a_single_output_speaks_for_class_1(target):
    net = network(1, "sigmoid")
    gradient = differences(lambda X: scores(net, X, target), PICTURES)
    assert_near(
        attribution.saliency(net, PICTURES, target), np.abs(gradient).max(axis=-1), GRADIENT
    )
    np.testing.assert_array_equal(
        attribution.grad_cam(net, PICTURES), attribution.grad_cam(net, PICTURES, target=1)
    )


def test_flat_samples_keep_their_sign_free_gradient():
    net = Sequential([layers.Input((3,)), layers.Dense(2)], dtype="float64")
    net.set_weights([[[1.0, -4.0], [2.0, 5.0], [-3.0, 6.0]], [0.0, 0.0]])
    found = attribution.saliency(net, np.zeros((2, 3)), [0, 1])
    np.testing.assert_array_equal(found, [[1, 2, 3], [4, 5, 6]])


def test_by_default_the_class_is_the_one_predicted():
    net = network()
    X = np.random.default_rng(1).normal(size=(30, *SHAPE))
    classes = net.predict(X).argmax(axis=1)
    assert len(set(classes)) == 3
    for compute in (
        lambda target: attribution.saliency(net, X, target),
        lambda target: attribution.grad_cam(net, X, target=target),
        lambda target: attribution.occlusion(net, X, 3, target=target),
    ):
        np.testing.assert_array_equal(compute(None), compute(classes))


def head_of(net: Sequential) -> Sequential:
    """The layers behind the maps, as a network of their own, without the softmax."""
    head = Sequential(
        [
            layers.Input((5, 6, 4)),
            layers.Flatten(),
            layers.Dense(7, "tanh"),
            layers.Dense(net.output_shape[1]),
        ],
        dtype="float64",
    )
    head.set_weights(net.get_weights()[2:])
    return head


@pytest.mark.parametrize("target", [0, 2])
def test_grad_cam_follows_its_definition(target):
    net = network()
    maps = net.layer_outputs(PICTURES)["maps"]
    head = head_of(net)
    gradient = differences(lambda maps: head.predict(maps)[:, target], maps)
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    wanted = np.maximum((weights * maps).sum(axis=-1), 0)
    assert wanted.max() > 0
    for layer in (None, "maps", 1, -4, net.layers[1]):
        assert_near(attribution.grad_cam(net, PICTURES, layer, target), wanted, GRADIENT)


def test_grad_cam_finds_maps_within_other_layers():
    inner = layers.Dense(2, "tanh", name="inner")
    net = Sequential(
        [layers.Input(SHAPE), layers.Residual([inner]), layers.Flatten(), layers.Dense(2)]
    )
    assert attribution.grad_cam(net, PICTURES, "residual/inner").shape == (4, 5, 6)
    np.testing.assert_array_equal(
        attribution.grad_cam(net, PICTURES), attribution.grad_cam(net, PICTURES, "residual")
    )


def test_grad_cam_takes_the_maps_before_the_last_pooling():
    net = Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(3, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3, padding="same", name="second"),
            layers.BatchNormalization(),
            layers.Activation("relu", name="maps"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    X = np.random.default_rng(0).normal(size=(2, 8, 8, 1))
    found = attribution.grad_cam(net, X)
    assert found.shape == (2, 4, 4)
    np.testing.assert_array_equal(found, attribution.grad_cam(net, X, "maps"))
    assert attribution.grad_cam(net, X, "first").shape == (2, 8, 8)


def test_saliency_of_a_convolution_is_its_gradient():
    net = Sequential(
        [
            layers.Input(SHAPE),
            layers.Conv2D(3, 3, activation="tanh"),
            layers.AveragePooling2D(2, strides=1),
            layers.Flatten(),
            layers.Dense(3),
        ],
        dtype="float64",
        random_state=0,
    )
    gradient = differences(lambda X: net.predict(X)[:, 2], PICTURES)
    assert_near(attribution.saliency(net, PICTURES, 2), np.abs(gradient).max(axis=-1), GRADIENT)


def test_grad_cam_of_sequences():
    net = Sequential(
        [layers.Input((9, 2)), layers.Dense(4, "relu"), layers.Flatten(), layers.Dense(2)]
    )
    assert attribution.grad_cam(net, np.ones((3, 9, 2))).shape == (3, 9)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_occlusion_is_the_mean_fall_of_the_score(stride):
    net, window, value = network(), 2, 0.5
    found = attribution.occlusion(net, PICTURES, window, stride, 1, value)
    before = net.predict(PICTURES)[:, 1]
    total, count = np.zeros((4, 5, 6)), np.zeros((5, 6))
    for top in {*range(0, 4, stride), 3}:
        for left in {*range(0, 5, stride), 4}:
            covered = PICTURES.copy()
            covered[:, top : top + 2, left : left + 2] = value
            drop = before - net.predict(covered)[:, 1]
            total[:, top : top + 2, left : left + 2] += drop[:, None, None]
            count[top : top + 2, left : left + 2] += 1
    np.testing.assert_allclose(found, total / np.maximum(count, 1), atol=1e-15)


def test_occlusion_of_bytes_without_channels():
    bytes_ = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    kept = bytes_.copy()
    net = Sequential(
        [layers.Input((8, 8)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)],
        random_state=0,
    )
    found = attribution.occlusion(net, bytes_, 8, value=127.5)
    assert found.shape == (3, 8, 8)
    grey = net.predict(np.full((3, 8, 8), 127.5))
    before = net.predict(bytes_)
    of_class = before.argmax(axis=1)[:, None]
    fall = np.take_along_axis(before - grey, of_class, 1)
    np.testing.assert_allclose(found.reshape(3, -1), np.repeat(fall, 64, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(bytes_, kept)


def test_many_samples_give_what_each_gives():
    net = network(dtype="float32")
    X = np.random.default_rng(2).normal(size=(600, *SHAPE))  # more than a batch
    for compute in (attribution.saliency, attribution.grad_cam):
        np.testing.assert_allclose(compute(net, X)[-3:], compute(net, X[-3:]), rtol=1e-5)


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda net, X: attribution.saliency("net", X), "net must be a Sequential, got str"),
        (lambda net, X: attribution.grad_cam(3, X), r"\[grad_cam\] net must be a Sequential"),
        (lambda net, X: attribution.saliency(net, X[:, 0]), r"X has shape \(4, 6, 2\)"),
        (lambda net, X: attribution.saliency(net, X, 3), "a class from 0 to 2, got 3"),
        (lambda net, X: attribution.saliency(net, X, [0, 1]), r"must have shape \(4,\), got \(2,"),
        (lambda net, X: attribution.saliency(net, X, "cat"), "target must be a class or one for"),
        (lambda net, X: attribution.grad_cam(net, X, "map"), "'map'; did you mean 'maps'?"),
        (lambda net, X: attribution.grad_cam(net, X, "head"), r"'head' puts out \(None, 3\), no"),
        (
            lambda net, X: attribution.grad_cam(net, X, 9),
            "layer must be a whole number of at least -5 and less than 5, got 9",
        ),
        (lambda net, X: attribution.occlusion(net, X, 0), "window must be a whole number of at"),
        (lambda net, X: attribution.occlusion(net, X, 6), "at least 1 and less than 6, got 6"),
        (lambda net, X: attribution.occlusion(net, X, 2, 0), "stride must be a whole number of"),
        (
            lambda net, X: attribution.occlusion(net, X, value=np.nan),
            "value must be a finite number, got nan",
        ),
    ],
)
def test_mistakes_are_named(compute, message):
    with pytest.raises((TypeError, ValueError), match=message):
        compute(network(), PICTURES)


def test_networks_that_have_no_maps_or_no_classes():
    flat = Sequential([layers.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"\[grad_cam\] no layer puts out maps.*saliency shows"):
        attribution.grad_cam(flat, np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"\[occlusion\] X must be pictures .*got shape \(1, 3\)"):
        attribution.occlusion(flat, np.ones((1, 3)))
    steps = Sequential([layers.Input((9, 2)), layers.Dense(4)])
    with pytest.raises(ValueError, match=r"a number for each class, .*got \(None, 9, 4\)"):
        attribution.saliency(steps, np.ones((1, 9, 2)))
    with pytest.raises(NotFittedError, match=r"\[saliency\] the network has no weights yet"):
        attribution.saliency(Sequential([layers.Dense(2)]), np.ones((1, 3)))


# Pictures.


def test_maps_are_laid_over_pictures():
    net = network()
    for draw, maps in (
        (plot.saliency, attribution.saliency(net, PICTURES)),
        (plot.grad_cam, attribution.grad_cam(net, PICTURES)),
        (plot.occlusion, attribution.occlusion(net, PICTURES)),
    ):
        drawn = draw(net, PICTURES)
        assert len(drawn) == 4
        for panel, values in zip(drawn, maps, strict=True):
            over = panel.images[1].get_array()
            strength = np.abs(values) / np.abs(values).max()
            np.testing.assert_allclose(over[..., 3], 0.85 * strength, atol=1e-12)
            red = over[..., 0] > over[..., 2]
            np.testing.assert_array_equal(red[values != 0], values[values != 0] > 0)


def test_flat_samples_are_drawn_in_their_shape():
    net = Sequential([layers.Input((12,)), layers.Dense(2, "softmax")])
    (panel,) = plot.saliency(net, np.ones((1, 12)), shape=(3, 4))
    assert panel.images[1].get_array().shape == (3, 4, 4)
    with pytest.raises(ValueError, match=r"must be pictures .*\(1, 12\) and shape=None"):
        plot.saliency(net, np.ones((1, 12)))
    with pytest.raises(ValueError, match=r"1 to 64 samples, a panel each, got 65"):
        plot.saliency(net, np.ones((65, 12)), shape=(3, 4))


def test_filters_are_the_columns_of_a_kernel():
    net = Sequential([layers.Input((12,)), layers.Dense(5, name="units"), layers.Dense(2)])
    kernel = net.get_weights()[0]
    panel = plot.filters(net, shape=(3, 4))
    grid = panel.images[0].get_array()
    assert grid.shape == (2 * 4 + 1, 3 * 5 + 1)
    fifth = grid[5:8, 6:10]  # second row, second column
    np.testing.assert_allclose(fifth.ravel(), kernel[:, 4] / np.abs(kernel[:, 4]).max(), rtol=1e-6)
    assert panel.get_title() == "units: 5 filters of 3 x 4"
    assert plot.filters(net, shape=(3, 4), count=2).get_title() == "units: 2 of 5 filters of 3 x 4"


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_filters_of_a_convolution(channels):
    net = Sequential([layers.Input((8, 8, channels)), layers.Conv2D(6, (3, 2)), layers.Flatten()])
    grid = plot.filters(net).images[0].get_array()
    assert grid.shape == (2 * 4 + 1, 3 * 3 + 1, *((3,) if channels == 3 else ()))


@pytest.mark.parametrize(
    ("layer", "count"),
    [(layers.DepthwiseConv2D(2, depth_multiplier=3), 12), (layers.Conv2DTranspose(5, 2), 5)],
)
def test_filters_of_layers_whose_kernel_lies_otherwise(layer, count):
    net = Sequential([layers.Input((8, 8, 4)), layer], random_state=0)
    panel = plot.filters(net)
    assert panel.get_title().endswith(f": {count} filters of 2 x 2")
    kernel = net.get_weights()[0]
    first = kernel[:, :, 0, 0] if count == 12 else kernel[:, :, 0].mean(axis=-1)
    shown = panel.images[0].get_array()[1:3, 1:3]
    np.testing.assert_allclose(shown / shown[0, 0], first / first[0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, r"'units' has shape \(12, 5\): no pictures of shape None; give shape=\(height, "),
        ({"shape": (5, 5)}, r"no pictures of shape \(5, 5\)"),
        ({"layer": "unit", "shape": (3, 4)}, "no layer is 'unit'; did you mean 'units'?"),
        ({"count": 0, "shape": (3, 4)}, "count must be a whole number of at least 1, got 0"),
    ],
)
def test_filters_that_are_no_pictures(settings, message):
    net = Sequential([layers.Input((12,)), layers.Dense(5, name="units")])
    with pytest.raises(ValueError, match=message):
        plot.filters(net, **settings)
    with pytest.raises(ValueError, match="no layer has a kernel"):
        plot.filters(Sequential([layers.Input((12,)), layers.Flatten()]))
