"""Layers beside Keras's on the same weights: outputs, gradients, training, moving averages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from layer_grid import EVERY, is_random, samples  # noqa: E402
from mirror import WITHOUT, mirror, numpy, tensor  # noqa: E402
from registry import classes  # noqa: E402
from tolerances import PARITY, assert_near  # noqa: E402
from training import Pair  # noqa: E402

from ganglion import Sequential, layers, losses, optimizers  # noqa: E402

Array = np.ndarray


def counterpart(layer: Any, shape: tuple[int, ...]) -> Any:
    """The Keras layer, or a skip with the reason."""
    reason = WITHOUT["layer"].get(layer.registered_name)
    if layer.registered_name == "normalization" and layer.method == "minmax":
        reason = "Keras has no min-max scaling"
    if reason:
        pytest.skip(reason)
    layer.example_shape = shape  # what a combinator is built for
    return mirror(layer)


def same_weights(net: Any, layer: Any) -> None:
    """Moves the weights away from zeros and ones, and gives them to both."""
    draw = np.random.default_rng(0)
    weights = [w + draw.uniform(0.1, 0.6, w.shape) for w in net.get_weights()]
    net.set_weights(weights)
    layer.set_weights(weights)


def test_everything_has_a_counterpart_or_a_reason() -> None:
    for name, cls in classes("layer").items():
        assert name in WITHOUT["layer"] or any(map(mirror, cls.examples())), name


@pytest.mark.parametrize("training", [False, True], ids=["prediction", "training"])
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_outputs_gradients_and_weights(
    layer: Any, shape: tuple[int, ...], training: bool, dtype: str
) -> None:
    if training and is_random(layer):
        pytest.skip("random numbers differ; tests/test_layers.py looks at their distribution")
    theirs = counterpart(layer, shape)
    net = Sequential([layer], dtype=dtype, random_state=0)
    net.build((None, *shape))
    theirs.build((None, *shape))
    same_weights(net, theirs)
    draw = np.random.default_rng(1)
    x = samples(layer, shape, 6, draw)
    there = tensor(x, dtype).requires_grad_()
    expected = theirs(there, training=training)
    y = net.forward(x, training=training)
    assert_near(y, numpy(expected), PARITY[dtype], name="output")
    seed = draw.normal(size=y.shape)
    expected.backward(tensor(seed, dtype))
    d_x = np.zeros_like(x) if layer.vocabulary else there.grad.numpy()
    assert_near(net.backward(seed), d_x, PARITY[dtype], name="d_x")
    gradients = [numpy(variable.value.grad) for variable in theirs.trainable_variables]
    # Attention does not change with the bias of the keys: its gradient is what rounding leaves.
    least = PARITY[dtype] if layer.registered_name == "multi_head_attention" else 0.0
    for ours, wanted in zip(net.gradients_, gradients, strict=True):
        assert_near(ours, wanted, PARITY[dtype], name="gradient", absolute=least)
    for ours, wanted in zip(net.get_weights(), theirs.get_weights(), strict=True):
        assert_near(ours, wanted, PARITY[dtype], name="weight after the pass")


@pytest.mark.filterwarnings("ignore:.*loses the mask")
@pytest.mark.parametrize(("layer", "shape"), EVERY)
def test_fifty_steps_of_training(layer: Any, shape: tuple[int, ...], dtype: str) -> None:
    if is_random(layer):
        pytest.skip("random numbers differ")
    # Attention over many steps gives large gradients: with 0.01 both networks diverge.
    rate = 1e-4 if isinstance(layer, layers.MultiHeadAttention) else 0.01
    network = [layer, layers.Flatten(), layers.Dense(3)]
    theirs = [counterpart(layer, shape), keras.layers.Flatten(), keras.layers.Dense(3)]
    pair = Pair(
        network,
        losses.MeanSquaredError(),
        optimizers.SGD(rate, momentum=0.5),
        shape,
        dtype,
        counterparts=theirs,
    )
    draw = np.random.default_rng(2)
    x, y = samples(layer, shape, 44, draw), draw.normal(size=(44, 3))
    if layer.padding_value is not None:  # a sample of nothing but padding is refused
        x[:, 0] += x[:, 0] == layer.padding_value
    ours, expected = pair.losses(x, y)
    assert_near(ours, expected, PARITY[dtype])
    for got, wanted in pair.weights():
        assert_near(got, wanted, 10 * PARITY[dtype])


@pytest.mark.parametrize("axis", [-1, 1, None], ids=str)
def test_adapted_normalization(axis: int | None) -> None:
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(50, 4, 3))
    theirs = keras.layers.Normalization(axis=axis)
    theirs.adapt(x)
    adapted = layers.Normalization(axis=axis).adapt([x[:30], x[30:]])
    # Keras accumulates in float32.
    assert_near(np.ravel(adapted["mean"]), np.ravel(numpy(theirs.mean)), 1e-5)
    assert_near(np.ravel(adapted["variance"]), np.ravel(numpy(theirs.variance)), 1e-5)


def test_a_deep_network_of_many_layers(dtype: str) -> None:
    network = [
        layers.Dense(8, activation="relu", kernel_initializer="he_normal"),
        layers.BatchNormalization(momentum=0.9),
        layers.Residual([layers.Dense(8, activation="gelu"), layers.LayerNormalization()]),
        layers.Dense(6, activation="selu", use_bias=False),
        layers.Dense(4, activation="softmax"),
    ]
    for layer in network:
        layer.example_shape = (8,)  # what mirror() builds the combinator for
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(44, 5)), draw.integers(0, 4, 44).astype(float)
    loss = losses.SparseCategoricalCrossentropy()
    pair = Pair(network, loss, optimizers.Adam(0.003), (5,), dtype)
    ours, expected = pair.losses(x, y)
    assert_near(ours, expected, PARITY[dtype])
