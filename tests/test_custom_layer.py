"""A layer of one's own, in fewer than 15 lines: trains, has its gradient, runs in the reference."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from tolerances import assert_near
from traced import Traced

from ganglion import Sequential, layers, losses, ops, optimizers
from ganglion.value import Value


class Gate(layers.Layer):
    """Lets through a learned share of each feature, a little more in training."""

    def __init__(self, sharpness: float = 1.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.sharpness = sharpness

    def build(self, x: Value) -> Value:
        width = x.shape[-1]
        level = self.add_weight("level", (width,), initializer="zeros")
        share = ops.sigmoid(self.sharpness * level)
        return x * share * (1.5 if self.training else 1.0)


class Quartic(losses.Loss):
    """The fourth power of the error."""

    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean((target - prediction) ** 4, axis=-1)


def test_it_is_short() -> None:
    code = [line for line in inspect.getsource(Gate).splitlines() if line.strip()]
    assert len(code) < 15


@pytest.mark.parametrize("training", [False, True])
def test_reference_and_gradient(training: bool) -> None:
    traced = Traced(Gate(sharpness=2.0), [(None, 5)], training=training, wrt=[0])
    draw = np.random.default_rng(0)
    traced.weight("gate/level")[:] = draw.normal(size=5)
    x = draw.normal(size=(4, 5))
    share = 1 / (1 + np.exp(-2.0 * traced.weight("gate/level"))) * (1.5 if training else 1.0)
    assert_near(traced.run(x, np.ones((4, 5)))[0], x * share, 1e-14)
    for got, wanted in zip(
        traced.run(x, np.ones((4, 5))),
        traced.refer(x, np.ones((4, 5))).outputs.values(),
        strict=True,
    ):
        assert_near(got, wanted, 1e-13)
    traced.check_gradients(x)


def test_it_trains_with_a_loss_of_one_s_own() -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 3))
    y = x * np.array([0.2, 0.5, 0.9])
    net = Sequential([Gate()], loss=Quartic(), optimizer=optimizers.Adam(0.05), random_state=0)
    net.build((None, 3))
    before = net.evaluate(x, y)["loss"]
    net.fit(x, y, epochs=20, batch_size=20, verbose=0)
    assert net.evaluate(x, y)["loss"] < before
    assert net.history_["loss"][-1] < 0.1 * net.history_["loss"][0]


def test_it_is_equal_to_its_copy_and_shows_its_settings() -> None:
    assert Gate(2.0) == Gate.from_config(Gate(2.0).get_config())
    assert repr(Gate(2.0)) == "Gate(sharpness=2.0)"


def test_a_layer_that_returns_no_value_is_an_error_that_names_it() -> None:
    class Forgetful(layers.Layer):
        def build(self, x: Value) -> Value:
            ops.exp(x)  # type: ignore[return]

    with pytest.raises(TypeError, match=r"\[Forgetful\]"):
        Traced(Forgetful(), [(None, 3)])


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": lambda y, p: np.mean((y - p) ** 2, axis=-1)},
        {"metrics": [lambda y, p: np.abs(y - p)]},
        {"layers": [layers.Dense(1, np.tanh)]},
    ],
)
def test_numpy_on_values_points_to_ops(settings):
    net = Sequential(**{"layers": [layers.Dense(1)], "loss": "mse", **settings})
    with pytest.raises(TypeError, match=r"np\.\w+ needs numbers, .* ganglion\.ops"):
        net.fit(np.ones((4, 2)), np.ones(4))


def test_values_take_arrays_on_their_left_and_abs():
    two = np.full((1, 3), 2.0)
    x = np.array([[-1.0, 0.5, 3.0]])
    for function in (
        lambda v: two + v, lambda v: two - v, lambda v: two * v, lambda v: two / v,
        lambda v: two ** v, lambda v: (two > v) * 1.0, lambda v: (two <= v) * 1.0,
        lambda v: np.float64(2) * v, abs,
    ):  # fmt: skip
        np.testing.assert_allclose(ops.evaluate(function, x), function(x))


def test_a_layer_in_keras_style_is_told_how_it_is_written_here():
    class Scaled(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(name="scale", shape=(input_shape[-1],))

        def call(self, x):
            return x * self.scale

    with pytest.raises(TypeError, match=r"\[Scaled\] has a method call, .* build\(x\) does both"):
        Sequential([layers.Input((3,)), Scaled()])
