"""Padding in sequences: which layers keep the mask, and what loss and metrics leave out."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from traced import Traced

from ganglion import Sequential, layers, losses, metrics, ops
from ganglion.tracing import Trace
from ganglion.value import Value
from ganglion.variables import Variables

LENGTHS = np.array([4, 2, 3, 0, 1])
STEPS, FEATURES = 4, 3


def padded(generator: np.random.Generator) -> np.ndarray:
    x = generator.normal(size=(len(LENGTHS), STEPS, FEATURES))
    return np.where(counted()[..., None], x, 0.0)


def counted() -> np.ndarray:
    return np.arange(STEPS) < LENGTHS[:, None]


def mask_behind(*chain: Any, shape: tuple[Any, ...] = (None, STEPS, FEATURES)) -> Value | None:
    with Trace(training=True, variables=Variables()) as trace:
        x = layers.Masking()(trace.input("x", shape))
        for layer in chain:
            x = layer(x)
        return x.mask


@pytest.mark.parametrize(
    "chain",
    [
        [layers.Dense(5, activation="relu")],
        [layers.Dense(5), layers.Activation("tanh"), layers.ReLU(), layers.Dropout(0.3)],
        [layers.BatchNormalization(), layers.LayerNormalization(), layers.GaussianNoise(0.1)],
        [layers.Dropout(0.0), layers.SpatialDropout1D(0.2), layers.Rescaling(2.0)],
        [layers.Residual([layers.Dense(FEATURES)])],
        [layers.Residual([layers.Conv1D(FEATURES, 3, padding="same")])],
        [layers.Branches([[layers.Dense(2)], []])],
        [layers.Masking(1.0)],
    ],
)
def test_layers_that_act_on_each_step_keep_the_mask(chain):
    mask = mask_behind(*chain)
    assert mask is not None
    assert mask.shape == (None, STEPS)


@pytest.mark.parametrize(
    "chain",
    [
        [layers.Conv1D(4, 3, padding="same")],
        [layers.Flatten()],
        [layers.GlobalAveragePooling1D(), layers.Dense(STEPS)],
        [layers.MaxPooling1D(2)],
        [layers.Branches([[], []], axis=1)],
    ],
)
def test_others_drop_it(chain):
    assert mask_behind(*chain) is None


def test_a_layer_of_ones_own_drops_it_unless_it_says_otherwise():
    class Same(layers.Layer):
        def build(self, x):
            return x

    class Kept(Same):
        keeps_mask = True

    assert mask_behind(Same()) is None
    assert mask_behind(Kept()) is not None


def test_with_mask_leaves_what_it_was_given_as_it_is():
    with Trace(training=False, variables=Variables()) as trace:
        x = trace.input("x", (None, 3, 2))
        masked = ops.with_mask(x, trace.input("mask", (None, 3)))
        assert x.mask is None
        assert masked.mask.shape == (None, 3)
        assert ops.with_mask(masked, None).mask is None


def test_a_mask_of_another_length_is_refused():
    with Trace(training=False, variables=Variables()) as trace:
        x, mask = trace.input("x", (None, 3, 2)), trace.input("mask", (None, 4))
        with pytest.raises(ValueError, match=r"\[with_mask\] a sequence \(None, 3, 2\)"):
            ops.with_mask(x, mask)


def test_masking_takes_steps_of_one_value_for_padding():
    x = np.array([[[1.0, 0.0], [0.0, 0.0], [2.0, 2.0]]])
    masks = ops.evaluate(lambda x: layers.Masking()(x).mask, x)
    assert masks.tolist() == [[1, 0, 1]]
    other = ops.evaluate(lambda x: layers.Masking(2.0)(x).mask, x)
    assert other.tolist() == [[1, 1, 0]]
    both = ops.evaluate(lambda x: layers.Masking(2.0)(layers.Masking()(x)).mask, x)
    assert both.tolist() == [[1, 0, 0]]


def test_masking_takes_sequences_only():
    with pytest.raises(ValueError, match=r"\[Masking\] expected \(None, steps, features\), got"):
        Sequential([layers.Masking()]).build((None, 3))


def test_average_pooling_leaves_padding_out():
    def chain(x, mask):
        return layers.GlobalAveragePooling1D()(ops.with_mask(x, mask))

    x, mask = padded(np.random.default_rng(0)), counted().astype(float)
    expected = x.sum(axis=1) / np.maximum(LENGTHS, 1)[:, None]
    np.testing.assert_allclose(ops.evaluate(chain, x + 1 - mask[..., None], mask), expected)
    shapes = [(None, STEPS, FEATURES), (None, STEPS)]
    Traced(chain, shapes, wrt=[0]).check_gradients(x, mask)


class Padding(layers.Layer):
    """`Masking` that takes samples of nothing but padding."""

    def build(self, x):
        return layers.Masking().build(x)


def network(**settings: Any) -> Sequential:
    chain = [Padding(), layers.Dense(4, activation="tanh"), layers.Dense(2)]
    return Sequential(chain, random_state=0, dtype="float64", **settings)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_loss_and_metrics_are_over_the_steps_that_count(loss, weighted):
    generator = np.random.default_rng(1)
    x, y = padded(generator), generator.normal(size=(len(LENGTHS), STEPS, 2))
    weight = np.arange(1.0, 6.0) if weighted else None
    net = network(loss=loss, metrics=["mse", "r2", losses_as_metric])
    net.build((None, STEPS, FEATURES))
    at, rows = counted(), np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    alone = Sequential(net.layers[1:], loss=loss, metrics=net.metrics, dtype="float64")
    alone.build((None, FEATURES))
    alone.set_weights(net.get_weights())
    expected = alone.evaluate(x[at], y[at], sample_weight=None if weight is None else weight[rows])
    result = net.evaluate(x, y, sample_weight=weight)
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, rel=1e-10), name


def losses_as_metric(target, prediction):
    return ops.mean(ops.square(target - prediction), axis=-1)


def test_gradients_are_those_of_the_steps_that_count():
    generator = np.random.default_rng(2)
    x, y = padded(generator), generator.normal(size=(len(LENGTHS), STEPS, 2))
    net = network(loss="mse")
    net.build((None, STEPS, FEATURES))
    alone = Sequential(net.layers[1:], loss="mse", dtype="float64")
    alone.build((None, FEATURES))
    alone.set_weights(net.get_weights())
    loss, gradients = net.loss_and_gradients(x, y)
    expected_loss, expected = alone.loss_and_gradients(x[counted()], y[counted()])
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for got, wanted in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-10)


def test_batch_normalization_takes_its_moments_without_padding():
    x, at = padded(np.random.default_rng(4)), counted()
    layer = layers.BatchNormalization()
    y = ops.evaluate(lambda x: layer(layers.Masking()(x)), x, training=True)
    expected = (x[at] - x[at].mean(axis=0)) / np.sqrt(x[at].var(axis=0) + layer.epsilon)
    np.testing.assert_allclose(y[at], expected, rtol=1e-10)


def test_classes_at_each_step():
    generator = np.random.default_rng(3)
    x, y = padded(generator), generator.integers(0, 2, size=(len(LENGTHS), STEPS))
    net = network(
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", metrics.F1Score(), metrics.AUC(from_logits=True)],
    )
    result = net.fit(x, y).evaluate(x, y)
    chosen = net.predict(x).argmax(axis=-1)
    at = counted()
    assert result["accuracy"] == pytest.approx((chosen == y)[at].mean())
    changed = np.where(at, y, 1 - y)
    assert net.evaluate(x, changed) == result


def test_a_batch_of_nothing_but_padding_has_no_loss():
    net = network(loss="mse", metrics=["mae"])
    x, y = np.zeros((3, STEPS, FEATURES)), np.ones((3, STEPS, 2))
    assert net.fit(x, y).evaluate(x, y) == {"loss": 0.0, "mae": 0.0}


@pytest.mark.parametrize("call", ["fit", "predict", "evaluate"])
def test_samples_of_nothing_but_padding_are_refused(call):
    x, ids = np.ones((3, STEPS, FEATURES)), np.ones((3, STEPS), int)
    x[1], ids[2] = 0.0, 0
    x[2, :2], ids[0, :2] = 0.0, 0
    for given, first, row in (
        (x, layers.Masking(), 1),
        (ids, layers.Embedding(4, 2, mask_zero=True), 2),
        ([*ids], layers.Embedding(4, 2, mask_zero=True), 2),
    ):
        shape = (None,) if given is not x else (STEPS, FEATURES)
        net = Sequential([layers.Input(shape), first, layers.GRU(2), layers.Dense(1)], loss="mse")
        net.build((None, *shape))
        y = [] if call == "predict" else [np.zeros(3)]
        with pytest.raises(ValueError, match=rf"\[{call}\] X has nothing but padding at row {row}"):
            getattr(net, call)(given, *y)


def test_a_metric_of_whole_sequences_says_that_it_cannot_leave_padding_out():
    def whole(target, prediction):
        return ops.mean(ops.square(target - prediction), axis=[1, 2])

    net = network(loss="mse", metrics=[whole])
    with pytest.raises(ValueError, match=r"values of sequences with padding must be \(None, steps"):
        net.fit(np.ones((3, STEPS, FEATURES)), np.ones((3, STEPS, 2)))


class Sum(layers.Layer):
    """The sum of all steps so far, carried on."""

    def build(self, x):
        before = self.start_state("total", x, x.shape[2:])
        carries, results = ops.scan(
            lambda carries, slices: ([carries[0] + slices[0]], [carries[0] + slices[0]]),
            [before],
            [x],
        )
        self.end_state("total", carries[0])
        return results[0]


def test_states_start_with_zeros_or_with_what_is_carried():
    with Trace(training=False, variables=Variables()) as trace:
        x = trace.input("x", (None, STEPS, FEATURES))
        layer = Sum(name="sum")
        layer(x)
        assert trace.final["sum/total"].shape == (None, FEATURES)
    x = np.random.default_rng(4).normal(size=(2, 6, FEATURES))

    def in_two_parts(x):
        first = Sum(name="sum")
        first(x[:, :3])
        trace = x.trace
        trace.carried["first/total"] = trace.final["sum/total"]
        return Sum(name="first")(x[:, 3:])

    np.testing.assert_allclose(ops.evaluate(in_two_parts, x), x.cumsum(axis=1)[:, 3:], rtol=1e-12)


def fitted(*chain: Any) -> Sequential:
    x = np.random.default_rng(0).integers(0, 5, size=(8, STEPS))
    net = Sequential([layers.Embedding(5, 3, mask_zero=True), *chain], loss="mse", random_state=0)
    return net.fit(x, np.zeros(8))


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (
            [layers.Conv1D(2, 2), layers.GlobalAveragePooling1D(), layers.Dense(1)],
            r"\[Conv1D\] loses the mask \('conv1d', \(None, 4, 3\) to \(None, 3, 2\)\)",
        ),
        ([layers.Dense(2), layers.Flatten(), layers.Dense(1)], r"\[Flatten\] loses the mask"),
        (
            [layers.Residual([layers.Conv1D(3, 1)]), layers.LSTM(1)],
            r"\[Conv1D\] loses the mask \('residual/conv1d'",
        ),
    ],
)
def test_a_layer_that_loses_the_mask_is_warned_of_once(chain: list[Any], message: str) -> None:
    with pytest.warns(UserWarning, match=message) as caught:
        net = fitted(*chain)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.fit(np.ones((8, STEPS)), np.zeros(8))


@pytest.mark.parametrize(
    "chain",
    [
        [layers.LSTM(2), layers.Dense(1)],
        [layers.Bidirectional(layers.GRU(2)), layers.Dense(1)],
        [layers.MultiHeadAttention(1, 2), layers.GlobalMaxPooling1D(), layers.Dense(1)],
        [layers.TimeDistributed(layers.Dense(2)), layers.GlobalAveragePooling1D(), layers.Dense(1)],
    ],
)
def test_layers_that_leave_padding_out_are_not_warned_of(chain: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted(*chain)
