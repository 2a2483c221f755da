"""Weights in PyTorch's layout: matched by order and shape, errors that name both sides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ganglion import NotFittedError, Sequential, layers

RNG = np.random.default_rng(0)


def network() -> Sequential:
    return Sequential(
        [
            layers.Input((3,)),
            layers.Normalization(),
            layers.Dense(4, activation="prelu"),
            layers.BatchNormalization(epsilon=1e-5),
            layers.Residual([layers.LayerNormalization(), layers.Dense(4, use_bias=False)]),
            layers.PReLU(),
            layers.Dense(2),
        ],
        random_state=0,
        dtype="float64",
    )


SHAPES = {
    "features.0.weight": (4, 3),
    "features.0.bias": (4,),
    "features.1.weight": (1,),
    "features.2.weight": (4,),
    "features.2.bias": (4,),
    "features.2.running_mean": (4,),
    "features.2.running_var": (4,),
    "features.2.num_batches_tracked": (),
    "norm.weight": (4,),
    "norm.bias": (4,),
    "inner.weight": (4, 4),
    "bend.weight": (4,),
    "head.weight": (2, 4),
    "head.bias": (2,),
}


def state() -> dict[str, Any]:
    return {name: RNG.uniform(0.1, 1.0, shape) for name, shape in SHAPES.items()}


def test_each_weight_is_found() -> None:
    net, given = network(), state()
    net.load_state_dict(given)
    held = dict(zip(net.weight_names, net.get_weights(), strict=True))
    np.testing.assert_array_equal(held["dense/kernel"], given["features.0.weight"].T)
    np.testing.assert_array_equal(held["dense/bias"], given["features.0.bias"])
    np.testing.assert_array_equal(held["dense/alpha"], np.full(4, given["features.1.weight"]))
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    theirs = ("weight", "bias", "running_mean", "running_var")
    for ours, there in zip(names, theirs, strict=True):
        wanted = given[f"features.2.{there}"]
        np.testing.assert_array_equal(held[f"batch_normalization/{ours}"], wanted)
    inner = held["residual/dense/kernel"]
    np.testing.assert_array_equal(inner, given["inner.weight"].T)
    np.testing.assert_array_equal(held["p_re_lu/alpha"], given["bend.weight"])
    np.testing.assert_array_equal(held["normalization/variance"], np.ones(3))


def test_a_layer_of_one_s_own_has_its_names() -> None:
    class Scale(layers.Layer):
        def build(self, x: Any) -> Any:
            return x * self.add_weight("factor", (3,), "ones")

    net = Sequential([layers.Input((3,)), Scale()])
    net.load_state_dict({"scale.factor": np.array([1.0, 2.0, 3.0])})
    np.testing.assert_array_equal(net.get_weights()[0], [1.0, 2.0, 3.0])


def without(*names: str) -> Any:
    return lambda given: [given.pop(name) for name in names]


def reshaped(name: str, *shape: int) -> Any:
    return lambda given: given.update({name: np.ones(shape)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            without("head.weight", "head.bias"),
            "7 layers with weights, 'dense', 'dense', 'batch_normalization', .*the dict has 6, "
            "'features.0', .*'bend'$",
        ),
        (
            without("features.2.bias"),
            "layer 'batch_normalization' needs .*'bias'.*'features.2' of the dict has 'weight', "
            "'running_mean'",
        ),
        (
            reshaped("inner.bias", 4),
            "layer 'residual/dense' needs 'weight', and 'inner' of the dict has 'weight', 'bias'",
        ),
        (
            reshaped("head.weight", 4, 2),
            r"'head.weight' has shape \(4, 2\), and 'dense_1/kernel' needs \(2, 4\), outputs first",
        ),
        (
            reshaped("norm.bias", 5),
            r"'norm.bias' has shape \(5,\), and 'residual/layer_normalization/beta' needs \(4,\)$",
        ),
        (reshaped("bend.weight", 3), r"'bend.weight' has shape \(3,\), and 'p_re_lu/alpha' needs"),
    ],
    ids=["module", "missing", "more", "transposed", "shape", "alpha"],
)
def test_what_does_not_fit_names_both_sides(change: Any, message: str) -> None:
    net, given = network(), state()
    before = net.get_weights()
    change(given)
    with pytest.raises(ValueError, match=r"\[load_state_dict\] .*" + message):
        net.load_state_dict(given)
    for left, right in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("given", [None, [np.ones(3)], "net.pt"], ids=str)
def test_no_dict(given: Any) -> None:
    with pytest.raises(TypeError, match=r"\[load_state_dict\] state must be a dict"):
        network().load_state_dict(given)


@pytest.mark.parametrize("key", ["head.weight", "features.1.weight"])
def test_what_is_not_finite_is_named(key: str) -> None:
    given = state()
    given[key] = np.full(SHAPES[key], np.nan)
    with pytest.raises(ValueError, match=rf"\[load_state_dict\] '{key}' has .* not finite"):
        network().load_state_dict(given)


def test_no_numbers() -> None:
    with pytest.raises(TypeError, match=r"\[load_state_dict\] 'head.bias' must hold numbers"):
        network().load_state_dict({**state(), "head.bias": np.array(["a", "b"])})


def test_before_build() -> None:
    with pytest.raises(NotFittedError, match="load_state_dict"):
        Sequential([layers.Dense(3)]).load_state_dict({})
