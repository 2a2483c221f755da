"""Mistakes in layers, losses, metrics and activations of one's own: the error names the line."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ganglion
from ganglion import Sequential, layers, losses, metrics, ops
from ganglion.value import Value

X = np.random.default_rng(0).normal(size=(20, 4))
Y = X[:, :1]
LINES = Path(__file__).read_text(encoding="utf-8").splitlines()


def line_of(marker: str) -> int:
    """The one line that ends with a marker."""
    (number,) = (i for i, text in enumerate(LINES, 1) if text.endswith(f"# {marker}"))
    return number


def network(layer: Any, **settings: Any) -> Sequential:
    return Sequential([layers.Input((4,)), layer, layers.Dense(1)], loss="mse", **settings)


def assert_named(error: BaseException, marker: str, said: str = "") -> None:
    text = str(error)
    assert re.search(said, text), text
    assert f"test_own_lines.py:{line_of(marker)}, in " in text, text
    assert text.count("test_own_lines.py:") == 1, text


class Own(layers.Layer):
    """Does what it is given."""

    def __init__(self, function: Callable[..., Value] | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.function = function

    def build(self, x: Value) -> Value:
        return self.function(self, x)  # calls


def out_of_range(layer: Own, x: Value) -> Value:
    return x[:, 9]  # out_of_range


def shapes_that_do_not_fit(layer: Own, x: Value) -> Value:
    return x + np.ones(7)  # shapes_that_do_not_fit


def unknown_function(layer: Own, x: Value) -> Value:
    return np.fft.fft(x)  # unknown_function


def function_of_numpy(layer: Own, x: Value) -> Value:
    return np.tanh(x)  # function_of_numpy


def written_in_place(layer: Own, x: Value) -> Value:
    kept = np.zeros((1, 4))
    kept += x  # written_in_place
    return x


def element_set(layer: Own, x: Value) -> Value:
    x[:, 0] = 1.0  # element_set
    return x


def truth(layer: Own, x: Value) -> Value:
    if x > 0:  # truth
        return x
    return -x


def number(layer: Own, x: Value) -> Value:
    return x * float(ops.sum(x))  # number


def length(layer: Own, x: Value) -> Value:
    return x / len(x)  # length


def iteration(layer: Own, x: Value) -> Value:
    return sum(part for part in x)  # iteration


def array_of_it(layer: Own, x: Value) -> Value:
    return np.asarray(x)  # array_of_it


def method(layer: Own, x: Value) -> Value:
    return x.reshape((None, 2, 2))  # method


def unknown_attribute(layer: Own, x: Value) -> Value:
    return x.numpy()  # unknown_attribute


def weight_over_the_batch(layer: Own, x: Value) -> Value:
    return x * layer.add_weight("w", x.shape)  # weight_over_the_batch


def weight_twice(layer: Own, x: Value) -> Value:
    layer.add_weight("w", (4,))
    return x * layer.add_weight("w", (4,))  # weight_twice


def step_from_outside(layer: Own, x: Value) -> Value:
    steps = []

    def step(carry: list[Value], slices: list[Value]) -> Any:
        steps.append(slices[0] * 2.0)
        return carry, slices

    pair = ops.reshape(x, (None, 2, 2))
    ops.scan(step, [pair[:, 0]], [pair])
    return x + ops.concat([steps[0], steps[0]])  # step_from_outside


def batch_reduced(layer: Own, x: Value) -> Value:
    return ops.mean(x, axis=0)  # batch_reduced


def nothing(layer: Own, x: Value) -> Value:
    ops.exp(x)  # nothing


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        (out_of_range, IndexError, "index 9 does not fit"),
        (shapes_that_do_not_fit, ValueError, r"\[add\] cannot broadcast .*layer 'own'"),
        (unknown_function, TypeError, r"np\.fft needs numbers.*ganglion\.ops"),
        (function_of_numpy, TypeError, r"np\.tanh needs numbers.*ganglion\.ops"),
        (written_in_place, TypeError, r"np\.add needs numbers"),
        (element_set, TypeError, "cannot be written to"),
        (truth, TypeError, r"no truth value.*ops\.where"),
        (number, TypeError, "is no number"),
        (length, TypeError, r"no length, but a shape, \(None, 4\)"),
        (iteration, TypeError, "cannot be iterated over"),
        (array_of_it, TypeError, "is no array"),
        (method, AttributeError, r"no attribute 'reshape': it is a function, ops\.reshape\(x\)"),
        (unknown_attribute, AttributeError, r"no attribute 'numpy'; see ganglion\.ops"),
        (weight_over_the_batch, ValueError, r"weight 'w' cannot have the batch"),
        (weight_twice, ValueError, "the weight 'w' was added twice"),
        (step_from_outside, ValueError, "a value of a step of a loop from outside"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_a_mistake_in_a_layer(function: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        network(Own(function))
    assert_named(caught.value, function.__name__)
    assert f"in {function.__name__}: `" in str(caught.value)


@pytest.mark.parametrize(
    ("function", "error", "said"),
    [
        (batch_reduced, ValueError, r"\[Own\] build lost the batch: \(None, 4\) became \(4,\)"),
        (nothing, TypeError, r"\[Own\] build must return a value, got None"),
    ],
)
def test_what_a_layer_returns(function: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        network(Own(function))
    assert_named(caught.value, "calls")


def test_a_layer_within_others_is_named_once() -> None:
    inner = layers.Residual([layers.Residual([Own(out_of_range)])])
    with pytest.raises(IndexError) as caught:
        network(inner)
    assert_named(caught.value, "out_of_range")


class Keeping(layers.Layer):
    def build(self, x: Value) -> Value:
        if not hasattr(self, "first"):
            self.first = ops.exp(x)
        return x + self.first  # kept_and_used


class Returning(layers.Layer):
    def build(self, x: Value) -> Value:
        if not hasattr(self, "first"):
            self.first = ops.exp(x)
        return self.first  # kept_and_returned


@pytest.mark.parametrize(
    ("layer", "marker"), [(Keeping, "kept_and_used"), (Returning, "kept_and_returned")]
)
def test_a_value_kept_from_one_pass_to_the_next(layer: Any, marker: str) -> None:
    net = network(layer())
    with pytest.raises(ValueError) as caught:
        net.fit(X, Y, verbose=0)
    assert_named(caught.value, marker, "a value of another trace: a Value must not be kept")


class LaterWeight(layers.Layer):
    def build(self, x: Value) -> Value:
        if self.training:
            x = x * self.add_weight("late", (4,))  # late
        return x


class GrowingWeight(layers.Layer):
    def build(self, x: Value) -> Value:
        self.passes = getattr(self, "passes", 0) + 1
        return x * ops.sum(self.add_weight("w", (self.passes,)))  # grows


class ForgottenWeight(layers.Layer):
    def build(self, x: Value) -> Value:
        if not self.training:
            x = x * self.add_weight("w", (4,))
        return x  # forgotten


@pytest.mark.parametrize(
    ("layer", "marker", "said"),
    [
        (LaterWeight, "late", "the first pass through the network did not have"),
        (GrowingWeight, "grows", r"has shape \(1,\), this input needs \(\d,\)"),
        (ForgottenWeight, "forgotten", r"w\] is a weight that this pass .* does not have"),
    ],
)
def test_weights_that_differ_between_passes(layer: Any, marker: str, said: str) -> None:
    net = network(layer())
    with pytest.raises(ValueError) as caught:
        net.fit(X, Y, verbose=0)
    assert_named(caught.value, marker, said)
    assert net.epoch_ == 0 and not net.history_


class Changing(layers.Layer):
    def build(self, x: Value) -> Value:
        self.passes = getattr(self, "passes", 0) + 1
        return x[:, : 1 + self.passes % 2]  # changing


def test_an_output_that_differs_between_passes() -> None:
    net = Sequential([layers.Input((4,)), Changing(), layers.Flatten()], loss="mse")
    with pytest.raises(ValueError) as caught:
        net.predict(X)
    assert_named(
        caught.value, "changing", r"returned \(None, 1\), and \(None, 2\) in a pass before"
    )


class Ranked(layers.Layer):
    def build(self, x: Value) -> Value:
        third = ops.kth_largest(x, 3)  # no_gradient
        return x - ops.expand_dims(third, -1)


def test_an_operation_without_a_gradient() -> None:
    net = Sequential([layers.Input((4,)), layers.Dense(4), Ranked()], loss="mse")
    assert net.predict(X).shape == (20, 4)
    with pytest.raises(ValueError) as caught:
        net.fit(X, X, verbose=0)
    assert_named(
        caught.value, "no_gradient", r"no gradient is known of .* 'kth_largest' \(in 'ranked'\)"
    )


class KerasStyle(layers.Layer):
    def build(self, input_shape: Any) -> Any:
        pass

    def call(self, x: Value) -> Value:
        return x * 2.0  # call


class Unfinished(layers.Layer):
    def __init__(self, units: int = 3) -> None:
        self.units = units  # constructor

    def build(self, x: Value) -> Value:
        return x


@pytest.mark.parametrize(
    ("layer", "marker", "said"),
    [
        (KerasStyle, "call", "has a method call"),
        (Unfinished, "constructor", r"must call super\(\).__init__"),
    ],
)
def test_a_layer_that_is_written_otherwise(layer: Any, marker: str, said: str) -> None:
    with pytest.raises(TypeError) as caught:
        network(layer())
    text = str(caught.value)
    assert re.search(said, text)
    assert re.search(r"test_own_lines\.py:\d+, in ", text)
    named = int(re.findall(r"test_own_lines\.py:(\d+)", text)[0])
    assert line_of(marker) - 1 <= named <= line_of(marker)


class LossOfOne(losses.Loss):
    def build(self, target: Value, prediction: Value) -> Value:
        return ops.mean(target - prediction)  # loss_of_one


@ganglion.loss
def decorated(target: Value, prediction: Value, power: float = 2.0) -> Value:
    return target - prediction  # decorated


@ganglion.loss
def numpy_loss(target: Value, prediction: Value) -> Value:
    return np.mean(target - prediction)  # numpy_loss


def plain(target: Value, prediction: Value) -> Value:
    return (target - prediction)[..., 5]  # plain


@pytest.mark.parametrize(
    ("loss", "marker", "said"),
    [
        (LossOfOne, "loss_of_one", r"\[LossOfOne\] must return one loss for each sample"),
        (decorated, "decorated", r"\[decorated\] must return one loss for each sample"),
        (numpy_loss, "numpy_loss", r"np\.mean needs numbers"),
        (plain, "plain", "index 5 does not fit"),
    ],
)
def test_a_mistake_in_a_loss(loss: Any, marker: str, said: str) -> None:
    net = Sequential([layers.Dense(1)], loss=loss)
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        net.fit(X, Y, verbose=0)
    assert_named(caught.value, marker, said)


class MetricOfOne(metrics.Metric):
    def values(self, target: Value, prediction: Value) -> Value:
        return ops.mean(target - prediction)  # metric_of_one


@ganglion.metric
def numpy_metric(target: Value, prediction: Value) -> Value:
    return np.abs(target - prediction)  # numpy_metric


@pytest.mark.parametrize(
    ("metric", "marker", "said"),
    [
        (MetricOfOne, "metric_of_one", r"\[MetricOfOne\] must give values of shape"),
        (numpy_metric, "numpy_metric", r"np\.absolute needs numbers"),
    ],
)
def test_a_mistake_in_a_metric(metric: Any, marker: str, said: str) -> None:
    net = Sequential([layers.Dense(1)], loss="mse", metrics=[metric()])
    with pytest.raises((ValueError, TypeError)) as caught:
        net.fit(X, Y, verbose=0)
    assert_named(caught.value, marker, said)


@ganglion.activation
def returns_a_number(x: Value) -> Value:
    return 3.0  # returns_a_number


@ganglion.activation
def summed(x: Value) -> Value:
    return ops.sum(x, axis=-1)  # summed


def test_a_mistake_in_an_activation() -> None:
    with pytest.raises(ValueError) as caught:
        network(layers.Dense(3, activation=summed()))
    assert_named(
        caught.value, "summed", r"\[summed\] must return the shape it is given, \(None, 3\)"
    )
    with pytest.raises(TypeError) as caught:
        network(layers.Dense(3, activation=returns_a_number))
    assert_named(caught.value, "returns_a_number", "build must return a value, got 3.0")
    with pytest.raises(TypeError) as caught:
        network(layers.Dense(3, activation=lambda x: np.exp(x)))  # lambda
    assert_named(caught.value, "lambda", r"np\.exp needs numbers")


def test_layers_of_ganglion_name_no_line() -> None:
    with pytest.raises(ValueError) as caught:
        network(layers.Conv2D(3, 3))
    assert ".py" not in str(caught.value)


def test_other_errors_come_as_they_are() -> None:
    class Special(Exception):
        pass

    def strange(layer: Own, x: Value) -> Value:
        raise Special(1, 2)

    with pytest.raises(Special) as caught:
        network(Own(strange))
    assert caught.value.args == (1, 2)
