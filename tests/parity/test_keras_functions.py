"""Activations, losses, regularizers and initializers beside Keras's: values and gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import torch  # noqa: E402
from mirror import WITHOUT, mirror, numpy, tensor  # noqa: E402
from registry import classes, examples  # noqa: E402
from test_losses import data  # noqa: E402
from tolerances import STANDARD_ERRORS, assert_near, parity  # noqa: E402
from traced import Traced  # noqa: E402

from ganglion import layers  # noqa: E402

SHAPES = [(None, 3), (None, 17), (None, 4, 5)]


@pytest.mark.parametrize(
    "kind", ["activation", "loss", "optimizer", "regularizer", "initializer", "schedule"]
)
def test_everything_has_a_counterpart_or_a_reason(kind: str) -> None:
    for name, cls in classes(kind).items():
        if name in WITHOUT.get(kind, {}):
            continue
        for example in cls.examples():
            assert mirror(example) is not None


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("activation", examples("activation"))
def test_activation(activation: Any, shape: Any, dtype: str) -> None:
    if activation.registered_name in WITHOUT["activation"]:
        pytest.skip(WITHOUT["activation"][activation.registered_name])
    draw = np.random.default_rng(0)
    x = draw.normal(scale=2.0, size=(6, *shape[1:]))
    seed = draw.normal(size=x.shape)
    there = tensor(x, dtype).requires_grad_()
    expected = mirror(activation)(there)
    expected.backward(tensor(seed, dtype))
    y, d_x = Traced(activation, [shape], wrt=[0], dtype=dtype).run(x, seed)
    tolerance = parity(dtype, activation.registered_name)
    assert_near(y, expected.detach().numpy(), tolerance)
    assert_near(d_x, there.grad.numpy(), tolerance)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("loss", examples("loss"))
def test_loss(loss: Any, shape: Any, dtype: str) -> None:
    if loss.registered_name in WITHOUT["loss"]:
        pytest.skip(WITHOUT["loss"][loss.registered_name])
    target, prediction = data(loss, shape, 6)
    there = tensor(prediction, dtype).requires_grad_()
    expected = mirror(loss)(tensor(target, dtype), there)
    expected.backward()
    traced = Traced(loss, [loss.target_shape(shape), shape], wrt=[1], dtype=dtype)
    value, d_prediction = traced.run(target, prediction, np.full(target_rows(loss, shape), 1.0))
    count = value.size
    assert_near(value.mean(), expected.detach().numpy(), parity(dtype))
    assert_near(d_prediction / count, there.grad.numpy(), parity(dtype))


def target_rows(loss: Any, shape: Any) -> tuple[int, ...]:
    """Shape of the losses of six samples: the prediction's without its last axis."""
    return (6, *shape[1:-1])


@pytest.mark.parametrize("regularizer", examples("regularizer"))
def test_regularizer(regularizer: Any, dtype: str) -> None:
    kernel = np.random.default_rng(0).normal(size=(5, 3))
    there = tensor(kernel, dtype).requires_grad_()
    expected = mirror(regularizer)(there)
    expected.backward()
    layer = layers.Dense(3, kernel_regularizer=regularizer, use_bias=False)
    traced = Traced(layer, [(None, 5)], dtype=dtype)
    traced.weight("dense/kernel")[:] = kernel
    assert_near(traced.run(np.zeros((2, 5)))[1], expected.detach().numpy(), parity(dtype))


@pytest.mark.parametrize("shape", [(60, 40), (3, 3, 8, 20)], ids=str)
@pytest.mark.parametrize("initializer", examples("initializer"))
def test_initializer_has_the_same_distribution(initializer: Any, shape: tuple[int, ...]) -> None:
    name = initializer.registered_name
    if name in ("orthogonal", "identity"):
        pytest.skip("judged exactly in tests/test_initializers.py")
    keras.config.set_floatx("float64")
    ours = initializer.draw(shape, np.random.default_rng(0))
    theirs = numpy(mirror(initializer)(shape, dtype="float64"))
    error = max(float(theirs.std()), 1e-12) / math.sqrt(theirs.size)
    assert abs(ours.mean() - theirs.mean()) <= 2 * STANDARD_ERRORS * error
    assert abs(ours.std() - theirs.std()) <= 2 * STANDARD_ERRORS * error
    assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.4)


@pytest.mark.parametrize("schedule", examples("schedule"))
def test_schedule(schedule: Any) -> None:
    if schedule.registered_name in WITHOUT["schedule"]:
        pytest.skip(WITHOUT["schedule"][schedule.registered_name])
    keras.config.set_floatx("float64")
    theirs = mirror(schedule)
    steps = np.arange(100)
    expected = [float(theirs(torch.tensor(float(step), dtype=torch.float64))) for step in steps]
    np.testing.assert_allclose(schedule(steps), expected, rtol=1e-6, atol=1e-12)
