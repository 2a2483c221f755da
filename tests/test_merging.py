"""Layers that make one value of several: every registered one, by itself and in a graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import registry
from tolerances import FORWARD, assert_near
from traced import Traced

from ganglion import Model, Sequential, layers, ops, spec
from ganglion.value import Value

RNG = np.random.default_rng(0)
MERGING = [
    pytest.param(example, id=f"{name}-{position}")
    for name, cls in registry.classes("layer").items()
    if cls.takes_several
    for position, example in enumerate(cls.examples())
]
FORMULAS = {
    "Add": lambda x: x[0] + x[1],
    "Subtract": lambda x: x[0] - x[1],
    "Multiply": lambda x: x[0] * x[1],
    "Average": lambda x: (x[0] + x[1]) / 2,
    "Maximum": lambda x: np.maximum(x[0], x[1]),
    "Minimum": lambda x: np.minimum(x[0], x[1]),
    "Concatenate": None,
    "Dot": None,
}


def values(*shapes: Sequence[int]) -> list[np.ndarray]:
    return [RNG.normal(size=(5, *shape)) for shape in shapes]


def applied(layer: layers.Layer, *arrays: np.ndarray) -> np.ndarray:
    traced = Traced(
        lambda *x: layer(list(x)), [(None, *array.shape[1:]) for array in arrays], wrt=None
    )
    return traced.run(*arrays)[0]


def test_every_merging_layer_has_a_formula_here() -> None:
    assert {type(param.values[0]).__name__ for param in MERGING} == set(FORMULAS)


@pytest.mark.parametrize("layer", MERGING)
@pytest.mark.parametrize("shape", [(6,), (4, 3)])
def test_gradients_and_reference(layer: layers.Layer, shape: tuple[int, ...]) -> None:
    arrays = values(shape, shape)
    shapes = [(None, *shape)] * 2
    traced = Traced(lambda *x: layer(list(x)), shapes, wrt=[0, 1])
    traced.check_gradients(*arrays)
    seed = RNG.normal(size=(5, *traced.output_shape[1:]))
    expected = traced.refer(*arrays, seed).values
    for got, wanted in zip(traced.run(*arrays, seed), expected, strict=True):
        assert_near(got, wanted, FORWARD["float64"])


@pytest.mark.parametrize("layer", MERGING)
def test_formula(layer: layers.Layer) -> None:
    formula = FORMULAS[type(layer).__name__]
    if formula is not None:
        x = values((4, 3), (4, 3))
        np.testing.assert_allclose(applied(layer, *x), formula(x), rtol=1e-15)


def test_three_values_and_broadcasting() -> None:
    x = values((3,), (3,), (3,))
    np.testing.assert_allclose(applied(layers.Average(), *x), sum(x) / 3, rtol=1e-14)
    a, b = values((4, 3), (1, 3))
    np.testing.assert_allclose(applied(layers.Multiply(), a, b), a * b)
    np.testing.assert_array_equal(applied(layers.Add(), a), a)


@pytest.mark.parametrize("axis", [1, -1, 2])
def test_concatenate(axis: int) -> None:
    a, b = values((4, 3), (4, 2) if axis != 1 else (5, 3))
    expected = np.concatenate([a, b], axis=axis)
    np.testing.assert_array_equal(applied(layers.Concatenate(axis), a, b), expected)


@pytest.mark.parametrize(
    ("left", "right", "axes", "einsum"),
    [
        ((4,), (4,), 1, "ni,ni->n"),
        ((4, 3), (5, 3), 2, "nai,nbi->nab"),
        ((3, 4), (3, 5), 1, "nia,nib->nab"),
        ((3, 4), (5, 3), (1, 2), "nia,nbi->nab"),
        ((4,), (5, 4), (1, -1), "ni,nbi->nb"),
        ((5, 4), (4,), (2, 1), "nai,ni->na"),
    ],
)
def test_dot(left: tuple[int, ...], right: tuple[int, ...], axes: object, einsum: str) -> None:
    a, b = values(left, right)
    expected = np.einsum(einsum, a, b)
    got = applied(layers.Dot(axes), a, b)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=1e-12)


def test_normalized_dot_is_a_cosine() -> None:
    a, b = values((6,), (6,))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    got = applied(layers.Dot(1, normalize=True), a, b)
    np.testing.assert_allclose(got[:, 0], cosine, rtol=1e-12)


@pytest.mark.parametrize("layer", MERGING)
def test_config_and_a_file(layer: layers.Layer, tmp_path: object) -> None:
    assert spec.deserialize(spec.serialize(layer)) == layer
    a, b = layers.Input((4, 3)), layers.Input((4, 3))
    net = Model([a, b], layer([a, layers.Dense(3)(b)]), random_state=0)
    x = tuple(values((4, 3), (4, 3)))
    net.save(f"{tmp_path}/net")
    np.testing.assert_array_equal(Model.load(f"{tmp_path}/net").predict(x), net.predict(x))


def test_masks_meet() -> None:
    def function(x: Value) -> Value:
        masked = layers.Masking()(x)
        return layers.Add()([masked, x]).mask

    x = RNG.normal(size=(2, 3, 1))
    x[0, 1] = 0.0
    np.testing.assert_array_equal(ops.evaluate(function, x), [[1, 0, 1], [1, 1, 1]])


def test_bad_input_names_the_layer() -> None:
    x, long = layers.Input((3,)), layers.Input((4,))
    with pytest.raises(TypeError, match=r"\[Add\] must be called with a list of values"):
        layers.Add()(x)
    with pytest.raises(ValueError, match=r"add.*\(None, 3\).*\(None, 4\).*in layer 'add', input"):
        layers.Add()([x, long])
    with pytest.raises(ValueError, match=r"\[Subtract\] takes two values, got 3"):
        layers.Subtract()([x, x, x])
    with pytest.raises(ValueError, match=r"\[Dot\] sums over axes of sizes 3 and 4"):
        layers.Dot(1)([x, long])
    with pytest.raises(ValueError, match=r"\[Dot\] axes must be a number or two, not 0"):
        layers.Dot((0, 1))
    with pytest.raises(ValueError, match="takes a list of values, and a chain passes on one"):
        Sequential([layers.Dense(3), layers.Add()])
