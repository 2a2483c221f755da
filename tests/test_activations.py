"""Activations: formula, reference, gradient, and behaviour far from zero."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from formulas import ACTIVATIONS
from registry import classes, examples
from tolerances import FORWARD, assert_near
from traced import Traced

from ganglion import layers

SHAPES = [(None, 1), (None, 17), (None, 3, 5)]


def points(shape: tuple[int | None, ...], rows: int, seed: int = 0) -> np.ndarray:
    """Numbers away from the kinks that activations have, at whole and half numbers."""
    draw = np.random.default_rng(seed)
    full = tuple(rows if extent is None else extent for extent in shape)
    return draw.integers(-8, 9, full) / 2 + draw.uniform(0.1, 0.4, full)


def test_every_activation_has_a_formula() -> None:
    assert set(classes("activation")) == set(ACTIVATIONS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("activation", examples("activation"))
def test_activation_follows_its_formula(activation: Any, shape: Any, dtype: str) -> None:
    traced = Traced(activation, [shape], dtype=dtype)
    for rows in (1, 9):
        x = points(shape, rows).astype(dtype)
        expected = ACTIVATIONS[activation.registered_name](activation, x.astype(np.float64))
        assert_near(traced.run(x)[0], expected, 4 * FORWARD[dtype])
        assert_near(traced.run(x)[0], traced.refer(x).outputs["y"], 4 * FORWARD[dtype])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("activation", examples("activation"))
def test_gradient_of_activation(activation: Any, shape: Any) -> None:
    Traced(activation, [shape], wrt=[0]).check_gradients(points(shape, 4), points=60)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", examples("activation"))
def test_activation_and_gradient_stay_finite_far_from_zero(activation: Any, dtype: str) -> None:
    traced = Traced(activation, [(None, 4)], wrt=[0], dtype=dtype)
    x = np.array([[-700.0, 700.0, -30.0, 30.0], [-1e4, 1e4, 0.0, -1e-8]], dtype)
    y, d_x = traced.run(x, np.ones((2, 4)))[:2]
    bounded = activation.registered_name != "exponential"
    wanted = np.isfinite(y) | (not bounded)
    assert wanted.all() and not np.isnan(y).any()
    assert (np.isfinite(d_x) | (not bounded)).all() and not np.isnan(d_x).any()


def test_a_name_an_instance_and_a_class_mean_the_same() -> None:
    from ganglion import activations

    x = points((None, 5), 3)
    results = [
        Traced(layers.Activation(given), [(None, 5)]).run(x)[0]
        for given in ("silu", "swish", activations.SiLU(), activations.SiLU)
    ]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
