"""`ops.gradient`: gradients as values of a program, and as parts of a loss, to second order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ganglion import Sequential, check_gradient, layers, losses, ops
from ganglion.value import Value


class GradientPenalty(layers.Layer):
    """``(|d sum(square(chain(x))) / d x| - 1)^2`` of each sample."""

    def __init__(self, chain: Sequence[layers.Layer]) -> None:
        super().__init__()
        self.chain = chain

    def build(self, x: Value) -> Value:
        y = x
        for layer in self.chain:
            y = layer(y)
        slope = ops.gradient(ops.square(y), x)
        squares = ops.sum(ops.square(slope), axis=list(range(1, len(x.shape))))
        return ops.square(ops.sqrt(squares + 1e-3) - 1.0)


def image(*chain: layers.Layer) -> list[layers.Layer]:
    return [*chain, layers.Flatten(), layers.Dense(1)]


CHAINS = {
    "dense": ([layers.Dense(5, activation="tanh"), layers.Dense(3)], (4,)),
    "leaky relu": ([layers.Dense(5), layers.LeakyReLU(), layers.Dense(3)], (4,)),
    "prelu and elu": ([layers.Dense(4), layers.PReLU(), layers.Dense(1, "elu")], (3,)),
    "smooth": ([layers.Dense(4, name) for name in ("softplus", "gelu", "silu", "mish")], (3,)),
    "softmax": ([layers.Dense(4, activation="softmax"), layers.Dense(1)], (3,)),
    "log softmax": ([layers.Dense(4, activation="log_softmax"), layers.Dense(1)], (3,)),
    "convolution": (
        image(
            layers.Conv2D(3, 3, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2D(2, 2, dilation_rate=2),
        ),
        (7, 5, 1),
    ),
    "series": (
        image(layers.Conv1D(3, 3, activation="tanh"), layers.Conv1D(2, 3, 2, "same")),
        (9, 2),
    ),
    "separable": (image(layers.SeparableConv2D(3, 3, activation="tanh")), (5, 5, 2)),
    "transposed": (
        image(
            layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh"),
            layers.Conv2DTranspose(2, 3),
        ),
        (3, 3, 2),
    ),
    "upsampling": (
        image(layers.UpSampling2D(2), layers.Conv2D(3, 3, activation="tanh")),
        (3, 3, 1),
    ),
    "bilinear": (
        image(
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Conv2D(2, 2, 1, "same", activation="tanh"),
        ),
        (3, 3, 1),
    ),
    "max pooling": (
        image(layers.Conv2D(3, 3, activation="tanh"), layers.MaxPooling2D(2)),
        (6, 6, 1),
    ),
    "overlapping windows": (
        image(
            layers.Conv2D(3, 3, activation="tanh"),
            layers.MaxPooling2D(3, strides=2, padding="same"),
        ),
        (6, 6, 1),
    ),
    "average pooling": (
        image(layers.Conv2D(3, 3, activation="tanh"), layers.AveragePooling2D(2)),
        (6, 6, 1),
    ),
    "global pooling": (
        [layers.Conv2D(3, 3, activation="tanh"), layers.GlobalMaxPooling2D(), layers.Dense(1)],
        (5, 5, 2),
    ),
    "layer normalization": (
        image(layers.Conv2D(3, 3), layers.LayerNormalization(), layers.LeakyReLU()),
        (5, 5, 2),
    ),
    "group normalization": (
        image(layers.Conv2D(4, 3), layers.GroupNormalization(2), layers.Activation("silu")),
        (5, 5, 2),
    ),
    "batch normalization": (
        [layers.Dense(4), layers.BatchNormalization(), layers.Dense(1, activation="tanh")],
        (3,),
    ),
    "spectral normalization": (
        [layers.SpectralNormalization(layers.Dense(4, "tanh")), layers.Dense(1)],
        (3,),
    ),
    "recurrent": ([layers.LSTM(4), layers.Dense(1)], (3, 2)),
    "attention": (image(layers.MultiHeadAttention(2, 3)), (3, 4)),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_gradient_penalty_is_differentiated(name: str) -> None:
    chain, shape = CHAINS[name]
    check_gradient(GradientPenalty(chain), shape, tolerance=1e-6)


@pytest.mark.parametrize(
    "loss",
    [losses.CategoricalCrossentropy(from_logits=True), losses.BinaryCrossentropy(from_logits=True)],
    ids=repr,
)
def test_the_gradient_of_a_loss_is_differentiated(loss: losses.Loss) -> None:
    target = np.array([[0.2, 0.3, 0.5]])

    def slope(x: Value) -> Value:
        wanted = ops.broadcast_to(ops.constant(target), x.shape)
        return ops.sum(ops.square(ops.gradient(loss(wanted, x), x)), axis=-1)

    check_gradient(slope, (3,))


def test_a_gradient_by_weights_and_by_several_values() -> None:
    class Slopes(layers.Layer):
        def build(self, x: Value) -> Value:
            kernel = self.add_weight("kernel", (2, 3))
            d_x, d_kernel = ops.gradient(ops.square(x @ kernel), [x, kernel])
            return d_x + ops.sum(ops.square(d_kernel))

    check_gradient(Slopes(), (2,))


def test_zeros_where_it_does_not_depend() -> None:
    found = ops.evaluate(lambda x: ops.gradient(ops.constant(3.0), x), np.ones((2, 3)))
    np.testing.assert_array_equal(found, np.zeros((2, 3)))


def test_a_network_learns_to_be_flat() -> None:
    """A penalty on the slope, of a few lines, trained in the core."""

    class Flat(layers.Layer):
        def __init__(self, inner: layers.Layer) -> None:
            super().__init__()
            self.inner = inner

        def build(self, x: Value) -> Value:
            y = self.inner(x)
            self.add_loss(ops.mean(ops.square(ops.gradient(y, x))))
            return y

    X = np.linspace(-1, 1, 64)[:, None]

    def slope(chosen: layers.Layer) -> float:
        net = Sequential([chosen], loss="mse", optimizer="adam", random_state=0)
        net.fit(X, 2 * X, epochs=150, verbose=0)
        return float(np.ptp(net.predict(X))) / 2

    assert slope(layers.Dense(1)) > 1.5 * slope(Flat(layers.Dense(1))) > 0


@pytest.mark.parametrize("wrt", [3.0, [np.ones(2)]], ids=["number", "array"])
def test_what_is_no_value_is_named(wrt: object) -> None:
    with pytest.raises(TypeError, match=r"\[gradient\] expected values of a program, got"):
        ops.evaluate(lambda x: ops.gradient(x, wrt), [[1.0]])
