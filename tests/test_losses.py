"""Losses: formula, reference, gradient, exactness at extreme logits, weights of samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formulas import LOSSES
from registry import classes, examples
from scipy import special
from tolerances import DIFFERENCE_STEP, FORWARD, assert_near
from traced import Traced

from ganglion import losses, ops
from ganglion.value import Value

Array = np.ndarray
SHAPES = [(None, 3), (None, 18), (None, 2, 6)]  # 3 divides all: Quantile may want three outputs


def targets(loss: Any, prediction: Array, draw: np.random.Generator) -> Array:
    """Targets of the kind the loss takes, away from the kinks of |y - p| and of margins."""
    outputs = loss.target_shape((None, *prediction.shape[1:]))[-1]
    near = prediction[..., :outputs] if loss.target_kind == "real" else prediction
    shape = near.shape
    kinds = {
        "real": lambda: near + draw.choice([-1, 1], shape) * draw.uniform(0.1, 0.9, shape),
        "non_negative": lambda: np.abs(prediction + draw.uniform(0.1, 0.9, shape)),
        "probability": lambda: draw.choice([0.0, 1.0, 0.3], shape),
        "distribution": lambda: special.softmax(draw.normal(size=shape), axis=-1),
        "class_index": lambda: draw.integers(0, shape[-1], shape[:-1]).astype(float),
        "sign": lambda: draw.choice([-1.0, 1.0], shape),
    }
    return np.asarray(kinds[loss.target_kind]())


def predictions(loss: Any, shape: tuple[int, ...], draw: np.random.Generator) -> Array:
    """Predictions the loss is meant for: probabilities where it takes them."""
    if loss.target_kind in ("probability", "distribution", "class_index"):
        if getattr(loss, "from_logits", False) or loss.registered_name == "categorical_hinge":
            return draw.normal(size=shape)
        logits = draw.normal(size=shape)
        one_each = loss.target_kind == "probability"
        return special.expit(logits) if one_each else special.softmax(logits, axis=-1)
    if loss.target_kind == "non_negative":
        return draw.uniform(0.2, 2.0, shape)
    return draw.normal(size=shape)


def data(loss: Any, shape: Any, rows: int, seed: int = 0) -> tuple[Array, Array]:
    draw = np.random.default_rng(seed)
    prediction = predictions(loss, tuple(rows if d is None else d for d in shape), draw)
    return targets(loss, prediction, draw), prediction


def traced_loss(loss: Any, shape: Any, **options: Any) -> Traced:
    return Traced(loss, [loss.target_shape(shape), shape], **options)


def test_every_loss_has_a_formula() -> None:
    assert set(classes("loss")) - {"function_loss"} == set(LOSSES)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", examples("loss"))
def test_loss_follows_its_formula(loss: Any, shape: Any, dtype: str) -> None:
    traced = traced_loss(loss, shape, dtype=dtype)
    for rows in (1, 9):
        target, prediction = (x.astype(dtype).astype(float) for x in data(loss, shape, rows))
        expected = LOSSES[loss.registered_name](loss, target, prediction)
        assert_near(traced.run(target, prediction)[0], expected, 10 * FORWARD[dtype])
        again = traced.refer(target, prediction).outputs["y"]
        assert_near(traced.run(target, prediction)[0], again, 10 * FORWARD[dtype])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", examples("loss"))
def test_gradient_of_loss(loss: Any, shape: Any) -> None:
    target, prediction = data(loss, shape, 4, seed=3)
    traced_loss(loss, shape, wrt=[1]).check_gradients(
        target,
        prediction,
        points=60,
        difference=0.1 * DIFFERENCE_STEP,  # near small probabilities
    )


def after(loss: Any, activation: str) -> Any:
    """The loss of an activation's result, as a network's last layer gives it."""

    def build(target: Value, logits: Value) -> Value:
        result: Value = loss(target, getattr(ops, activation)(logits))
        return result

    return build


EXACT = [
    (losses.BinaryCrossentropy, "sigmoid", "probability"),
    (losses.CategoricalCrossentropy, "softmax", "distribution"),
    (losses.SparseCategoricalCrossentropy, "softmax", "class_index"),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("cls", "activation", "kind"), EXACT, ids=lambda v: getattr(v, "__name__", v)
)
def test_crossentropy_of_probabilities_is_exact_at_extreme_logits(
    cls: Any, activation: str, kind: str, dtype: str
) -> None:
    loss, from_logits = cls(), cls(from_logits=True)
    logits = np.array([[40.0, -40.0], [-800.0, 800.0], [1e4, -1e4], [0.5, -0.5]])
    right = {
        "probability": (logits > 0).astype(float),
        "distribution": (logits > 0).astype(float),
        "class_index": logits.argmax(axis=-1).astype(float),
    }[kind]
    wrong = 1 - right
    shapes = [loss.target_shape((None, 2)), (None, 2)]
    exact = Traced(after(loss, activation), shapes, wrt=[1], dtype=dtype)
    plain = Traced(from_logits, shapes, wrt=[1], dtype=dtype)
    for target in (right, wrong):
        seed = np.ones(len(logits))
        value, d_logits = exact.run(target, logits, seed)
        for got, wanted in zip((value, d_logits), plain.run(target, logits, seed), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-6)
        assert np.isfinite(value).all() and np.isfinite(d_logits).all()
        expected = LOSSES[loss.registered_name](from_logits, target, logits)
        if dtype == "float64":
            np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-300)
    assert exact.run(right, logits, np.ones(4))[0][0] > 0  # log1p(exp(-80)), not log(1)


@pytest.mark.parametrize(
    ("cls", "activation", "kind"), EXACT, ids=lambda v: getattr(v, "__name__", v)
)
def test_gradient_through_the_last_activation(cls: Any, activation: str, kind: str) -> None:
    loss = cls()
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(5, 4))
    target = targets(loss, logits, draw)
    traced = Traced(after(loss, activation), [loss.target_shape((None, 4)), (None, 4)], wrt=[1])
    traced.check_gradients(target, logits)


def test_ignored_class_has_no_loss_and_no_gradient() -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    traced = traced_loss(loss, (None, 3), wrt=[1])
    logits = np.random.default_rng(0).normal(size=(3, 3))
    value, d_logits = traced.run(np.array([0.0, -1.0, 2.0]), logits, np.ones(3))
    assert value[1] == 0 and not d_logits[1].any() and (value[[0, 2]] > 0).all()


def test_wrong_shapes_are_errors_that_name_the_loss() -> None:
    with pytest.raises(ValueError, match=r"\[MeanSquaredError\]"):
        Traced(losses.MeanSquaredError(), [(None, 3), (None, 4)])
    with pytest.raises(ValueError, match=r"\[CategoricalCrossentropy\]"):
        Traced(losses.CategoricalCrossentropy(), [(None, 1), (None, 1)])
